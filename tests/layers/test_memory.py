"""The memory against its equations, one number at a time in double precision."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import memory

VALUES = np.array([[1.0, 0], [0, 1], [1, 1], [2, -1]])
FORMS = ("a", "b", "c", "none")
PROPERTY = settings(max_examples=20, deadline=None)
SIZES = {
    "seed": st.integers(0, 2**32 - 1),
    "slots": st.integers(1, 5),
    "heads": st.integers(1, 3),
    "form": st.sampled_from(FORMS),
    "decay": st.floats(0, 1),
}


class Twin:
    """One batch row of a memory, written from section 2 of the fact sheet with loops over rows."""

    def __init__(self, slots, width):
        self.rows = np.zeros((slots, width))
        self.written, self.trace, self.usage = np.zeros((3, slots))
        self.count = 0

    def read(self, keys, sharpness):
        """The read and the weights of each head."""
        weights = np.zeros((len(keys), len(self.rows)))
        for head, (key, beta) in enumerate(zip(keys, sharpness, strict=True)):
            for i, row in enumerate(self.rows):
                length = np.sqrt((key**2).sum()) * np.sqrt((row**2).sum())
                weights[head, i] = np.exp(beta * (key @ row / length if length else 0))
            weights[head] /= weights[head].sum()
        return weights @ self.rows, weights

    def use(self, weights):
        for head in weights:
            self.usage = self.usage + head

    def write(self, value, form, decay):
        row = self.count
        if self.count >= len(self.rows):
            row = int(np.argmin(self.usage))
            others = np.delete(self.usage, row)
            self.usage[row] = others.mean() if len(others) else 0.0
            self.rows[row] = self.trace[row] = self.written[row] = 0
        now = np.eye(len(self.rows))[row]
        source = now if form == "b" else self.written
        for i in range(len(self.rows)):
            self.trace[i] = decay * self.trace[i] + (1 - decay) * source[i]
            if form != "none":
                share = self.trace[i] * (decay if form == "c" else 1)
                self.rows[i] += now[i] * np.append(value, 0 * value)
                self.rows[i] += share * np.append(0 * value, value)
            else:
                self.rows[i] += now[i] * value
        self.written, self.count = now, self.count + 1


def width_of(size, form):
    return size if form == "none" else 2 * size


def draw(seed, steps, heads, form, batch=3, size=2):
    """Keys, sharpness, values and firsts of T steps."""
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(steps, batch, heads, width_of(size, form)))
    sharpness = rng.uniform(0.5, 6, size=(steps, batch, heads))
    values = rng.normal(size=(steps, batch, size))
    first = rng.uniform(size=(steps, batch)) < 0.08
    return [x.astype("float32") for x in (keys, sharpness, values)] + [first]


def play(keys, sharpness, values, first, *, slots, form, decay):
    """Yields per step the memory read from, the reads, the weights and the memory after the write."""
    state = memory.empty(keys.shape[1], slots, keys.shape[-1])
    for key, beta, value, begin in zip(keys, sharpness, values, first, strict=True):
        before = memory.reset(state, tf.constant(begin))
        reads, weights = memory.read(before.rows, key, beta)
        state = memory.write(memory.use(before, weights), value, form, decay)
        yield before, reads, weights, state


def write_all(values, slots, form, decay):
    """Writes [T, B, Z] without a read; a list of T memories."""
    values = np.asarray(values, "float32")
    state = memory.empty(values.shape[1], slots, width_of(values.shape[2], form))
    states = []
    for value in values:
        state = memory.write(state, value, form, decay)
        states.append(state)
    return states


def filled(seed, slots=4, form="a", steps=4, heads=2):
    """A memory after some steps, and keys and sharpness to read it with."""
    keys, sharpness, values, _ = draw(seed, steps + 1, heads, form)
    begin = np.zeros(values.shape[:2], bool)
    steps = (x[:-1] for x in (keys, sharpness, values, begin))
    *_, (*_, state) = play(*steps, slots=slots, form=form, decay=0.9)
    return state, keys[-1], sharpness[-1]


@pytest.mark.parametrize(
    ("form", "halves"),
    [
        ("a", [[0.252, 0.109], [0.28, 0.01], [0.2, -0.1], [0, 0]]),
        ("b", [[0.3268, 0.0981], [0.252, 0.109], [0.28, 0.01], [0.2, -0.1]]),
        ("c", [[0.2268, 0.0981], [0.252, 0.009], [0.18, -0.09], [0, 0]]),
    ],
)
def test_four_writes_give_the_rows_of_the_fact_sheet(form, halves):
    rows = write_all(VALUES[:, None], 6, form, 0.9)[-1].rows[0]
    np.testing.assert_allclose(rows[:4, :2], VALUES)
    np.testing.assert_allclose(rows[:4, 2:], halves, atol=1e-6)
    np.testing.assert_array_equal(rows[4:], np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("form", "traces", "total"),
    [
        ("a", [[], [0.1], [0.09, 0.1], [0.081, 0.09, 0.1]], 0.271),
        (
            "b",
            [[0.1], [0.09, 0.1], [0.081, 0.09, 0.1], [0.0729, 0.081, 0.09, 0.1]],
            0.3439,
        ),
    ],
)
def test_the_trace_after_each_write_is_that_of_the_fact_sheet(form, traces, total):
    states = write_all(VALUES[:, None], 6, form, 0.9)
    for state, trace in zip(states, traces, strict=True):
        want = np.pad(trace, (0, 6 - len(trace)))
        np.testing.assert_allclose(state.trace[0], want, atol=1e-6)
    np.testing.assert_allclose(np.sum(states[-1].trace), total, rtol=1e-5)


def test_a_read_gives_the_numbers_of_the_fact_sheet():
    state = write_all(VALUES[:, None], 6, "a", 0.9)[-1]
    keys = tf.constant([[[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, -1, 0.5]]])
    sharpness = tf.constant([[2.126928, 0.693147, 0.313262]])
    reads, weights = memory.read(state.rows, keys, sharpness)
    want = [
        [0.355144, 0.045673, 0.201746, 0.306091, 0.045673, 0.045673],
        [0.182334, 0.185728, 0.169732, 0.154069, 0.154069, 0.154069],
        [0.156404, 0.188295, 0.181564, 0.148238, 0.16275, 0.16275],
    ]
    np.testing.assert_allclose(weights[0], want, atol=2e-6)
    want = [
        [1.169073, -0.058672, 0.142634, 0.018993],
        [0.660203, 0.201391, 0.131898, 0.004758],
        [0.634443, 0.221621, 0.128449, 0.000775],
    ]
    np.testing.assert_allclose(reads[0], want, atol=3e-6)
    want = [0.693882, 0.419696, 0.553043, 0.608398, 0.362491, 0.362491]
    used = memory.use(memory.use(state, weights), weights)
    np.testing.assert_allclose(used.usage[0], np.multiply(2, want), atol=5e-6)
    np.testing.assert_array_equal(used.rows, state.rows)


def test_a_full_memory_overwrites_the_least_used_row_and_not_at_once_again():
    weights = [
        [0.5, 0.3, 0.2],
        [0.1, 0.2, 0.7],
        [0.6, 0.1, 0.3],
        [0.2, 0.2, 0.6],
        [0.3, 0.6, 0.1],
    ]
    state, rows = memory.empty(1, 3, 4), []
    for step, weight in enumerate(weights):
        state = memory.use(state, tf.constant([[weight]]))
        if step == 3:
            np.testing.assert_allclose(state.usage, [[1.4, 0.8, 1.8]], rtol=1e-6)
        if step == 4:  # zero instead of the mean of 1.4 and 1.8 gives row 1 again
            np.testing.assert_allclose(state.usage, [[1.7, 1.6 + 0.6, 1.9]], rtol=1e-6)
        state = memory.write(state, tf.constant([[1.0 + step, 0]]), "a", 0.9)
        rows.append(int(np.argmax(state.written)))
    assert rows == [0, 1, 2, 1, 0]
    assert int(state.count[0]) == 5
    np.testing.assert_allclose(state.usage, [[2.05, 2.2, 1.9]], rtol=1e-6)
    np.testing.assert_allclose(state.rows[0, :, 0], [5, 4, 3])


def test_of_equally_used_rows_the_first_is_overwritten():
    state = write_all(np.ones((3, 1, 2)), 3, "a", 0.9)[-1]
    state = state._replace(usage=tf.constant([[2.0, 1, 1]]))
    written = memory.write(state, tf.ones([1, 2]), "a", 0.9).written
    np.testing.assert_array_equal(written, [[0, 1, 0]])


@pytest.mark.parametrize("form", FORMS[:3])
def test_the_trace_of_a_new_occupant_starts_from_zero(form):
    state = write_all(VALUES[:, None], 4, form, 0.9)[-1]
    state = state._replace(usage=tf.constant([[3.0, 1, 2, 3]]))
    after = memory.write(state, tf.constant([[5.0, 7]]), form, 0.9)
    own = 0.1 if form == "b" else 0.0
    np.testing.assert_allclose(after.rows[0, 1], [5, 7, 5 * own, 7 * own], rtol=1e-6)
    np.testing.assert_allclose(after.trace[0, 1], own, rtol=1e-6)
    others = np.take(state.trace, [0, 2], 1) * 0.9
    np.testing.assert_allclose(np.take(after.trace, [0, 2], 1), others, rtol=1e-6)


@PROPERTY
@given(steps=st.integers(1, 14), **SIZES)
def test_any_run_with_resets_and_overflow_is_that_of_the_twin(
    steps, seed, slots, heads, form, decay
):
    drawn = draw(seed, steps, heads, form)
    twins = [Twin(slots, drawn[0].shape[-1]) for _ in range(3)]
    played = play(*drawn, slots=slots, form=form, decay=decay)
    for step, key, beta, value, begin in zip(played, *drawn, strict=True):
        _, reads, weights, after = step
        for b in range(3):
            if begin[b]:
                twins[b] = Twin(slots, key.shape[-1])
            want_reads, want_weights = twins[b].read(key[b], beta[b])
            twins[b].use(want_weights)
            twins[b].write(value[b], form, decay)
            np.testing.assert_allclose(weights[b], want_weights, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(reads[b], want_reads, rtol=1e-3, atol=1e-4)
        assert_same(after, twins, form)


def assert_same(state, twins, form):
    fields = set(memory.Memory._fields) - ({"trace"} if form == "none" else set())
    for name in sorted(fields):
        want = np.stack([getattr(twin, name) for twin in twins])
        got = getattr(state, name)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4, err_msg=name)


@PROPERTY
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 6),
    form=st.sampled_from(FORMS),
    decay=st.floats(0, 1),
)
def test_before_overflow_rows_are_the_sums_of_the_fact_sheet(seed, steps, form, decay):
    z = np.random.default_rng(seed).normal(size=(steps, 2, 3))
    state = write_all(z, 6, form, decay)[-1]
    want = np.zeros((2, 6, width_of(3, form)))
    for i in range(steps):
        want[:, i, :3] = z[i]
        for t in range(i if form == "b" else i + 1, steps):
            power = t - i - 1 if form == "a" else t - i
            if form != "none":
                want[:, i, 3:] += (1 - decay) * decay**power * z[t]
    np.testing.assert_allclose(state.rows, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(state.written, np.eye(6)[[steps - 1] * 2])
    np.testing.assert_array_equal(state.count, [steps] * 2)
    if form in "ab":
        total = 1 - decay ** (steps - (form == "a"))
        np.testing.assert_allclose(np.sum(state.trace, 1), [total] * 2, atol=1e-5)


@PROPERTY
@given(steps=st.integers(1, 14), **SIZES)
def test_weights_are_distributions_that_add_to_the_usage_until_an_overwrite(
    steps, seed, slots, heads, form, decay
):
    drawn = draw(seed, steps, heads, form)
    for before, _, weights, after in play(*drawn, slots=slots, form=form, decay=decay):
        assert (np.asarray(weights) >= 0).all()
        np.testing.assert_allclose(np.sum(weights, -1), 1, rtol=1e-6)
        grown = memory.use(before, weights).usage - before.usage
        assert (np.asarray(grown) >= 0).all()
        np.testing.assert_allclose(np.sum(grown, -1), heads, rtol=1e-5)
        np.testing.assert_array_equal(np.sort(after.written, -1)[:, -1], 1)
        np.testing.assert_array_equal(np.sum(after.written, -1), 1)
        fits = before.count.numpy() < slots
        kept = np.asarray(before.usage + grown)[fits]
        np.testing.assert_allclose(after.usage.numpy()[fits], kept, rtol=1e-6)


@PROPERTY
@given(heads=st.integers(1, 3), seed=SIZES["seed"], form=st.sampled_from(FORMS))
def test_an_empty_memory_reads_zeros_evenly_and_has_finite_gradients(heads, seed, form):
    keys, sharpness, *_ = draw(seed, 1, heads, form)
    rows = memory.empty(3, 5, keys.shape[-1]).rows
    sources = [rows, tf.constant(keys[0]), tf.constant(sharpness[0])]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        reads, weights = memory.read(*sources)
        loss = tf.reduce_sum(reads) + tf.reduce_sum(weights**2)
    np.testing.assert_array_equal(reads, np.zeros((3, heads, keys.shape[-1])))
    np.testing.assert_allclose(weights, np.full((3, heads, 5), 0.2), rtol=1e-6)
    for gradient in tape.gradient(loss, sources):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("what", ["keys", "rows", "sharpness"])
def test_zeros_anywhere_read_with_finite_values_and_gradients(what):
    state, keys, sharpness = filled(0, slots=6)
    sources = {"rows": state.rows, "keys": keys, "sharpness": sharpness}
    sources[what] = tf.zeros_like(sources[what])
    sources = {name: tf.convert_to_tensor(x) for name, x in sources.items()}
    with tf.GradientTape() as tape:
        tape.watch(sources)
        reads, weights = memory.read(**sources)
        loss = tf.reduce_sum(reads**2)
    np.testing.assert_allclose(weights, np.full((3, 2, 6), 1 / 6), rtol=1e-5)
    for gradient in tape.gradient(loss, sources).values():
        assert np.isfinite(gradient).all()


@PROPERTY
@given(seed=SIZES["seed"], form=st.sampled_from(FORMS))
def test_a_very_sharp_read_is_the_best_matching_row(seed, form):
    state, keys, sharpness = filled(seed, slots=6, form=form)
    rows, cosine = state.rows.numpy(), np.zeros((3, 2, 6))
    for b, head, i in itertools.product(range(3), range(2), range(6)):
        length = np.linalg.norm(keys[b, head]) * np.linalg.norm(rows[b, i])
        cosine[b, head, i] = keys[b, head] @ rows[b, i] / length if length else 0
    reads, weights = memory.read(state.rows, keys, np.full_like(sharpness, 1e6))
    assert np.isfinite(weights).all()
    ordered = np.sort(cosine, -1)
    for b, head in itertools.product(range(3), range(2)):
        if ordered[b, head, -1] - ordered[b, head, -2] > 1e-4:
            best = rows[b, np.argmax(cosine[b, head])]
            np.testing.assert_allclose(reads[b, head], best, rtol=1e-4, atol=1e-6)


@PROPERTY
@given(seed=SIZES["seed"], scale=st.floats(1, 1e3))
def test_a_key_reads_the_same_at_any_length_from_a_hundredth_on(seed, scale):
    state, keys, sharpness = filled(seed, slots=6)
    length = np.linalg.norm(keys, axis=-1, keepdims=True)
    keys = np.float32(0.02) * keys / length
    for got, want in zip(
        memory.read(state.rows, np.float32(scale) * keys, sharpness),
        memory.read(state.rows, keys, sharpness),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_rows_and_keys_of_zeros_have_gradients_of_bounded_size():
    rows, keys = tf.zeros([1, 3, 2]), tf.zeros([1, 1, 2])
    rows += tf.constant([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    for keys in (tf.zeros([1, 1, 2]), tf.ones([1, 1, 2])):
        with tf.GradientTape() as tape:
            tape.watch([rows, keys])
            found, _ = memory.read(rows, keys, tf.ones([1, 1]))
            total = tf.reduce_sum(found)
        for gradient in tape.gradient(total, [rows, keys]):
            assert np.isfinite(gradient).all() and np.abs(gradient).max() < 100


@PROPERTY
@given(
    seed=SIZES["seed"],
    form=st.sampled_from(FORMS),
    order=st.permutations(range(4)),
    steps=st.integers(4, 9),
)
def test_the_order_of_the_rows_changes_neither_reads_nor_what_is_overwritten(
    seed, form, order, steps
):
    state, keys, sharpness = filled(seed, form=form, steps=steps)
    moved = memory.Memory(
        *[tf.gather(x, order, axis=1) for x in state[:4]], state.count
    )
    reads, weights = memory.read(state.rows, keys, sharpness)
    moved_reads, moved_weights = memory.read(moved.rows, keys, sharpness)
    np.testing.assert_allclose(moved_reads, reads, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        moved_weights, tf.gather(weights, order, axis=2), rtol=1e-5
    )
    value = np.float32([[1, 2], [3, 4], [5, 6]])
    after = memory.write(memory.use(state, weights), value, form, 0.9)
    moved_after = memory.write(memory.use(moved, moved_weights), value, form, 0.9)
    for got, want in zip(moved_after[:4], after[:4], strict=True):
        np.testing.assert_allclose(
            got, tf.gather(want, order, axis=1), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("form", FORMS[:3])
def test_with_decay_one_the_retroactive_half_stays_zero(form):
    values = np.random.default_rng(0).normal(size=(7, 2, 3))
    for state in write_all(values, 4, form, 1.0):
        np.testing.assert_array_equal(state.rows[..., 3:], np.zeros((2, 4, 3)))


@PROPERTY
@given(steps=st.integers(1, 5), **SIZES)
def test_a_reset_empties_one_memory_as_if_it_were_fresh_and_leaves_the_others(
    steps, seed, slots, heads, form, decay
):
    *drawn, first = draw(seed, 2 * steps, heads, form)
    first[:] = False
    sizes = {"slots": slots, "form": form, "decay": decay}
    *_, (*_, before) = play(*(x[:steps] for x in (*drawn, first)), **sizes)
    after = memory.reset(before, tf.constant([False, True, False]))
    for name, old, new in zip(before._fields, before, after, strict=True):
        assert not np.any(new[1]), name
        np.testing.assert_array_equal(tf.gather(new, [0, 2]), tf.gather(old, [0, 2]))
    joined = first.copy()
    joined[steps, 1] = True
    fresh = play(*(x[steps:] for x in (*drawn, first)), **sizes)
    late = list(play(*drawn, joined, **sizes))[steps:]
    through = list(play(*drawn, first, **sizes))[steps:]
    for got, alone, untouched in zip(late, fresh, through, strict=True):
        for part, want, other in zip(got[1:3], alone[1:3], untouched[1:3], strict=True):
            np.testing.assert_allclose(part[1], want[1], rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(part[0], other[0])
            np.testing.assert_array_equal(part[2], other[2])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("slots", [3, 6])
def test_the_gradient_through_writes_and_reads_is_the_slope_of_the_twin(form, slots):
    keys, sharpness, values, _ = draw(3, 6, 2, form, batch=1)
    sources = [tf.constant(values), tf.constant(keys), tf.constant(sharpness)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        state = memory.empty(1, slots, keys.shape[-1])
        for t in range(6):
            reads, weights = memory.read(state.rows, sources[1][t], sources[2][t])
            state = memory.use(state, weights)
            state = memory.write(state, sources[0][t], form, 0.8)
        loss = tf.reduce_sum(reads**2)

    def energy(*parts):
        twin = Twin(slots, keys.shape[-1])
        for value, key, beta in zip(*parts, strict=True):
            reads, weights = twin.read(key[0], beta[0])
            twin.use(weights)
            twin.write(value[0], form, 0.8)
        return (reads**2).sum()

    parts = [x.astype("float64") for x in (values, keys, sharpness)]
    np.testing.assert_allclose(loss, energy(*parts), rtol=1e-4)
    for part, gradient in zip(parts, tape.gradient(loss, sources), strict=True):
        slope = np.zeros_like(part)
        for index in np.ndindex(part.shape):
            middle, ends = part[index], []
            for step in (1e-5, -1e-5):
                part[index] = middle + step
                ends.append(energy(*parts))
            part[index] = middle
            slope[index] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradient, slope, rtol=2e-3, atol=1e-4)


def test_an_empty_memory_has_the_documented_shapes_and_dtypes_for_any_batch():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def make(batch):
        return memory.empty(batch, 5, 6)

    shapes = {"rows": (3, 5, 6), "count": (3,)}
    for state in (memory.empty(3, 5, 6), make(3)):
        for name, part in state._asdict().items():
            assert part.shape == shapes.get(name, (3, 5))
            assert part.dtype == (tf.int32 if name == "count" else tf.float32)
            assert not np.any(part)


def test_a_write_in_a_graph_of_unknown_batch_is_the_eager_one():
    state, *_ = filled(0)
    value = tf.constant([[1.0, 2], [3, 4], [5, 6]])
    unknown = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), (state, value)
    )
    compiled = tf.function(
        lambda state, value: memory.write(state, value, "a", 0.9),
        input_signature=unknown,
    )
    want = memory.write(state, value, "a", 0.9)
    for got, eager in zip(compiled(state, value), want, strict=True):
        np.testing.assert_allclose(got, eager, rtol=1e-6)


def test_an_unknown_form_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"form.*'d'|'d'.*form"):
        memory.write(memory.empty(2, 3, 4), tf.zeros([2, 2]), "d", 0.9)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ((2, 4), "a"),
        ((2, 3), "b"),
        ((2, 2), "none"),
        ((2, 1), "none"),
        ((3, 2), "a"),
        ((1, 2), "a"),
        ((2,), "a"),
        ((2, 1, 2), "a"),
    ],
)
def test_a_value_that_does_not_fit_the_memory_is_an_error(value, form):
    with pytest.raises(ValueError):
        memory.write(memory.empty(2, 3, 4), tf.zeros(value), form, 0.9)


@pytest.mark.parametrize(
    ("keys", "sharpness"),
    [
        ((2, 1, 3), (2, 1)),
        ((2, 2, 4), (2, 1)),
        ((3, 1, 4), (3, 1)),
        ((2, 4), (2, 1)),
        ((2, 1, 4), (2, 1, 1)),
    ],
)
def test_keys_that_do_not_fit_the_memory_are_an_error(keys, sharpness):
    rows = memory.empty(2, 5, 4).rows
    with pytest.raises(ValueError):
        memory.read(rows, tf.zeros(keys), tf.ones(sharpness))

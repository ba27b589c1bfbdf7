import keras
import numpy as np
import pytest
import tensorflow as tf

import layers

A, E, T, B = 3, 5, 6, 4
KINDS = pytest.mark.parametrize("classes", [4, 0])


def small_cell(classes=4, **kwargs):
    keras.utils.set_random_seed(0)
    cell = layers.RSSMCell(6, 7, 2, classes, action_size=A, embed_size=E, **kwargs)
    cell.build()
    return cell


def random_inputs(cell):
    normal = tf.random.stateless_normal
    first = np.zeros((T, B), bool)
    first[0] = first[3, 1] = True
    noise = cell.noise((T, B), [5, 6])
    return normal([T, B, A], [1, 2]), normal([T, B, E], [3, 4]), first, noise


def unroll(cell, action, embed, is_first, noise):
    state, states = cell.initial_state(B), []
    actions, embeds = cell.action_inputs(action), cell.embed_inputs(embed)
    for t in range(T):
        state = cell.posterior_step(state, actions[t], embeds[t], is_first[t], noise[t])
        states.append(state)
    return tf.nest.map_structure(lambda *xs: tf.stack(xs), *states)


def test_the_cell_has_the_published_size():
    cell = layers.RSSMCell(action_size=18, embed_size=1536)
    cell.build()
    assert cell.count_params() == 5_664_848
    assert cell.feature_size == 1624


def test_split_kernels_are_initialised_as_one_on_the_concatenation():
    keras.utils.set_random_seed(0)
    cell = layers.RSSMCell(action_size=18, embed_size=1536)
    cell.build()
    weights = {w.path.split("rssm_cell/")[-1]: w.numpy() for w in cell.weights}
    for name, fan_in in (
        ("stoch_in", 1024 + 18),
        ("action_in", 1024 + 18),
        ("post_deter", 600 + 1536),
        ("post_embed", 600 + 1536),
    ):
        found = [w for path, w in weights.items() if f"{name}/kernel" in path]
        limit = (6 / (fan_in + 600)) ** 0.5
        assert np.abs(found[0]).max() == pytest.approx(limit, rel=2e-3)


@KINDS
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_a_posterior_step_is_the_formula_written_out(classes, norm):
    cell = small_cell(classes, norm=norm, activation="tanh")
    action, embed, _, noise = random_inputs(cell)
    before = unroll(cell, *random_inputs(cell))
    state = tf.nest.map_structure(lambda x: x[-1], before)
    stoch = np.reshape(state.stoch, (B, -1))

    def dense(layer, *parts):
        kernel = np.concatenate([part.kernel for part in layer])
        bias = sum(part.bias.numpy() for part in layer if part.use_bias)
        hidden = np.concatenate(parts, -1) @ kernel + bias
        if norm == "layer":
            centred = hidden - hidden.mean(-1, keepdims=True)
            hidden = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)
        return np.tanh(hidden)

    x = dense([cell._stoch_in, cell._action_in], stoch, action[2])
    deter = cell.gru.step(x, state.deter)
    hidden = dense([cell._post_deter, cell._post_embed], deter, embed[2])
    out = hidden @ cell._post_out.kernel.numpy() + cell._post_out.bias.numpy()
    got = cell.posterior_step(
        state,
        cell.action_inputs(action[2]),
        cell.embed_inputs(embed[2]),
        tf.zeros([B], tf.bool),
        noise[2],
    )
    np.testing.assert_allclose(got.deter, deter, rtol=1e-4, atol=1e-5)
    if classes:
        logits = out.reshape(B, 2, classes)
        np.testing.assert_allclose(got.params, logits, rtol=1e-4, atol=1e-5)
        want = np.eye(classes)[np.argmax(logits + noise[2].numpy(), -1)]
        np.testing.assert_array_equal(got.stoch, want)
    else:
        mean, raw = np.split(out, 2, -1)
        std = 2 / (1 + np.exp(-raw / 2)) + 0.1
        np.testing.assert_allclose(
            got.params, np.concatenate([mean, std], -1), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            got.stoch, mean + std * noise[2], rtol=1e-4, atol=1e-5
        )


@KINDS
def test_an_rnn_over_the_cell_agrees_with_the_pieces(classes):
    cell = small_cell(classes)
    action, embed, first, noise = random_inputs(cell)
    want = unroll(cell, action, embed, first, noise)
    flat = [
        action,
        embed,
        first[..., None].astype("float32"),
        tf.reshape(noise, [T, B, -1]),
    ]
    inputs = tf.transpose(tf.concat(flat, -1), [1, 0, 2])
    outputs = keras.layers.RNN(cell, return_sequences=True, return_state=True)(inputs)
    features, deter, stoch, params = outputs
    np.testing.assert_allclose(
        tf.transpose(features, [1, 0, 2]), cell.features(want), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(deter, want.deter[-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(stoch, tf.reshape(want.stoch[-1], [B, -1]), atol=1e-5)
    np.testing.assert_allclose(
        params, tf.reshape(want.params[-1], [B, -1]), rtol=1e-4, atol=1e-5
    )


@KINDS
def test_a_first_row_forgets_state_and_action_in_value_and_gradient(classes):
    cell = small_cell(classes)
    action, embed, _, noise = random_inputs(cell)
    state = tf.nest.map_structure(lambda x: x[-1], unroll(cell, *random_inputs(cell)))
    first = tf.constant([True, False, True, False])
    with tf.GradientTape() as tape:
        tape.watch([state, action])
        got = cell.posterior_step(
            state,
            cell.action_inputs(action[0]),
            cell.embed_inputs(embed[0]),
            first,
            noise[0],
        )
    fresh = cell.posterior_step(
        cell.initial_state(B),
        cell.action_inputs(tf.zeros([B, A])),
        cell.embed_inputs(embed[0]),
        tf.zeros([B], tf.bool),
        noise[0],
    )
    for one, other in zip(got, fresh, strict=True):
        np.testing.assert_allclose(one[::2], other[::2], rtol=1e-6)
    assert np.any(got.deter.numpy()[1::2] != fresh.deter.numpy()[1::2])
    gradients = tape.gradient(got.params, [state.deter, state.stoch, action])
    for gradient in (gradients[0], gradients[1], gradients[2][0]):
        gradient = np.asarray(gradient)
        assert not gradient[::2].any() and gradient[1::2].any()


@KINDS
def test_a_prior_step_shares_the_recurrence_with_a_posterior_step(classes):
    cell = small_cell(classes)
    action, embed, _, noise = random_inputs(cell)
    state = tf.nest.map_structure(lambda x: x[-1], unroll(cell, *random_inputs(cell)))
    first, actions = tf.zeros([B], tf.bool), cell.action_inputs(action[1])
    post = cell.posterior_step(
        state, actions, cell.embed_inputs(embed[1]), first, noise[1]
    )
    prior = cell.prior_step(state, actions, noise[1])
    np.testing.assert_allclose(prior.deter, post.deter, rtol=1e-6)
    np.testing.assert_allclose(prior.params, cell.prior(post.deter), rtol=1e-6)
    np.testing.assert_allclose(prior.stoch, cell.sample(prior.params, noise[1]))


@KINDS
def test_pieces_that_need_no_loop_give_the_same_batched_over_time(classes):
    cell = small_cell(classes)
    action, embed, first, noise = random_inputs(cell)
    states = unroll(cell, action, embed, first, noise)
    for piece, x in (
        (cell.prior, states.deter),
        (cell.action_inputs, action),
        (cell.embed_inputs, embed),
    ):
        each = tf.stack([piece(x[t]) for t in range(T)])
        np.testing.assert_allclose(piece(x), each, rtol=1e-5, atol=1e-6)
    assert cell.features(states).shape == (T, B, cell.feature_size)


@KINDS
def test_everything_between_the_pieces_is_float32_under_bfloat16(classes):
    cell = small_cell(classes, dtype="mixed_bfloat16")
    states = unroll(cell, *random_inputs(cell))
    dream = cell.prior_step(
        tf.nest.map_structure(lambda x: x[-1], states),
        cell.action_inputs(tf.zeros([B, A])),
        cell.noise([B], [1, 2]),
    )
    for tensor in (*states, *dream, cell.prior(states.deter), cell.features(states)):
        assert tensor.dtype == tf.float32


def test_categorical_samples_are_one_hot_and_carry_gradients_to_the_logits():
    cell = small_cell()
    action, embed, first, noise = random_inputs(cell)
    with tf.GradientTape() as tape:
        states = unroll(cell, action, embed, first, noise)
        loss = tf.reduce_sum(states.stoch[..., 0])
    assert set(np.unique(states.stoch)) == {0.0, 1.0}
    np.testing.assert_array_equal(tf.reduce_sum(states.stoch, -1), np.ones((T, B, 2)))
    assert np.any(tape.gradient(loss, cell._post_out.kernel.value).numpy())


def test_a_cell_works_in_a_loop_over_an_unknown_batch():
    cell = small_cell()
    action, embed, first, noise = random_inputs(cell)

    @tf.function(
        input_signature=[
            tf.TensorSpec([T, None, A]),
            tf.TensorSpec([T, None, E]),
            tf.TensorSpec([T, None], tf.bool),
            tf.TensorSpec([T, None, 2, 4]),
        ]
    )
    def scan(action, embed, first, noise):
        steps = cell.action_inputs(action), cell.embed_inputs(embed), first, noise
        return tf.scan(
            lambda state, now: cell.posterior_step(state, *now),
            steps,
            initializer=cell.initial_state(tf.shape(action)[1]),
        )

    got = scan(action, embed, tf.constant(first), noise)
    for one, other in zip(got, unroll(cell, action, embed, first, noise), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("std", "want"), [("softplus", 0.793147), ("sigmoid", 0.6), ("sigmoid2", 1.1)]
)
def test_a_raw_standard_deviation_of_zero_gives_each_kinds_value(std, want):
    cell = small_cell(0, std=std)
    cell._prior_out.kernel.assign(tf.zeros([7, 4]))
    np.testing.assert_allclose(cell.prior(tf.zeros([1, 6]))[0, 2:], [want] * 2, 1e-6)


def test_wrong_options_and_shapes_are_refused():
    with pytest.raises(ValueError, match="std must be one of"):
        small_cell(0, std="exp")
    cell = small_cell()
    state = cell.initial_state(B)
    with pytest.raises(ValueError, match="embed_in has shape"):
        cell.posterior_step(
            state,
            tf.zeros([B, 7]),
            tf.zeros([B + 1, 7]),
            tf.zeros([B], tf.bool),
            tf.zeros([B, 2, 4]),
        )

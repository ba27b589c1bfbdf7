import numpy as np
import pytest
import tensorflow as tf

import estimators
from tests.estimators import toys

LATENTS = ("categorical", "bernoulli")
EVENT = {"categorical": (2, 3), "bernoulli": (4,)}
SEVERAL = {"rloo": 2, "vimco": 2, "arm": 2, "disarm": 2}  # samples of one estimate
TEMPERATURES = (
    "straight_through",
    "gumbel_softmax",
    "st_gumbel_softmax",
    "gumbel_rao",
    "reinmax",
    "rebar",
)
EVERY_NAME = pytest.mark.parametrize("name", estimators.NAMES)
EVERY_LATENT = pytest.mark.parametrize("latent", LATENTS)


def logits_of(latent, batch=(5,), dtype="float32"):
    shape = (*batch, *EVENT[latent])
    return tf.constant(np.random.default_rng(1).normal(size=shape).astype(dtype))


def cost_of(latent):
    """exp(w . z), of samples with any leading axes."""
    weights = np.linspace(-0.7, 0.9, np.prod(EVENT[latent])).astype("float32")
    weights = weights.reshape(EVENT[latent])
    axes = list(range(-weights.ndim, 0))
    return lambda z: tf.exp(tf.reduce_sum(z * weights, axes))


def options_of(name, logits, latent):
    """Options that the estimator cannot do without."""
    batch = tf.shape(logits)[: logits.shape.rank - len(EVENT[latent])]
    if name == "nvil":
        baseline = tf.fill(batch, 0.3)
        return {"baseline": baseline, "moments": estimators.Moments.zero()}
    if name == "relax":
        axes = [-2, -1] if latent == "categorical" else [-1]
        return {"control": lambda v: tf.reduce_sum(tf.tanh(v), axes)}
    if name == "slope_annealed_straight_through":
        return {"slope": 2.0}
    if name in ("gumbel_softmax", "st_gumbel_softmax", "gumbel_rao"):
        return {"temperature": 0.5}
    return {}


def run(name, latent, logits, seed, cost=None):
    """Returns sample, cost, surrogate and gradient."""
    with tf.GradientTape() as tape:
        tape.watch(logits)
        made = estimators.estimate(
            name,
            logits,
            cost or cost_of(latent),
            seed,
            latent,
            **options_of(name, logits, latent),
        )
    return *made[:3], tape.gradient(made.surrogate, logits)


def assert_same(name, got, want, atol=1e-6):
    sample = np.asarray(got[0]), np.asarray(want[0])
    if name == "gumbel_softmax":
        np.testing.assert_allclose(*sample, atol=atol)
    else:
        np.testing.assert_array_equal(*sample)
    for g, w in zip(got[1:], want[1:], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=atol)


def test_the_names_are_those_of_the_literature():
    assert sorted(estimators.NAMES) == [
        "arm",
        "darn",
        "disarm",
        "gumbel_rao",
        "gumbel_softmax",
        "muprop",
        "nvil",
        "rebar",
        "reinmax",
        "relax",
        "rloo",
        "score_function",
        "slope_annealed_straight_through",
        "st_gumbel_softmax",
        "straight_through",
        "vimco",
    ]


@EVERY_NAME
@EVERY_LATENT
def test_a_seed_gives_one_result_eagerly_and_under_xla(name, latent):
    logits, seed = logits_of(latent), tf.constant([11, 3])
    want = run(name, latent, logits, seed)

    def call(logits, seed):
        return run(name, latent, logits, seed)

    assert_same(name, run(name, latent, logits, seed), want, atol=0)
    assert_same(name, tf.function(call, jit_compile=True)(logits, seed), want, 2e-6)


@EVERY_NAME
@EVERY_LATENT
def test_other_seeds_and_other_rows_give_other_samples(name, latent):
    logits = tf.zeros([40, *EVENT[latent]])
    one, _, _, gradient = run(name, latent, logits, [11, 3])
    for seed in ([11, 4], [12, 3]):
        assert (one.numpy() != run(name, latent, logits, seed)[0].numpy()).any()
    samples = np.moveaxis(one.numpy().reshape(-1, 40, *EVENT[latent]), 1, 0)
    assert len(np.unique(samples.reshape(40, -1), axis=0)) > 5
    if name not in ("straight_through", "slope_annealed_straight_through"):
        assert len(np.unique(gradient.numpy().reshape(40, -1), axis=0)) > 5


@EVERY_NAME
@EVERY_LATENT
@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3)])
def test_every_batch_shape_is_taken(name, latent, batch):
    logits = logits_of(latent, batch)
    sample, cost, surrogate, gradient = run(name, latent, logits, [1, 2])
    several = (SEVERAL[name],) if name in SEVERAL else ()
    assert sample.shape == (*several, *logits.shape)
    assert cost.shape == surrogate.shape == batch
    assert gradient.shape == logits.shape
    assert sample.dtype == cost.dtype == surrogate.dtype == tf.float32
    np.testing.assert_array_equal(cost, surrogate)
    assert np.isfinite(gradient).all() and gradient.numpy().any()


@EVERY_NAME
@EVERY_LATENT
def test_a_seed_gives_one_result_in_graphs_of_an_unknown_batch_size_too(name, latent):
    spec = tf.TensorSpec([None, *EVENT[latent]], tf.float32)

    @tf.function(input_signature=[spec])
    def call(logits):
        return run(name, latent, logits, [1, 2])

    for rows in (1, 5):  # one graph for both
        logits = logits_of(latent, (rows,))
        assert_same(name, call(logits), run(name, latent, logits, [1, 2]))
    assert call.experimental_get_tracing_count() == 1


@EVERY_NAME
@EVERY_LATENT
def test_the_cost_is_that_of_the_sample_and_takes_no_gradient(name, latent):
    logits = logits_of(latent)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        options = options_of(name, logits, latent)
        made = estimators.estimate(
            name, logits, cost_of(latent), [1, 2], latent, **options
        )
    f = np.float64(cost_of(latent)(made.sample))
    if name == "vimco":
        f = -np.log(np.mean(np.exp(-f), 0))
    elif name in SEVERAL:
        f = f.mean(0)
    np.testing.assert_allclose(made.cost, f, rtol=2e-6)
    assert tape.gradient([made.cost, made.sample], logits) is None


@EVERY_NAME
@EVERY_LATENT
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_samples_are_exact_and_gradients_come_back_in_the_logits_dtype(
    name, latent, dtype
):
    batch = (50, 8) if latent == "categorical" else (50,)
    shape = (*batch, *EVENT[latent][-1:])
    logits = tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype)
    weights = tf.linspace(-0.3, 0.3, shape[-1])

    def cost(z):
        axes = [-2, -1] if latent == "categorical" else [-1]
        return tf.exp(tf.reduce_sum(z * weights, axes))

    sample, _, _, gradient = run(name, latent, logits, [5, 6], cost)
    assert gradient.dtype == logits.dtype
    assert np.isfinite(tf.cast(gradient, tf.float32)).all()
    assert sample.dtype == tf.float32
    z = sample.numpy()
    if name == "gumbel_softmax":
        assert (z >= 0).all() and (z <= 1).all()
        return
    assert set(np.unique(z)) == {0.0, 1.0}
    if latent == "categorical":
        assert (z.sum(-1) == 1).all()
    wide = run(name, latent, tf.cast(logits, tf.float32), [5, 6], cost)
    np.testing.assert_array_equal(z, wide[0])


@EVERY_NAME
@EVERY_LATENT
def test_the_costs_own_parameters_get_the_gradient_of_the_cost(name, latent):
    logits, phi = logits_of(latent), tf.Variable([0.4, -0.3])

    def cost(z):
        return phi[0] * cost_of(latent)(z) + tf.square(phi[1] - cost_of(latent)(z))

    weights = tf.constant([0.3, 1.0, -2.0, 0.5, 3.0])
    options = options_of(name, logits, latent)
    with tf.GradientTape() as tape:
        made = estimators.estimate(name, logits, cost, [1, 2], latent, **options)
        loss = tf.reduce_sum(weights * made.surrogate)
    got = tape.gradient(loss, phi)
    with tf.GradientTape() as tape:
        f = cost(made.sample)
        if name == "vimco":
            f = -tf.reduce_logsumexp(-f, 0)
        elif name in SEVERAL:
            f = tf.reduce_mean(f, 0)
        loss = tf.reduce_sum(weights * f)
    np.testing.assert_allclose(got, tape.gradient(loss, phi), rtol=1e-5, atol=1e-6)


@EVERY_NAME
@EVERY_LATENT
def test_a_cost_may_depend_on_the_logits_beside_the_sample(name, latent):
    logits = logits_of(latent)
    axes = list(range(1, logits.shape.rank))

    def cost(z):
        own = tf.reduce_sum(tf.square(logits), axes)
        return cost_of(latent)(z) + own - tf.stop_gradient(own)

    plain = run(name, latent, logits, [1, 2])[-1]
    got = run(name, latent, logits, [1, 2], cost)[-1]
    np.testing.assert_allclose(got - plain, 2 * logits, atol=1e-5)


@EVERY_NAME
@EVERY_LATENT
def test_rows_are_weighed_by_what_the_loss_does_with_them(name, latent):
    logits, weights = logits_of(latent), tf.constant([0.0, 1.0, -2.0, 0.5, 3.0])
    options = options_of(name, logits, latent)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        made = estimators.estimate(
            name, logits, cost_of(latent), [1, 2], latent, **options
        )
        loss = tf.reduce_sum(weights * made.surrogate)
    got = tape.gradient(loss, logits)
    plain = run(name, latent, logits, [1, 2])[-1].numpy()
    want = weights.numpy().reshape(-1, *[1] * len(EVENT[latent])) * plain
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_an_unknown_name_is_refused_with_the_nearest():
    for wrong, near in [("gumbel_sofmax", "gumbel_softmax"), ("reinforce", "reinmax")]:
        with pytest.raises(ValueError, match=f"{wrong!r}.*Did you mean .*{near!r}"):
            toys.draw(wrong, toys.A, toys.A.cost("lin"), 2)
    with pytest.raises(ValueError, match=r"unknown estimator 'xyz'\. There are score_"):
        toys.draw("xyz", toys.A, toys.A.cost("lin"), 2)


@EVERY_NAME
def test_an_unknown_latent_is_refused_with_the_nearest(name):
    logits = logits_of("bernoulli")
    with pytest.raises(ValueError, match=r"'bernouli'.*Did you mean 'bernoulli'"):
        estimators.estimate(
            name,
            logits,
            cost_of("bernoulli"),
            [1, 2],
            "bernouli",
            **options_of(name, logits, "bernoulli"),
        )


@EVERY_NAME
@pytest.mark.parametrize(
    ("latent", "shape", "message"),
    [
        ("categorical", [3], r"\(3,\).*\[\.\.\., N, K\]"),
        ("bernoulli", [], r"\(\).*\[\.\.\., N\]"),
        ("categorical", [5, 2, 1], r"\(5, 2, 1\).*at least 2.*bernoulli"),
    ],
)
def test_logits_without_an_axis_or_with_one_class_are_refused(
    name, latent, shape, message
):
    options = {
        "nvil": {"baseline": 0.0, "moments": estimators.Moments.zero()},
        "relax": {"control": lambda v: v},
    }.get(name) or options_of(name, tf.zeros([5, *EVENT[latent]]), latent)
    with pytest.raises(ValueError, match=message):
        estimators.estimate(
            name, tf.zeros(shape), cost_of(latent), [1, 2], latent, **options
        )


@EVERY_NAME
@EVERY_LATENT
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused_with_their_number(name, latent, wrong):
    logits = logits_of(latent).numpy()
    logits[2, 0] = wrong
    count = int((~np.isfinite(logits)).sum())
    message = f"logits hold {count} values that are NaN or infinite, of {logits.size}"
    with pytest.raises(ValueError, match=message):
        run(name, latent, tf.constant(logits), [1, 2])


@EVERY_NAME
@EVERY_LATENT
def test_a_cost_of_the_wrong_shape_is_refused_with_both_shapes(name, latent):
    several = SEVERAL.get(name, 2 if name == "rebar" else 0)
    leading = (several, 5) if several else (5,)
    shape = (*leading, *EVENT[latent])
    for cost, returned in (
        (lambda z: z, shape),
        (lambda z: tf.reduce_sum(z), ()),
        (lambda z: tf.zeros(leading[:-1] + (7,)), (*leading[:-1], 7)),
    ):
        with pytest.raises(ValueError, match="the cost returned shape") as caught:
            run(name, latent, logits_of(latent), [1, 2], cost)
        assert (
            f"returned shape {returned} for samples of shape {shape}; "
            f"expected {leading}," in str(caught.value)
        )


@pytest.mark.parametrize("name", TEMPERATURES)
@pytest.mark.parametrize("kind", [float, tf.constant, np.float32, tf.Variable])
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_a_temperature_that_is_not_positive_is_refused(name, kind, temperature):
    with pytest.raises(ValueError, match="temperature must be positive, got"):
        toys.draw(name, toys.A, toys.A.cost("lin"), 2, temperature=kind(temperature))


@pytest.mark.parametrize("name", TEMPERATURES)
def test_a_number_as_a_temperature_is_checked_in_graphs_too(name):
    @tf.function
    def call():
        return estimators.estimate(
            name, toys.A.rows(2), toys.A.cost("lin"), [1, 2], temperature=0.0
        ).surrogate

    with pytest.raises(ValueError, match=r"temperature must be positive, got 0\.0"):
        call()


@pytest.mark.parametrize("sampler", ["straight_through", "reinmax", "darn"])
@EVERY_LATENT
def test_noise_of_another_shape_is_refused_with_both(sampler, latent):
    logits = logits_of(latent)
    with pytest.raises(ValueError, match=r"noise has shape .*logits has"):
        getattr(estimators, sampler)(logits, logits[:2], latent=latent)
    with pytest.raises(ValueError, match=r"noise has shape .*logits has"):
        estimators.gumbel_softmax(logits, logits[None], 1.0, latent=latent)


@pytest.mark.parametrize(
    ("name", "samples", "least"),
    [("rloo", 1, 2), ("vimco", 0, 2), ("gumbel_rao", 0, 1)],
)
def test_too_few_samples_are_refused(name, samples, least):
    options = {"temperature": 1.0} if name == "gumbel_rao" else {}
    with pytest.raises(ValueError, match=f"at least {least}, got {samples}"):
        toys.draw(name, toys.A, toys.A.cost("lin"), 2, samples=samples, **options)

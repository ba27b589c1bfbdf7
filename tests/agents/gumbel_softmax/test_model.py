"""The models of Table 1 against enumeration: what they estimate, what they report, and their graphs."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from agents.config import resolve
from agents.gumbel_softmax.config import ESTIMATORS, GumbelSoftmaxConfig
from agents.gumbel_softmax.model import GumbelSoftmaxModel
from estimators import exact
from tests.agents.kernels import nodes, without_gpu_kernel

MODELS = list(itertools.product(("sbn", "vae"), ("bernoulli", "categorical")))
UNBIASED = (
    "score_function",
    "nvil",
    "muprop",
    "rloo",
    "rebar",
    "relax",
    "arm",
    "disarm",
)
RNG = np.random.default_rng(0)
IMAGES = (RNG.random((40, 784)) < RNG.uniform(0, 0.4, 784)).astype(np.uint8)
MEAN = np.full(784, 0.2, np.float32)


def make(task, latent, estimator="gumbel_softmax", seed=3, **more):
    values = {"task": task, "latent": latent, "estimator": estimator} | more
    small = {"variables": 2, "classes": 3, "units": 4}
    config = resolve(GumbelSoftmaxConfig, small | values)
    model = GumbelSoftmaxModel(config, MEAN, seed)
    # Weights large enough for latents to matter, and a prior that is not uniform.
    for i, (name, variable) in enumerate(model.nets.variables().items()):
        if "bias" not in name:
            noise = np.random.default_rng([seed, i]).normal(size=variable.shape)
            variable.assign(0.5 * noise if name == "prior" else 0.1 * noise)
    return model


def every_path(model, images):
    """[S, N] log q of every path through all layers, and [S, N, *event] its last layer, by enumeration."""
    nets, kind = model.nets, model.nets.kind
    states = exact.states(tuple(nets.event), kind.name)
    given, shown = nets.split(tf.cast(images, tf.float32))
    logits = nets.logits(0, given)
    log_q, last = [], []
    for first in states:
        z = tf.repeat(tf.constant(first)[None], len(images), 0)
        start = kind.log_prob(logits, z)
        if nets.depth == 1:
            log_q.append(start)
            last.append(z)
            continue
        for second in states:
            y = tf.repeat(tf.constant(second)[None], len(images), 0)
            log_q.append(start + kind.log_prob(nets.logits(1, z), y))
            last.append(y)
    return tf.stack(log_q), tf.stack(last), logits, shown


def exact_loss(model, images):
    """The mean expected surprise of images, and of the vae the KL, by enumeration."""
    log_q, z, logits, shown = every_path(model, images)
    value = tf.reduce_sum(tf.exp(log_q) * model.nets.surprise(z, shown), 0)
    if model.nets.depth == 1:
        value += tf.reduce_sum(tf.exp(log_q) * model.nets.log_ratio(logits, z), 0)
    return tf.reduce_mean(value)


@pytest.mark.parametrize(("task", "latent"), MODELS)
def test_one_sample_bound_and_likelihood_agree_with_enumeration(task, latent):
    model = make(task, latent)
    found = model.evaluate(IMAGES, samples=4000)
    log_q, z, logits, shown = every_path(model, IMAGES)
    log_w = -model.nets.surprise(z, shown)
    if task == "vae":
        log_w -= model.nets.log_ratio(logits, z)
    likelihood = -tf.reduce_mean(tf.reduce_logsumexp(log_q + log_w, 0))
    assert found["nll_1"] == pytest.approx(float(exact_loss(model, IMAGES)), abs=0.15)
    assert found["nll"] == pytest.approx(float(likelihood), abs=0.15)
    assert found["nll"] < found["nll_1"]


@pytest.mark.parametrize("latent", ["bernoulli", "categorical"])
def test_the_kl_in_closed_form_is_that_of_the_sum(latent):
    model = make("vae", latent)
    log_q, z, logits, _ = every_path(model, IMAGES)
    sum_ = tf.reduce_sum(tf.exp(log_q) * model.nets.log_ratio(logits, z), 0)
    np.testing.assert_allclose(model.nets.kl(logits), sum_, rtol=1e-4)


@pytest.mark.parametrize(
    ("task", "latent", "kl"),
    [
        ("sbn", "bernoulli", "analytic"),
        ("sbn", "categorical", "analytic"),
        ("vae", "bernoulli", "sampled"),
        ("vae", "categorical", "analytic"),
    ],
)
@pytest.mark.parametrize("estimator", UNBIASED)
def test_unbiased_estimators_have_the_enumerated_gradient_through_all_layers(
    estimator, task, latent, kl
):
    model = make(task, latent, estimator, kl=kl)
    copies, rounds = 500, 8
    one = IMAGES[:2]
    x = tf.cast(np.repeat(one, copies, 0), tf.float32)
    weights = model.nets.trainable()
    with tf.GradientTape() as tape:
        value = exact_loss(model, one)
    wanted = tape.gradient(value, weights)

    @tf.function
    def estimate(seed):
        with tf.GradientTape() as tape:
            given, shown = model.nets.split(x)
            one = tf.constant(1.0)
            surprise, kl = model._expected(0, given, shown, seed, one, [])
            loss = tf.reduce_mean(surprise + kl)
        return tape.gradient(loss, weights, unconnected_gradients="zero")

    found = [estimate(tf.constant([7, i])) for i in range(rounds)]
    for k, (variable, want) in enumerate(zip(weights, wanted, strict=True)):
        values = np.stack([np.asarray(each[k]) for each in found]).reshape(rounds, -1)
        error = np.linalg.norm(values.mean(0) - np.asarray(want).ravel())
        # The norm's own standard error: the trace of the covariance of the mean.
        spread = np.sqrt(values.var(0, ddof=1).sum() / rounds)
        assert error < 3 * spread + 1e-4, (variable.path, error, spread)


@pytest.mark.parametrize(
    ("task", "latent"), [("sbn", "categorical"), ("vae", "bernoulli")]
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_trains_in_one_graph_whose_ops_have_kernels_for_gpus(
    estimator, task, latent
):
    model = make(task, latent, estimator, learning_rate=3e-3)
    before = float(exact_loss(model, IMAGES))
    metrics = model.updates_on(np.repeat(IMAGES[None], 30, 0))
    assert np.isfinite(list(metrics.values())).all() and model.updates == 30
    assert float(exact_loss(model, IMAGES)) < before - 4
    assert model._train.experimental_get_tracing_count() == 1
    graph = model._train.get_concrete_function().graph
    assert not any("PyFunc" in node.op for node in nodes(graph))
    assert without_gpu_kernel(graph) == set()


def test_updates_do_not_depend_on_how_many_are_made_at_once():
    batches = np.stack([RNG.permutation(IMAGES) for _ in range(6)])
    together, apart = (make("sbn", "categorical", "nvil") for _ in range(2))
    together.updates_on(batches)
    for batch in batches:
        apart.update(batch)
    for name, variable in together.variables().items():
        np.testing.assert_array_equal(variable, apart.variables()[name], name)


def test_saved_state_goes_on_bit_for_bit():
    batches = np.stack([RNG.permutation(IMAGES) for _ in range(6)])
    went_on, saved, resumed = (make("vae", "bernoulli", "relax") for _ in range(3))
    went_on.updates_on(batches)
    saved.updates_on(batches[:3])
    resumed.set_state(saved.get_state())
    resumed.updates_on(batches[3:])
    for name, variable in went_on.variables().items():
        np.testing.assert_array_equal(variable, resumed.variables()[name], name)


@pytest.mark.parametrize("estimator", ["score_function", "nvil"])
def test_normalising_the_signal_divides_the_kl_alike_so_the_encoder_keeps_its_direction(
    estimator,
):
    model = make("vae", "bernoulli", estimator)
    logits = tf.random.stateless_normal([40, 2], [1, 2])
    x = tf.cast(IMAGES, tf.float32)

    def gradients():
        """Of the encoder's logits and of the prior, by the sampled and by the closed part."""
        model.nets.logits = lambda layer, inputs: logits
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            given, shown = model.nets.split(x)
            one = tf.constant(1.0)
            surprise, kl = model._expected(0, given, shown, [3, 4], one, [])
        prior = model.nets.prior.value
        return *(tape.gradient(part, logits) for part in (surprise, kl)), tape.gradient(
            kl, prior
        )

    before = gradients()
    moments = model.controls[0]._moments
    moments["variance"].assign(16.0)
    after = gradients()
    for was, now in zip(before[:2], after[:2], strict=True):
        np.testing.assert_allclose(now, was / 4, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(after[2], before[2], rtol=1e-6)


def test_an_annealed_slope_is_a_part_of_the_net_in_training_and_evaluation_alike():
    name = "slope_annealed_straight_through"
    annealed = make("vae", "bernoulli", name, slope="slope(1, 1, 3)")
    annealed.updates = 1  # slope 2
    plain = make("vae", "bernoulli")
    for key in ("layer0/kernel", "layer0/bias"):
        variable = plain.nets.variables()[key]
        variable.assign(2 * variable)
    one, other = (m.evaluate(IMAGES, 200) for m in (annealed, plain))
    assert one == pytest.approx(other, rel=1e-5)
    loss = exact_loss(annealed, IMAGES)
    assert float(loss) == pytest.approx(float(exact_loss(plain, IMAGES)), rel=1e-5)
    x = tf.cast(IMAGES, tf.float32)
    given, shown = annealed.nets.split(x)
    found = [
        tf.reduce_mean(sum(m._expected(0, given, shown, [1, 2], tf.constant(1.0), [])))
        for m in (annealed, make_straight_through(plain))
    ]
    assert float(found[0]) == pytest.approx(float(found[1]), rel=1e-5)


def make_straight_through(like):
    """A straight-through model with the weights of another."""
    model = make("vae", "bernoulli", "straight_through")
    for key, variable in model.nets.variables().items():
        variable.assign(like.nets.variables()[key])
    return model


def test_the_running_moments_are_those_of_the_costs():
    model = make("sbn", "bernoulli", "score_function")
    assert model.updates_on(IMAGES[None])["loss"] == pytest.approx(
        float(model.controls[0].moments().mean), rel=1e-4
    )


@pytest.mark.parametrize(
    ("task", "names", "rows"),
    [("sbn", {"completions"}, 7), ("vae", {"reconstructions", "samples"}, 2)],
)
def test_pictures_show_the_truth_first_and_ink_dark(task, names, rows):
    model = make(task, "categorical")
    pictures = model.pictures(IMAGES[:5])
    assert set(pictures) == names
    page = pictures[min(names)]
    assert page.dtype == np.uint8 and page.shape == (30 * rows - 2, 30 * 5 - 2)
    truth = 255 * (1 - IMAGES[0].reshape(28, 28))
    np.testing.assert_array_equal(page[:28, :28], truth)
    if task == "sbn":  # guesses keep the upper half
        np.testing.assert_array_equal(page[30:44, :28], truth[:14])

"""Likelihoods, prior and nets of models with codes, against enumeration and other libraries."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from agents.vqvae import likelihood, pictures
from agents.vqvae.config import CodesConfig
from agents.vqvae.model import perplexity
from agents.vqvae.nets import Nets
from agents.vqvae.prior import Prior
from layers import vector_quantizer

RNG = np.random.default_rng(0)


def test_the_masses_of_all_shades_add_up_to_one():
    parameters = np.array([[0.3, 0.7], [-0.9, 0.0], [0.0, -1.4], [2.0, 0.4]])
    shades = np.arange(256.0, dtype=np.float32)[:, None, None, None]
    for each in parameters.astype(np.float32):
        nats = likelihood.DiscretizedLogistic().surprise(
            np.broadcast_to(each, (256, 1, 1, 1, 2)), shades
        )
        assert np.exp(-nats.numpy().astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)  # fmt: skip


def test_the_discretised_logistic_is_that_of_tfp():
    parameters = RNG.normal(scale=0.3, size=(5, 2, 3, 1, 2)).astype(np.float32)
    pixels = RNG.integers(256, size=(5, 2, 3, 1)).astype(np.float32)
    pixels[0, 0, :2, 0] = 0, 255
    raw = 5 * parameters[..., 1].astype(np.float64) + np.log(np.expm1(4.0))
    log_scale = np.log1p(np.exp(raw)) - 8  # -4 where the parameter is 0
    centre = RNG.random((2, 3, 1))
    # TFP's value v holds what lies in (v - 1, v]; ours reaches from v - 1/2 to v + 1/2.
    logistic = tfp.distributions.Logistic(
        255 * (centre + parameters[..., 0].astype(np.float64)) - 0.5,
        255 * np.exp(log_scale),
    )
    twin = tfp.distributions.QuantizedDistribution(logistic, low=0.0, high=255.0)
    wanted = -np.sum(twin.log_prob(pixels.astype(np.float64)), (1, 2, 3))
    kind = likelihood.of_levels(256, 255 * centre)
    found = kind.surprise(parameters, pixels)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_gradients_by_the_middle_are_weighed_by_the_scale_and_those_by_the_scale_are_not():
    parameters = tf.constant(RNG.normal(scale=0.2, size=(3, 2, 2, 1, 2)), tf.float32)
    pixels = RNG.integers(1, 255, size=(3, 2, 2, 1)).astype(np.float32)
    kind = likelihood.DiscretizedLogistic()
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        nats = kind.surprise(parameters, pixels)
    found = tape.gradient(nats, parameters).numpy()
    log_scale = np.log1p(np.exp(5 * parameters[..., 1] + np.log(np.expm1(4.0)))) - 8
    for i, weight in ((0, np.exp(log_scale + 4)), (1, 1.0)):
        step = np.zeros(2)
        step[i] = 1e-3
        ends = [kind.surprise(parameters + sign * step, pixels) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-3
        np.testing.assert_allclose(
            (found[..., i] / weight).sum((1, 2, 3)), slope, rtol=0.02, atol=0.05
        )


def test_bits_have_the_cross_entropy_of_their_probabilities():
    parameters = RNG.normal(size=(4, 3, 2, 1, 1)).astype(np.float32)
    bits = RNG.integers(2, size=(4, 3, 2, 1)).astype(np.float32)
    kind = likelihood.of_levels(2, np.zeros([]))
    mean = kind.mean(parameters).numpy().astype(np.float64)
    wanted = -(bits * np.log(mean) + (1 - bits) * np.log(1 - mean)).sum((1, 2, 3))
    np.testing.assert_allclose(kind.surprise(parameters, bits), wanted, rtol=1e-5)


@pytest.fixture(scope="module")
def prior():
    """Of two levels, one code and two, of three classes; weights large enough to matter."""
    made = Prior([(1, 1), (1, 2)], codes=3, width=8, depth=2, heads=2)
    for i, variable in enumerate(made.variables().values()):
        rng = np.random.default_rng(i)
        variable.assign(rng.normal(scale=0.7, size=variable.shape))
    return made


def every(prior):
    return np.array(list(itertools.product(range(3), repeat=3)), np.int32)


def test_the_prior_is_a_distribution_of_whole_grids(prior):
    nats = prior.surprise(every(prior)).numpy().astype(np.float64)
    assert np.exp(-nats.sum(1)).sum() == pytest.approx(1, rel=1e-5)


def test_no_code_sees_itself_or_those_after_it(prior):
    before = prior.logits(np.array([[0, 1, 2]])).numpy()
    for i in range(3):
        codes = np.array([[0, 1, 2]])
        codes[0, i] = (codes[0, i] + 1) % 3
        after = prior.logits(codes).numpy()
        np.testing.assert_array_equal(after[:, : i + 1], before[:, : i + 1])
        assert i == 2 or (after[:, i + 1 :] != before[:, i + 1 :]).any()


def test_samples_have_the_priors_probabilities(prior):
    count = 20_000
    drawn = tf.function(prior.sample)(tf.constant(count), tf.constant([3, 0])).numpy()
    shares = np.bincount(drawn @ (9, 3, 1), minlength=27) / count
    p = np.exp(-prior.surprise(every(prior)).numpy().sum(1))
    error = np.sqrt(p * (1 - p) / count)
    assert (np.abs(shares - p) < 4.5 * error + 1e-4).all()


def test_one_level_and_two_have_grids_of_their_sizes_and_gradients_everywhere():
    x = RNG.normal(size=(2, 16, 24, 1)).astype(np.float32)
    for levels, grids in ((1, [(4, 6)]), (2, [(2, 3), (4, 6)])):
        sizes = {"channels": 4, "residual_channels": 3, "blocks": 1, "code_size": 2}
        config = CodesConfig(levels=levels, **sizes)
        nets = Nets(config, (16, 24, 1), inputs=2, parameters=2)
        assert nets.grids == grids
        weights = list(nets.variables().values())
        with tf.GradientTape() as tape:
            vectors = nets.encode(x, lambda level, z: z)
            out = nets.decode(vectors)
            loss = tf.reduce_sum(out**2)
        assert [tuple(v.shape[1:3]) for v in vectors] == grids
        assert out.shape == (2, 16, 24, 1, 2)
        assert all(g is not None for g in tape.gradient(loss, weights))


def test_perplexity_is_that_of_the_layer():
    assert perplexity(np.array([5, 5, 0, 5])) == pytest.approx(3)
    assert perplexity(np.array([7.0, 0])) == pytest.approx(1)
    codes = np.array([[0, 2], [2, 2]], np.int32)
    found = vector_quantizer.perplexity(tf.constant(codes), 4)
    assert perplexity(np.bincount(codes.ravel())) == pytest.approx(float(found))
    assert float(found) == pytest.approx(1.7548, abs=1e-4)


def test_pictures_show_truth_reconstruction_and_a_colour_per_code():
    images = RNG.random((3, 8, 8, 1))
    codes = np.array([[[0, 1], [1, 0]]] * 3)
    page = pictures.reconstructions(images, images, [codes])
    assert page.shape == (8 * 3 + 4, 8 * 3 + 4, 3) and page.dtype == np.uint8
    truth, again, colours = page[:8, :8], page[10:18, :8], page[20:, :8]
    np.testing.assert_array_equal(truth, np.round(255 * images[0]).repeat(3, 2))
    np.testing.assert_array_equal(truth, again)
    assert (colours[0, 0] == colours[7, 7]).all() and (colours[0, 0] != colours[0, 7]).any()  # fmt: skip
    chart = pictures.usage(np.array([[8, 2, 0, 0], [1, 1, 1, 1]]), 8, 10)
    assert chart.shape == (28, 8, 3)
    blue = (chart[:10] == (0, 114, 178)).all(-1)
    line = (chart[:10] == (213, 94, 0)).all(-1)
    assert line.all(1).sum() == 1  # even use, across all bars
    bars = (blue | line & (np.arange(8) < 2)).sum(0)
    np.testing.assert_array_equal(bars, [10, 10, 2, 2, 0, 0, 0, 0])

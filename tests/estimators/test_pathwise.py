import numpy as np
import pytest
import tensorflow as tf

import estimators

LOGITS = np.array([1.0, 0.0, -1.0], "float32")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("noise", np.eye(3, dtype="float32") * 5)
def test_straight_through_gives_the_published_gradient_whatever_the_sample(noise):
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = estimators.straight_through(logits, noise)
        loss = tf.reduce_sum(sample * [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(sample, np.eye(3)[np.argmax(noise)])
    want = [-0.3424794, 0.1187373, 0.2237422]
    np.testing.assert_allclose(tape.gradient(loss, logits), want, atol=2e-7)


@pytest.mark.parametrize("hard", ["straight_through", "gumbel"])
def test_hard_samples_hold_nothing_but_zeros_and_ones(hard):
    logits = tf.random.stateless_normal([1000, 32], [1, 2]) * 5
    noise = estimators.gumbel_noise([1000, 32], [3, 4])
    if hard == "gumbel":
        sample = estimators.gumbel_softmax(logits, noise, 0.3, hard=True)
    else:
        sample = estimators.straight_through(logits, noise)
    assert sample.dtype == tf.float32
    np.testing.assert_array_equal(
        sample, np.eye(32)[np.argmax(logits.numpy() + noise.numpy(), -1)]
    )


def test_gumbel_argmax_draws_classes_with_their_softmax_probabilities():
    noise = estimators.gumbel_noise([200_000, 3], [5, 6])
    sample = estimators.straight_through(tf.broadcast_to(LOGITS, [200_000, 3]), noise)
    np.testing.assert_allclose(
        tf.reduce_mean(sample, 0), softmax(LOGITS), atol=4 * 0.5 / 200_000**0.5
    )


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_gumbel_softmax_has_the_value_and_gradient_of_the_relaxation(hard, temperature):
    noise = np.array([0.3, 1.2, -0.4], "float32")
    weight = np.array([1.0, 2.0, 4.0], "float32")
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = estimators.gumbel_softmax(logits, noise, temperature, hard)
        loss = tf.reduce_sum(sample * weight)
    relaxed = softmax((LOGITS + noise) / temperature)
    want = np.eye(3)[relaxed.argmax()] if hard else relaxed
    np.testing.assert_allclose(sample, want, rtol=1e-6, atol=1e-7)
    gradient = relaxed * (weight - relaxed @ weight) / temperature
    np.testing.assert_allclose(tape.gradient(loss, logits), gradient, atol=1e-6)


def test_a_temperature_tensor_changes_without_a_new_trace():
    traces = []

    @tf.function
    def sample(temperature):
        traces.append(1)
        return estimators.gumbel_softmax(LOGITS, LOGITS * 0, temperature)

    cold, warm = sample(tf.constant(0.1)), sample(tf.constant(10.0))
    assert float(cold[0]) > float(warm[0])
    assert len(traces) == 1


def test_gumbel_noise_is_finite_reproducible_and_gumbel():
    noise = estimators.gumbel_noise([1_000_000], [7, 8]).numpy()
    assert noise.dtype == np.float32
    assert np.isfinite(noise).all()
    assert abs(noise.mean() - np.euler_gamma) < 0.006
    assert abs(noise.var() - np.pi**2 / 6) < 0.02
    np.testing.assert_array_equal(noise, estimators.gumbel_noise([1_000_000], [7, 8]))
    assert (noise != estimators.gumbel_noise([1_000_000], [7, 9]).numpy()).any()


def test_uniform_noise_stays_inside_the_open_interval():
    noise = estimators.uniform_noise([5_000_000], [1, 1]).numpy()
    assert noise.min() > 0 and noise.max() < 1


def test_scale_gradient_keeps_the_value_and_scales_the_gradient():
    x = tf.constant([0.1, 7.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = estimators.scale_gradient(x, 0.2)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_allclose(tape.gradient(y, x), [0.2, 0.2])


def test_replace_gradient_keeps_the_value_and_moves_the_gradient():
    value, surrogate = tf.constant([1.0]), tf.constant([0.3])
    with tf.GradientTape() as tape:
        tape.watch([value, surrogate])
        y = 3 * estimators.replace_gradient(value, surrogate)
    np.testing.assert_array_equal(y, [3.0])
    to_value, to_surrogate = tape.gradient(y, [value, surrogate])
    np.testing.assert_array_equal(to_value, [0.0])
    np.testing.assert_array_equal(to_surrogate, [3.0])


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="noise has shape"):
        estimators.straight_through(LOGITS, LOGITS[None])

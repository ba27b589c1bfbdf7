import numpy as np
import pytest
import tensorflow as tf

from estimators import lambda_return

REWARD, VALUE = [[1.0], [0.0], [2.0]], [[0.5], [0.4], [0.3]]


def random_inputs(steps=7, batch=3):
    rng = np.random.default_rng(0)
    draw = rng.normal(size=(2, steps, batch)).astype("float32")
    discount = rng.uniform(size=(steps, batch)).astype("float32")
    return draw[0], draw[1], discount, rng.normal(size=batch).astype("float32")


@pytest.mark.parametrize(
    ("discount", "want"),
    [
        ([[0.9], [0.8], [0.0]], [[2.32786], [1.532], [2.0]]),
        ([[0.99], [0.99], [0.99]], [[3.678542], [2.826945], [2.99]]),
    ],
)
def test_lambda_return_gives_the_published_numbers(discount, want):
    got = lambda_return(REWARD, VALUE, discount, [1.0], 0.95)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_lambda_return_agrees_with_the_sum_written_out():
    reward, value, discount, bootstrap = random_inputs()
    want, later, after = np.zeros_like(reward), bootstrap, bootstrap
    for t in reversed(range(len(reward))):
        later = want[t] = reward[t] + discount[t] * (0.3 * after + 0.7 * later)
        after = value[t]
    got = lambda_return(reward, value, discount, bootstrap, 0.7)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_lambda_zero_is_one_step_and_lambda_one_is_monte_carlo():
    reward, value, discount, bootstrap = random_inputs()
    after = np.concatenate([value[1:], bootstrap[None]])
    got = lambda_return(reward, value, discount, bootstrap, 0.0)
    np.testing.assert_allclose(got, reward + discount * after, rtol=1e-5)
    first = lambda_return(reward, value * 100, discount, bootstrap, 1.0)[0]
    weights = np.cumprod(np.concatenate([np.ones_like(discount[:1]), discount]), 0)
    want = (weights[:-1] * reward).sum(0) + weights[-1] * bootstrap
    np.testing.assert_allclose(first, want, rtol=1e-4)


def test_an_unknown_length_gives_the_same_returns_and_gradients_as_a_known_one():
    inputs = [tf.constant(part) for part in random_inputs()]
    unknown = [tf.TensorSpec([None] * part.shape.rank, part.dtype) for part in inputs]

    def differentiate(*parts):
        with tf.GradientTape() as tape:
            tape.watch(parts)
            returns = lambda_return(*parts, 0.95)
        return returns, *tape.gradient(returns, parts)

    looped = tf.function(differentiate, input_signature=unknown)
    for loop, unrolled in zip(looped(*inputs), differentiate(*inputs), strict=True):
        np.testing.assert_allclose(loop, unrolled, rtol=1e-5, atol=1e-6)


def test_a_shape_that_does_not_fit_is_named_in_the_error():
    with pytest.raises(ValueError, match="bootstrap has shape"):
        lambda_return(REWARD, VALUE, VALUE, [1.0, 2.0], 0.95)
    with pytest.raises(ValueError, match="value has shape"):
        lambda_return(REWARD, VALUE[:2], VALUE, [1.0], 0.95)
    with pytest.raises(ValueError, match="expected rank 2"):
        lambda_return([1.0], VALUE, VALUE, [1.0], 0.95)

import numpy as np
import pytest
import tensorflow as tf

from estimators import gae, lambda_return

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


def random_steps(steps=9, batch=4):
    """Inputs of gae but for lam, with ends and cuts at random."""
    reward, value, discount, bootstrap = random_inputs(steps, batch)
    rng = np.random.default_rng(1)
    discount[rng.uniform(size=discount.shape) < 0.2] = 0
    mask = (rng.uniform(size=discount.shape) > 0.3).astype("float32")
    mask[3, 1], mask[-1, 2], mask[:, 3] = 0, 0, 1
    return reward, value, discount, bootstrap, mask


def advantages(reward, value, discount, bootstrap, mask, lam):
    """The sum of TD errors up to the border of the episode, in double precision."""
    after = np.concatenate([value[1:], bootstrap[None]]).astype("float64")
    want = np.zeros(reward.shape)
    for t, b in np.ndindex(reward.shape):
        weight, k = 1.0, t
        while k < len(reward) and mask[k, b]:
            delta = reward[k, b] + discount[k, b] * after[k, b] - value[k, b]
            want[t, b] += weight * delta
            weight *= lam * discount[k, b]
            k += 1
    return want


@pytest.mark.parametrize(
    ("discount", "advantage", "returns"),
    [
        ([0.96, 0.96, 0.96], [0.99298, 0.93632, 0.88], [1.363968, 1.4208, 1.48]),
        ([0.96, 0.96, 0.0], [0.634662, 0.5216, 0.4], [0.9216, 0.96, 1.0]),
    ],
)
def test_gae_gives_the_numbers_of_the_fact_sheet(discount, advantage, returns):
    reward, value = [[0.0], [0.0], [1.0]], [[0.2], [0.4], [0.6]]
    discount, mask = np.reshape(discount, (3, 1)).astype("float32"), np.ones((3, 1))
    for lam, plus, want in ((0.9, 0, advantage), (1.0, value, returns)):
        got = gae(reward, value, discount, [0.5], lam, mask.astype("float32"))
        np.testing.assert_allclose((got + plus)[:, 0], want, rtol=1e-5)


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.9, 1.0])
def test_gae_agrees_with_the_sum_written_out(lam):
    *inputs, mask = random_steps()
    got = gae(*inputs, lam, mask)
    want = advantages(*inputs, mask, lam)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got.numpy()[mask == 0], 0)
    np.testing.assert_allclose(gae(*inputs, tf.constant(lam), mask), got)


def test_gae_with_lambda_zero_is_the_td_error_and_with_one_the_return():
    reward, value, discount, bootstrap, mask = random_steps()
    after = np.concatenate([value[1:], bootstrap[None]])
    got = gae(reward, value, discount, bootstrap, 0.0, mask)
    want = mask * (reward + discount * after - value)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    want, later = np.zeros_like(reward), bootstrap
    for t in reversed(range(len(reward))):
        going_on = reward[t] + discount[t] * later
        later = want[t] = np.where(mask[t] > 0, going_on, value[t])
    got = gae(reward, value, discount, bootstrap, 1.0, mask) + value
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_gae_plus_the_value_is_the_lambda_return_of_one_episode():
    reward, value, discount, bootstrap = random_inputs()
    mask = np.ones_like(reward)
    got = gae(reward, value, discount, bootstrap, 0.7, mask) + value
    want = lambda_return(reward, value, discount, bootstrap, 0.7)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_nothing_passes_over_a_border_between_episodes():
    reward, value, discount, bootstrap = random_inputs()
    mask = np.ones_like(reward)
    mask[3] = 0
    inputs = [tf.constant(x) for x in (reward, value, discount, bootstrap)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        advantage = gae(*inputs, 0.9, mask)
        early, late = tf.reduce_sum(advantage[:4]), tf.reduce_sum(advantage[4:])
    for source, last in zip(inputs[:3], (2, 3, 2), strict=True):
        reached = np.any(tape.gradient(early, source), 1)
        np.testing.assert_array_equal(reached, np.arange(7) <= last)
        reached = np.any(tape.gradient(late, source), 1)
        np.testing.assert_array_equal(reached, np.arange(7) > 3)
    border = tape.gradient(early, inputs[3], unconnected_gradients="zero")
    np.testing.assert_array_equal(border, np.zeros(3))
    assert np.all(tape.gradient(late, inputs[3]))
    changed = [np.copy(x) for x in (reward, value, discount)]
    for part, begin in zip(changed, (3, 4, 3), strict=True):
        part[begin:] += 100
    got = gae(*changed, bootstrap - 100, 0.9, mask)
    np.testing.assert_array_equal(got[:4], advantage[:4])


def test_an_unknown_length_gives_the_same_advantages_and_gradients_as_a_known_one():
    inputs = [tf.constant(part) for part in random_steps()]
    unknown = [tf.TensorSpec([None] * part.shape.rank, part.dtype) for part in inputs]

    def differentiate(*parts):
        with tf.GradientTape() as tape:
            tape.watch(parts[:4])
            advantage = gae(*parts[:4], 0.95, parts[4])
            loss = tf.reduce_sum(advantage**2)
        return advantage, *tape.gradient(loss, parts[:4])

    looped = tf.function(differentiate, input_signature=unknown)
    known = tf.function(differentiate)
    want = differentiate(*inputs)
    for got in (looped(*inputs), known(*inputs)):
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_single_step_is_its_td_error():
    got = gae([[1.0]], [[0.5]], [[0.9]], [2.0], 0.95, [[1.0]])
    np.testing.assert_allclose(got, [[2.3]], rtol=1e-6)


@pytest.mark.parametrize("name", ["value", "discount", "bootstrap", "mask"])
def test_a_shape_that_does_not_fit_gae_is_named_in_the_error(name):
    parts = dict.fromkeys(("reward", "value", "discount", "mask"), tf.ones([3, 2]))
    parts |= {"bootstrap": tf.ones([2])}
    for wrong in (parts[name][:1], parts[name][..., :1], parts[name][..., None]):
        with pytest.raises(ValueError, match=name):
            gae(**(parts | {name: wrong}), lam=0.9)

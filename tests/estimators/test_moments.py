import numpy as np
import pytest
import tensorflow as tf

import estimators


def batches(count, size=7):
    return np.random.default_rng(0).normal(2.0, 3.0, [count, size]).astype("float32")


def test_before_the_first_update_the_mean_is_zero_and_the_scale_one():
    moments = estimators.Moments.zero()
    assert float(moments.mean) == float(moments.variance) == float(moments.count) == 0
    assert float(moments.scale()) == 1


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_the_first_updates_give_the_moments_of_all_values_together(count):
    values, moments = batches(count), estimators.Moments.zero()
    for batch in values:
        moments = moments.update(batch)
    assert float(moments.mean) == pytest.approx(values.mean(), rel=1e-5)
    assert float(moments.variance) == pytest.approx(values.var(), rel=1e-5)
    assert float(moments.count) == count


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99])
def test_later_updates_weigh_batches_exponentially(decay):
    values, moments = batches(300), estimators.Moments.zero()
    weight = np.zeros(0)
    for n, batch in enumerate(values):
        moments = moments.update(batch, decay)
        keep = min(decay, n / (n + 1))
        weight = np.append(keep * weight, 1 - keep)
    mean = weight @ values.mean(1)
    second = weight @ (values**2).mean(1)
    assert weight.sum() == pytest.approx(1)
    assert float(moments.mean) == pytest.approx(mean, rel=1e-4)
    assert float(moments.variance) == pytest.approx(second - mean**2, rel=1e-3)


def test_the_scale_is_the_deviation_and_at_least_one():
    for factor, want in ((0.01, 1.0), (10.0, None)):
        values = factor * batches(1)
        scale = float(estimators.Moments.zero().update(values).scale())
        assert scale == pytest.approx(want or values.std(), rel=1e-5)


def test_moments_take_any_shape_and_dtype_and_pass_no_gradient():
    values = tf.Variable(tf.ones([2, 3, 4]))
    with tf.GradientTape() as tape:
        moments = estimators.Moments.zero().update(3 * values)
        total = moments.mean + moments.variance
    assert tape.gradient(total, values) is None
    half = estimators.Moments.zero().update(tf.cast([1.0, 3.0], tf.float16))
    assert half.mean.dtype == half.variance.dtype == tf.float32
    assert (float(half.mean), float(half.variance)) == (2, 1)


def test_moments_go_in_and_out_of_graphs_and_loops():
    values = tf.constant(batches(20))

    @tf.function(jit_compile=True)
    def run(moments):
        for i in tf.range(20):
            moments = moments.update(values[i])
        return moments

    want = estimators.Moments.zero()
    for batch in values:
        want = want.update(batch)
    got = run(estimators.Moments.zero())
    assert isinstance(got, estimators.Moments)
    for g, w in zip(got, want, strict=True):
        assert float(g) == pytest.approx(float(w), rel=1e-5)


def test_a_large_offset_costs_no_precision():
    values, moments = batches(50) + 1e4, estimators.Moments.zero()
    for batch in values:
        moments = moments.update(batch, 0.99)
    assert float(moments.variance) == pytest.approx(
        values.astype(float).var(), rel=0.01
    )

import keras
import numpy as np
import pytest
import tensorflow as tf

from agents.optimizer import Optimizer


def quadratic():
    w, b = keras.Variable([1.0, -2.0]), keras.Variable([0.5])
    return [w, b], Optimizer([w, b], 1e-3, epsilon=1e-5, clip=1.0, decay=1e-2)


def step(variables, optimizer, scale=1.0):
    with tf.GradientTape() as tape:
        loss = scale * (
            tf.reduce_sum(3.0 * tf.square(variables[0].value))
            + tf.reduce_sum(variables[1].value)
        )
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return optimizer.step(loss, gradients)


def test_two_steps_give_the_numbers_of_the_reference_optimizer():
    variables, optimizer = quadratic()
    result = step(variables, optimizer)
    np.testing.assert_allclose(result["norm"], 13.453624, rtol=1e-6)
    np.testing.assert_allclose(variables[0], [0.9890007, -1.9790003], rtol=1e-6)
    np.testing.assert_allclose(variables[1], [0.4940042], rtol=1e-6)
    step(variables, optimizer)
    np.testing.assert_allclose(variables[0], [0.9781112, -1.9582107], rtol=1e-6)
    np.testing.assert_allclose(variables[1], [0.4880669], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_step_that_is_not_finite_changes_neither_weights_nor_moments(bad):
    variables, optimizer = quadratic()
    step(variables, optimizer)
    everything = variables + optimizer.state
    before = [keras.ops.convert_to_numpy(value) for value in everything]
    result = step(variables, optimizer, scale=bad)
    assert not result["finite"]
    for old, new in zip(before, everything, strict=True):
        np.testing.assert_array_equal(old, new)


def test_variables_that_the_loss_does_not_touch_are_decayed_all_the_same():
    variables, optimizer = quadratic()
    optimizer.step(tf.constant(0.0), [tf.zeros(2), None])
    np.testing.assert_allclose(variables[1], [0.5 * 0.99], rtol=1e-6)

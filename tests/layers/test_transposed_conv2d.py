import keras
import numpy as np
import pytest
import tensorflow as tf

import layers


def value_and_gradients(layer, x, weight, jit=False):
    def differentiate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.sin(y) * weight)
        variables = [v.value for v in layer.trainable_weights]
        return y, *tape.gradient(loss, [x, *variables])

    return tf.function(differentiate, jit_compile=jit)(tf.constant(x))


FORMS = [(1, 5, 3), (5, 6, 1), (5, 5, 3), (4, 6, 6)]  # side, kernel, filters


@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("filters", [1, 3, 6])
@pytest.mark.parametrize("kernel", [2, 3, 5, 6])
def test_every_form_equals_the_keras_layer(kernel, filters, side):
    compare(kernel, filters, side, jit=False)


@pytest.mark.parametrize(("side", "kernel", "filters"), FORMS)
def test_every_form_can_be_compiled_by_xla(side, kernel, filters):
    compare(kernel, filters, side, jit=True)


def compare(kernel, filters, side, jit):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, side, side + (side > 1), 4)).astype("float32")
    ours = layers.TransposedConv2D(filters, kernel)
    theirs = keras.layers.Conv2DTranspose(filters, kernel, strides=2)
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.bias.assign(rng.normal(size=filters))
    theirs.set_weights(ours.get_weights())
    weight = rng.normal(size=theirs.compute_output_shape(x.shape)).astype("float32")
    assert ours.compute_output_shape(x.shape) == weight.shape
    got = value_and_gradients(ours, x, weight, jit)
    want = value_and_gradients(theirs, x, weight)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_initial_weights_have_the_range_of_the_keras_layer():
    keras.utils.set_random_seed(0)
    ours = layers.TransposedConv2D(48, 6)
    ours.build((None, 13, 13, 96))
    limit = (6 / (36 * (48 + 96))) ** 0.5
    assert np.abs(ours.kernel).max() == pytest.approx(limit, rel=1e-3)
    assert not np.any(ours.bias.numpy())


def test_a_kernel_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match="kernel_size must be at least 2, got 1"):
        layers.TransposedConv2D(1, 1)

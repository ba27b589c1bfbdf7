"""Sizes and shapes of the nets, and what their arguments do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers


def test_the_encoder_has_the_published_size():
    encoder = layers.ConvEncoder()
    encoder.build((None, 64, 64, 1))
    assert encoder.count_params() == 1_549_776
    assert encoder.compute_output_shape((None, 64, 64, 1)) == (None, 1536)


def test_the_decoder_has_the_published_size():
    decoder = layers.ConvDecoder()
    decoder.build((None, 1624))
    assert decoder.count_params() == 10_497_553
    assert decoder(tf.zeros([2, 1624])).shape == (2, 64, 64, 1)


@pytest.mark.parametrize(
    ("head", "want"),
    [(layers.UnitNormalHead(), 1_131_601), (layers.OneHotHead(18), 1_138_418)],
)
def test_heads_behind_four_layers_have_the_published_size(head, want):
    mlp = layers.MLP((400,) * 4)
    mlp.build((None, 1624))
    head.build((None, 400))
    assert mlp.count_params() + head.count_params() == want


def test_the_encoder_is_the_stack_of_keras_convolutions():
    encoder = layers.ConvEncoder(3, (4, 3), "tanh")
    x = tf.random.stateless_normal([2, 13, 11, 2], [0, 1])
    got = encoder(x)
    stack = keras.Sequential(
        [
            keras.layers.Conv2D(3, 4, 2, activation="tanh"),
            keras.layers.Conv2D(6, 3, 2, activation="tanh"),
            keras.layers.Flatten(),
        ]
    )
    stack.build(x.shape)
    stack.set_weights(encoder.get_weights())
    np.testing.assert_allclose(got, stack(x), rtol=1e-5, atol=1e-6)


def test_the_decoder_is_the_stack_of_keras_transposed_convolutions():
    decoder = layers.ConvDecoder(2, (3, 5, 4), (20, 20, 1))
    x = tf.random.stateless_normal([3, 7], [0, 1])
    got = decoder(x)
    stack = keras.Sequential(
        [
            keras.layers.Dense(64),
            keras.layers.Reshape((1, 1, 64)),
            keras.layers.Conv2DTranspose(4, 3, 2, activation="elu"),
            keras.layers.Conv2DTranspose(2, 5, 2, activation="elu"),
            keras.layers.Conv2DTranspose(1, 4, 2),
        ]
    )
    stack.build(x.shape)
    stack.set_weights(decoder.get_weights())
    np.testing.assert_allclose(got, stack(x), rtol=1e-4, atol=1e-5)


def test_an_mlp_normalises_before_the_activation_and_leaves_the_output_bare():
    mlp = layers.MLP((4,), "elu", "layer", output=2)
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    got = mlp(x)
    kernel, bias, *rest = [w.numpy() for w in mlp.dense[0].weights] + [
        w.numpy() for w in mlp.dense[1].weights
    ]
    hidden = x @ kernel + bias
    centred = hidden - hidden.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)
    active = np.where(normal > 0, normal, np.exp(np.minimum(normal, 0)) - 1)
    np.testing.assert_allclose(got, active @ rest[0] + rest[1], rtol=1e-4, atol=1e-5)


def test_a_layer_norm_stays_float32_under_bfloat16():
    mlp = layers.MLP((64,), "linear", "layer", dtype="mixed_bfloat16")
    mlp(tf.ones([1, 8]))
    assert mlp.norms[0].compute_dtype == "float32"


def test_images_too_small_for_the_kernels_are_refused():
    with pytest.raises(ValueError, match="too small for kernels"):
        layers.ConvEncoder()(tf.zeros([1, 32, 32, 1]))


def test_a_decoder_that_would_make_another_size_is_refused():
    with pytest.raises(ValueError, match="make images of 64x64, but shape is"):
        layers.ConvDecoder(shape=(96, 96, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MLP((4,), norm="batch"), "norm must be one of"),
        (lambda: layers.MLP(()), "at least one layer"),
        (lambda: layers.SmallConvEncoder(layers=0), "layers must be at least 1"),
        (lambda: layers.GumbelSoftmax(0.0), "temperature must be positive"),
        (lambda: layers.GumbelSoftmax(-1.0), "temperature must be positive"),
        (
            lambda: layers.GumbelSoftmax()(tf.zeros([3, 2]), temperature=0.0),
            "temperature must be positive",
        ),
        (
            lambda: layers.GumbelSoftmax()(tf.zeros([3, 1])),
            "a known number of at least 2",
        ),
        (
            lambda: layers.OneHotStraightThrough()(tf.zeros([3, 1])),
            "a known number of at least 2",
        ),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_sampler_draws_its_own_noise_anew_and_repeats_it_from_a_seed():
    logits = tf.zeros([50, 8])
    first, twin = (layers.OneHotStraightThrough(seed=3) for _ in range(2))
    one, two = first(logits).numpy(), first(logits).numpy()
    assert (one != two).any()
    np.testing.assert_array_equal(one, twin(logits))


def test_given_noise_makes_a_sampler_a_pure_function():
    logits, noise = tf.zeros([50, 8]), tf.random.stateless_normal([50, 8], [0, 1])
    for layer in (layers.OneHotStraightThrough(), layers.GumbelSoftmax(hard=True)):
        want = np.eye(8)[np.argmax(noise, -1)]
        np.testing.assert_array_equal(layer(logits, noise), want)
        np.testing.assert_array_equal(layer(logits, noise), want)


def test_annealing_the_temperature_never_traces_again():
    layer, traces = layers.GumbelSoftmax(), []

    @tf.function
    def sample(temperature):
        traces.append(1)
        return layer(tf.constant([[1.0, 0.0]]), tf.zeros([1, 2]), temperature)

    hot, cold = sample(tf.constant(10.0)), sample(tf.constant(0.1))
    assert float(cold[0, 0]) > 0.99 > 0.6 > float(hot[0, 0])
    assert len(traces) == 1


def test_a_temperature_is_not_rounded_under_bfloat16():
    layer = layers.GumbelSoftmax(dtype="mixed_bfloat16")
    logits, zero = tf.constant([[1.0, 0.0]]), tf.zeros([1, 2])
    got = layer(logits, zero, temperature=tf.constant(0.3001))
    np.testing.assert_allclose(got[0, 0], 1 / (1 + np.exp(-1 / 0.3001)), rtol=1e-6)

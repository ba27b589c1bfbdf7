"""The residual image nets: MERLIN's published sizes, and a block written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers


def sizes(blocks, shape):
    """The maps after each block."""
    found, x = [], tf.zeros([1, *shape])
    for block in blocks:
        x = block(x)
        found.append(tuple(x.shape[1:]))
    return found


def test_the_encoder_makes_4096_numbers_of_64x64_pixels_then_500():
    encoder = layers.ResidualEncoder()
    assert encoder(tf.zeros([2, 64, 64, 3])).shape == (2, 500)
    sides = [side for _, side, _ in sizes(encoder.blocks, (64, 64, 3))]
    assert sides == [32, 32, 16, 16, 8, 8]
    assert sizes(encoder.blocks, (64, 64, 3))[-1] == (8, 8, 64)
    assert encoder.dense.kernel.shape == (4096, 500)
    assert encoder.dense.activation is keras.activations.tanh


def test_blocks_are_of_64_32_and_64_channels():
    encoder = layers.ResidualEncoder()
    encoder.build((None, 64, 64, 3))
    for block, stride in zip(encoder.blocks, (2, 1, 2, 1, 2, 1), strict=True):
        kernels = [tuple(conv.kernel.shape) for conv in block.convs]
        inputs = 3 if block is encoder.blocks[0] else 64
        assert kernels == [(1, 1, inputs, 64), (3, 3, 64, 32), (1, 1, 32, 64)]
        assert block.stride == stride
        assert block.is_identity == (stride == 1)
    # Kernels and biases alone, so no batch norm.
    convs = 6 * 3 + 3
    assert len(encoder.weights) == 2 * (convs + 1)


def test_the_decoder_is_the_encoder_in_the_mirror():
    decoder = layers.ResidualDecoder((64, 64, 3))
    assert decoder(tf.zeros([2, 200])).shape == (2, 64, 64, 3)
    kernels = [dense.kernel.shape for dense in decoder.dense]
    assert kernels == [(200, 500), (500, 4096)]
    assert {dense.activation for dense in decoder.dense} == {keras.activations.relu}
    maps = sizes(decoder.blocks, (8, 8, 64))
    assert [side for _, side, _ in maps] == [8, 16, 16, 32, 32, 64]
    assert {channels for _, _, channels in maps} == {64}
    for block in decoder.blocks:
        kernels = [tuple(conv.kernel.shape) for conv in block.convs]
        assert kernels == [(1, 1, 64, 64), (3, 3, 64, 32), (1, 1, 32, 64)]
    assert decoder.output_conv.kernel.shape == (1, 1, 64, 3)


@pytest.mark.parametrize(
    ("stride", "upsample", "inputs"), [(1, False, 4), (2, False, 3), (1, True, 4)]
)
def test_a_block_is_its_formula_in_numpy(stride, upsample, inputs):
    block = layers.ResidualBlock(4, stride, upsample)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 6, inputs))
    block(tf.constant(x, tf.float32))
    for variable in block.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))

    def conv(layer, x):
        """3x3 with a border of zeros, or 1x1."""
        kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
        if kernel.shape[0] == 1:
            return x @ kernel[0, 0] + bias
        height, width = x.shape[1:3]
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        return bias + sum(
            padded[:, i : i + height, j : j + width] @ kernel[i, j]
            for i in range(3)
            for j in range(3)
        )

    some = x[:, ::stride, ::stride]
    short = x if inputs == 4 else conv(block.shortcut, some)
    y = np.maximum(conv(block.convs[0], some), 0)
    if upsample:
        y, short = (part.repeat(2, 1).repeat(2, 2) for part in (y, short))
    y = conv(block.convs[2], np.maximum(conv(block.convs[1], y), 0))
    got = block(tf.constant(x, tf.float32))
    np.testing.assert_allclose(got, np.maximum(short + y, 0), rtol=1e-4, atol=1e-4)


def test_no_convolution_of_one_pixel_has_a_stride():
    """The gradient of those by their filter corrupts memory on CPUs: BUILD.md."""
    encoder = layers.ResidualEncoder(depth=2, units=3)
    encoder.build((None, 64, 64, 3))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encoder(x) ** 2)
        return tape.gradient(loss, encoder.trainable_variables)

    graph = gradient.get_concrete_function(tf.zeros([4, 64, 64, 3])).graph
    found = [op for op in graph.get_operations() if op.type == "Conv2DBackpropFilter"]
    assert len(found) == 6 * 3 + 3
    assert {tuple(op.get_attr("strides")) for op in found} == {(1, 1, 1, 1)}
    for _ in range(20):
        assert all(
            np.isfinite(each).all() for each in gradient(tf.ones([4, 64, 64, 3]))
        )

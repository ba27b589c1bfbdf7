import keras
import numpy as np
import tensorflow as tf

import layers

X, H = np.array([[0.5, -1.0, 2.0]]), np.array([[0.1, -0.2]])


def published_cell(**kwargs):
    cell = layers.LayerNormGRUCell(2, **kwargs)
    cell.build((None, 3))
    kernel = np.arange(30).reshape(5, 6) / 30 - 0.5
    bias = np.linspace(-0.3, 0.3, 6)
    gamma, beta = np.linspace(0.5, 1.5, 6), np.linspace(-0.1, 0.1, 6)
    norm = [gamma, beta] if cell.norm is not None else []
    cell.set_weights([kernel, bias, *norm])
    return cell


def test_a_step_gives_the_published_numbers():
    got = published_cell().step(tf.constant(X), tf.constant(H))
    np.testing.assert_allclose(got, [[-0.0017753, 0.0462295]], atol=2e-7)


def test_a_step_without_norm_is_the_formula():
    cell = published_cell(norm=False)
    kernel, bias = cell.get_weights()
    gates = np.concatenate([X, H], -1) @ kernel + bias
    reset, cand, update = np.split(gates, 3, -1)
    u = 1 / (1 + np.exp(-(update - 1)))
    want = u * np.tanh(cand / (1 + np.exp(-reset))) + (1 - u) * H
    np.testing.assert_allclose(cell.step(X, H), want, rtol=1e-5)


def test_an_rnn_over_the_cell_is_its_steps():
    cell = published_cell()
    x = tf.random.stateless_normal([4, 5, 3], [0, 1])
    h = tf.zeros([4, 2])
    for t in range(5):
        h = cell.step(x[:, t], h)
    np.testing.assert_allclose(keras.layers.RNN(cell)(x), h, rtol=1e-5, atol=1e-6)


def test_the_state_stays_float32_under_bfloat16():
    cell = published_cell(dtype="mixed_bfloat16")
    got = cell.step(X, H)
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, [[-0.0017753, 0.0462295]], atol=5e-3)

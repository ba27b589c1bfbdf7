"""MERLIN's nets, reads, divergence and returns in NumPy; in float64 where the inputs are."""

import numpy as np

from tests.agents.merlin import common

SHORT = 0.01  # keys and rows that are shorter count as if of this length


def linear(dense, x):
    return x @ np.asarray(dense.kernel) + np.asarray(dense.bias)


def mlp(net, x, activation=np.tanh):
    *hidden, last = net.dense
    for dense in hidden:
        x = activation(linear(dense, x))
    x = linear(last, x)
    return x if net.output_units else activation(x)


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(cell, x, h, c):
    """One step of a `DeepLSTMCell` with Keras's gate order; h and c are [B, L, U]."""
    outputs, memories = [], []
    for layer, one in enumerate(cell.cells):
        below = [x, *outputs[-1:]]
        z = np.concatenate(below, -1) @ np.asarray(one.kernel) + np.asarray(one.bias)
        z = z + h[:, layer] @ np.asarray(one.recurrent_kernel)
        i, f, g, o = np.split(z, 4, -1)
        memories.append(sigmoid(f) * c[:, layer] + sigmoid(i) * np.tanh(g))
        outputs.append(sigmoid(o) * np.tanh(memories[-1]))
    return np.stack(outputs, 1), np.stack(memories, 1)


def flat(hidden):
    """[B, L, U] -> [B, L * U]."""
    return hidden.reshape(len(hidden), -1)


def read(reader, h, rows):
    raw = linear(reader.interface, h)
    count, width = reader.heads, reader.width
    keys = raw[:, : count * width].reshape(-1, count, width)
    beta = np.log1p(np.exp(raw[:, count * width :]))
    result = np.zeros((len(h), count, width))
    for b in range(len(h)):
        lengths = np.maximum(np.linalg.norm(rows[b], axis=-1), SHORT)
        for k in range(count):
            length = max(np.linalg.norm(keys[b, k]), SHORT)
            cosine = rows[b] @ keys[b, k] / (lengths * length)
            result[b, k] = common.softmax(beta[b, k] * cosine) @ rows[b]
    return result.reshape(len(h), -1)


def kl(q, p):
    """KL(q || p) of diagonal normals given as means, then log standard deviations."""
    (mean_q, log_q), (mean_p, log_p) = (np.split(each, 2, -1) for each in (q, p))
    spread = np.exp(2 * log_q) + (mean_q - mean_p) ** 2
    return (log_p - log_q + spread / (2 * np.exp(2 * log_p)) - 0.5).sum(-1)


def returns(window, value, gamma, lam=1.0):
    """The lambda-returns of a window's rows, [T + 1, B]; V of the last row, and of one after which a cut comes."""
    found = np.array(value)
    for t in reversed(range(len(value) - 1)):
        after = (1 - lam) * value[t + 1] + lam * found[t + 1]
        follows = window["reward"][t + 1] + gamma * window["discount"][t + 1] * after
        found[t] = np.where(window["is_first"][t + 1], value[t], follows)
    return found

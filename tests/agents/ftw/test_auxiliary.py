"""Pixel control and reward prediction against twins written out."""

import numpy as np
import pytest
import tensorflow as tf

from agents.ftw import auxiliary

T, B, G = 5, 2, 2
RNG = np.random.default_rng(0)
CLASSES = (3, 2)


def test_maps_have_the_papers_shape_and_advantages_of_mean_zero():
    net = auxiliary.PixelControl(20, (5, 3, 3, 3, 2, 2))
    features = tf.random.stateless_normal([2, 3, 8], [1, 2])
    maps = net(features)
    assert [tuple(each.shape) for each in maps] == [
        (2, 3, 20, 20, k) for k in (5, 3, 3, 3, 2, 2)
    ]
    assert net.dense.units == 7 * 7 * 32
    means = [tf.reduce_mean(each, -1) for each in maps]
    for other in means[
        1:
    ]:  # the mean over actions is the value, the same for all factors
        np.testing.assert_allclose(other, means[0], rtol=1e-4, atol=1e-5)


def test_the_change_of_cells_is_the_mean_over_pixels_of_the_centre():
    images = RNG.random((3, 2, 7, 6, 2)).astype(np.float32)
    found = auxiliary.pixel_change(tf.constant(images), 4, 2)
    assert found.shape == (2, 2, 2, 2)
    centre = np.abs(np.diff(images, axis=0))[:, :, 1:5, 1:5].mean(-1)
    for i in range(2):
        for j in range(2):
            cell = centre[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3))
            np.testing.assert_allclose(found[:, :, i, j], cell, rtol=1e-5)
    still = np.repeat(images[:1], 3, 0)
    np.testing.assert_array_equal(
        auxiliary.pixel_change(tf.constant(still), 4, 2), np.zeros((2, 2, 2, 2))
    )


def test_images_smaller_than_the_centre_are_refused():
    with pytest.raises(ValueError, match=r"7x6 pixels.*pixel_crop"):
        auxiliary.pixel_change(tf.zeros([2, 1, 7, 6, 1]), 8, 2)


def pixel_case():
    q = [RNG.normal(size=(T + 1, B, G, G, k)) for k in CLASSES]
    action = [np.eye(k)[RNG.integers(k, size=(T, B))] for k in CLASSES]
    discount, mask = np.full((T, B), 0.9), np.ones((T, B))
    discount[1, 0], mask[2, 0] = 0, 0  # row 0 terminates; row 1 is cut
    mask[3, 1] = 0
    return q, action, RNG.random((T, B, G, G)), discount, mask


def test_pixel_control_learns_n_step_returns_of_each_cell_and_factor():
    q, action, change, discount, mask = pixel_case()
    losses = []
    for values, chosen in zip(q, action, strict=True):
        errors = []
        for b in range(B):
            for t in range(T):
                if not mask[t, b]:
                    continue
                target, weight = np.zeros((G, G)), 1.0
                for s in range(t, T):
                    if not mask[s, b]:  # cut: goes on with the value of the last state
                        target += weight * values[s, b].max(-1)
                        break
                    target += weight * change[s, b]
                    weight *= discount[s, b]
                else:
                    target += weight * values[T, b].max(-1)
                taken = values[t, b, :, :, chosen[t, b].argmax()]
                errors.append((target - taken) ** 2)
        losses.append(0.5 * np.mean(errors))
    parts = [[tf.constant(x, tf.float32) for x in part] for part in (q, action)]
    rest = [tf.constant(x, tf.float32) for x in (change, discount, mask)]
    found = auxiliary.pixel_control_loss(*parts, *rest)
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-4)


def test_three_frames_end_one_before_the_reward():
    embed = tf.reshape(tf.range(7.0), [7, 1, 1])  # T = 6
    found = auxiliary.three_frames(embed)[:, 0]
    np.testing.assert_array_equal(found, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])


def test_zeros_and_rewards_weigh_the_same_and_borders_are_left_out():
    logits = RNG.normal(size=(4, 1, 3))
    reward = np.array([[9.0], [9.0], [0.0], [2.0], [0.0], [-1.0]])
    mask = np.ones((6, 1))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    classes = [1, 2, 1, 0]
    error = [-log_p[i, 0, c] for i, c in enumerate(classes)]
    want = 0.5 * np.mean([error[0], error[2]]) + 0.5 * np.mean([error[1], error[3]])

    def loss(mask):
        parts = [tf.constant(x, tf.float32) for x in (logits, reward, mask)]
        return float(auxiliary.reward_prediction_loss(*parts))

    assert loss(mask) == pytest.approx(want, rel=1e-5)
    mask[4] = (
        0  # state 5 begins an episode: triples with it, or a reward on arriving there, are none
    )
    want = 0.5 * error[0] + 0.5 * error[1]
    assert loss(mask) == pytest.approx(want, rel=1e-5)
    assert loss(np.zeros((6, 1))) == 0

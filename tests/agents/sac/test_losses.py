"""SAC's targets and losses against numbers worked out by hand and twins in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from agents.sac import losses


def test_the_target_is_the_reward_and_the_soft_value_unless_the_episode_truly_ended():
    reward, value = np.array([[1.0, 1.0, 1.0]]), np.array([[10.0, 10.0, -4.0]])
    entropy = np.array([[0.5, 0.5, 2.0]])
    discount = np.array([[0.9, 0.0, 0.9]])  # the second one is terminal
    target = losses.critic_target(reward, discount, value, entropy, 0.2)
    np.testing.assert_allclose(target, [[1 + 0.9 * 10.1, 1.0, 1 + 0.9 * -3.6]])


def test_the_critics_loss_is_the_sum_of_both_squares_over_what_is_a_transition():
    q = tf.constant([[[1.0, 5.0, 2.0]], [[0.0, 5.0, 3.0]]])
    target, mask = tf.constant([[2.0, 9.0, 2.0]]), tf.constant([[1.0, 0.0, 1.0]])
    loss = losses.critic_loss(q, target, mask)
    assert float(loss) == pytest.approx(0.5 * ((1 + 4) + (0 + 1)) / 2)
    nothing = losses.critic_loss(q, target, tf.zeros((1, 3)))
    assert float(nothing) == 0.0


def test_the_actor_climbs_value_and_entropy_together_and_never_the_scale():
    value, entropy = tf.Variable([[1.0, 2.0]]), tf.Variable([[0.5, 0.1]])
    scale, mask = tf.Variable(0.3), tf.constant([[1.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = losses.actor_loss(value, entropy, scale, mask)
    assert float(loss) == pytest.approx(-(1.15 + 2.03) / 2)
    of_value, of_entropy, of_scale = tape.gradient(loss, [value, entropy, scale])
    np.testing.assert_allclose(of_value, [[-0.5, -0.5]])
    np.testing.assert_allclose(of_entropy, [[-0.15, -0.15]])
    assert of_scale is None


@pytest.mark.parametrize(("entropy", "sign"), [(0.2, -1), (0.9, 1)])
def test_the_scale_grows_where_the_entropy_is_below_its_target(entropy, sign):
    log_scale = tf.Variable(np.log(0.7), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = losses.entropy_scale_loss(
            log_scale, tf.constant(entropy), tf.constant(0.5)
        )
    gradient = float(tape.gradient(loss, log_scale))  # descended
    assert np.sign(gradient) == sign and abs(gradient) == pytest.approx(
        abs(entropy - 0.5)
    )


def test_copies_move_by_their_share_of_what_is_missing():
    copy, original = tf.Variable([1.0, 0.0]), tf.Variable([3.0, -2.0])
    losses.follow([copy], [original], 0.25)
    np.testing.assert_allclose(copy, [1.5, -0.5])
    losses.follow([copy], [original], 1.0)
    np.testing.assert_allclose(copy, original)


def test_wrong_shapes_are_refused_by_name():
    flat = tf.zeros(3)
    with pytest.raises(ValueError, match="reward has shape"):
        losses.critic_target(flat, flat, flat, flat, 0.1)
    with pytest.raises(ValueError, match="target has shape"):
        losses.critic_loss(tf.zeros((2, 1, 3)), flat, flat)

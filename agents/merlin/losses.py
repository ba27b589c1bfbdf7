"""MERLIN's losses, time-major."""

import tensorflow as tf

from estimators import masked_mean, shapes


def return_loss(
    value: tf.Tensor, advantage: tf.Tensor, target: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """1/2 [(R - V)^2 + (R - (sg(V) + A))^2], the mean over transitions.

    Args:
        value: [T, B], V.
        advantage: [T, B], A.
        target: [T, B], R, a constant.
        mask: [T, B], 0 where there is no transition.

    Returns:
        A scalar.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), methods.
    """
    shapes.check_same(value=value, advantage=advantage, target=target, mask=mask)
    both = tf.stop_gradient(value) + advantage
    squares = tf.square(target - value) + tf.square(target - both)
    return 0.5 * masked_mean(squares, mask)


def value_loss(value: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """1/2 (R - V)^2, the mean over transitions; [T, B] each."""
    shapes.check_same(value=value, target=target, mask=mask)
    return 0.5 * masked_mean(tf.square(target - value), mask)


def policy_loss(
    logits: tf.Tensor,
    action: tf.Tensor,
    advantage: tf.Tensor,
    mask: tf.Tensor,
    entropy_scale: tf.Tensor | float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """-A_t log pi_t[a_t] - eta H(pi_t), the mean over transitions.

    Args:
        logits: [T, B, K], of the policy.
        action: [T, B, K], one-hot, a_t.
        advantage: [T, B], A_t; a constant.
        mask: [T, B], 0 where there is no transition.
        entropy_scale: eta.

    Returns:
        The loss and the mean entropy, scalars.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), algorithm 1.
    """
    shapes.check(
        logits=(logits, "TBK"),
        action=(action, "TBK"),
        advantage=(advantage, "TB"),
        mask=(mask, "TB"),
    )
    log_pi = tf.nn.log_softmax(logits)
    chosen = tf.reduce_sum(action * log_pi, -1)
    entropy = masked_mean(-tf.reduce_sum(tf.exp(log_pi) * log_pi, -1), mask)
    gain = masked_mean(tf.stop_gradient(advantage) * chosen, mask)
    return -gain - entropy_scale * entropy, entropy

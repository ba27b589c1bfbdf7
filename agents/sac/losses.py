"""SAC's targets and losses, time-major, and the copies that follow."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from estimators import masked_mean, shapes


def critic_target(
    reward: tf.Tensor,
    discount: tf.Tensor,
    value: tf.Tensor,
    entropy: tf.Tensor,
    entropy_scale: tf.Tensor,
) -> tf.Tensor:
    """y_t = r_{t+1} + d_{t+1} (V'(s_{t+1}) + alpha H(pi(s_{t+1}))), a constant.

    Args:
        reward: [T, B], r_{t+1}.
        discount: [T, B], d_{t+1}: gamma, and 0 where s_{t+1} is terminal, not where the episode was cut.
        value: [T, B], V'(s_{t+1}): the smaller of the target critics', at an action of the policy or expected over it.
        entropy: [T, B], H, or its estimate -log pi(a) at that action.
        entropy_scale: Scalar, alpha.

    Returns:
        [T, B].

    References:
        Haarnoja et al. 2018 (arXiv 1812.05905), equations 3 and 5; Christodoulou 2019 (arXiv 1910.07207), equation 10.
    """
    shapes.check(
        reward=(reward, "TB"),
        discount=(discount, "TB"),
        value=(value, "TB"),
        entropy=(entropy, "TB"),
    )
    return tf.stop_gradient(reward + discount * (value + entropy_scale * entropy))


def critic_loss(q: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """sum_i 1/2 (Q_i(s_t, a_t) - y_t)^2, the mean over transitions.

    Args:
        q: [2, T, B], of both critics at the actions taken.
        target: [T, B], y_t.
        mask: [T, B], 0 where there is no transition.

    Returns:
        A scalar.

    References:
        Haarnoja et al. 2018 (arXiv 1812.05905), equation 5.
    """
    shapes.check(q=(q, "2TB"), target=(target, "TB"), mask=(mask, "TB"))
    return 0.5 * masked_mean(tf.reduce_sum(tf.square(q - target), 0), mask)


def actor_loss(
    value: tf.Tensor, entropy: tf.Tensor, entropy_scale: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """-(V(s_t) + alpha H(pi(s_t))), the mean over transitions.

    Args:
        value: [T, B], the smaller of the critics', with a gradient towards the policy.
        entropy: [T, B], H or its estimate, with a gradient.
        entropy_scale: Scalar, alpha; a constant here.
        mask: [T, B], 0 where there is no transition.

    Returns:
        A scalar.

    References:
        Haarnoja et al. 2018 (arXiv 1812.05905), equation 7; Christodoulou 2019 (arXiv 1910.07207), equation 12.
    """
    shapes.check(value=(value, "TB"), entropy=(entropy, "TB"), mask=(mask, "TB"))
    alpha = tf.stop_gradient(entropy_scale)
    return -masked_mean(value + alpha * entropy, mask)


def entropy_scale_loss(
    log_scale: tf.Tensor, entropy: tf.Tensor, target: tf.Tensor
) -> tf.Tensor:
    """log alpha (H - target), whose gradient raises alpha where the entropy is below its target.

    Args:
        log_scale: Scalar, log alpha.
        entropy: Scalar, the mean entropy of the policy; a constant.
        target: Scalar, the entropy wanted, nats.

    Returns:
        A scalar.

    References:
        Haarnoja et al. 2018 (arXiv 1812.05905), equation 18.
        Differs: that has alpha in place of log alpha, which slows down where alpha is small; the sign is the same.
    """
    return log_scale * tf.stop_gradient(entropy - target)


def follow(copies: Sequence[Any], originals: Sequence[Any], rate: tf.Tensor) -> None:
    """Polyak averaging: copy <- copy + rate (original - copy), for every variable.

    Args:
        copies: Variables.
        originals: Variables of the same shapes.
        rate: Scalar in [0, 1]; 1 copies, 0 does nothing.
    """
    for copy, original in zip(copies, originals, strict=True):
        copy.assign(copy + rate * (original - copy))

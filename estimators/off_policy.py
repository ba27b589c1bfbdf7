"""Values and advantages from steps that another policy took, time-major."""

from typing import NamedTuple

import tensorflow as tf

from estimators import shapes
from estimators.returns import discounted_sum


class VTrace(NamedTuple):
    """What V-trace makes of T steps; constants, both [T, B] float32.

    Attributes:
        target: v_t, what the values are trained towards.
        advantage: rho_t (r_t + d_t v_{t+1} - V_t), what the policy's log-probability is multiplied by.
    """

    target: tf.Tensor
    advantage: tf.Tensor


def vtrace(
    log_rho: tf.Tensor,
    reward: tf.Tensor,
    value: tf.Tensor,
    discount: tf.Tensor,
    bootstrap: tf.Tensor,
    mask: tf.Tensor,
    lam: float | tf.Tensor = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
) -> VTrace:
    """Corrects for actions that mu chose, not pi.

        v_t = V_t + delta_t + d_t c_t (v_{t+1} - V_{t+1}),  delta_t = rho_t (r_t + d_t V_{t+1} - V_t)
        rho_t = min(clip_rho, pi(a_t) / mu(a_t)),  c_t = lam min(clip_c, pi(a_t) / mu(a_t))

    On-policy and with lam = 1, v_t is the return of all steps up to T, bootstrapped by V_T. `lam` is that of the paper's
    remark 2, in c_t alone: the advantage takes v_{t+1}, whatever lam is. Where the mask is 0 the two states belong to
    different episodes: v_t = V_t there, the advantage is 0, and nothing passes from the later episode to the earlier.

    Args:
        log_rho: [T, B], log pi(a_t) - log mu(a_t), joint over the factors of an action; 0 on-policy.
        reward: [T, B], r_t, received on arriving in state t + 1.
        value: [T, B], V_t.
        discount: [T, B], d_t: gamma, or 0 where state t + 1 is terminal (not where the episode was cut).
        bootstrap: [B], V_T.
        mask: [T, B], 0 where state t + 1 is the first of an episode, else 1; as `Transitions.mask`.
        lam: Scalar in [0, 1].
        clip_rho: Largest rho; the policy whose value v_t tends to depends on it.
        clip_c: Largest c; only the speed depends on it.

    Returns:
        Target and advantage; no gradient passes.

    Raises:
        ValueError: If the shapes differ.

    References:
        Espeholt et al. 2018 (arXiv 1802.01561), equations 1 and 2, section 4.2 and remarks 1 and 2.
    """
    parts = (log_rho, reward, value, discount, bootstrap, mask)
    log_rho, reward, value, discount, bootstrap, mask = (
        tf.stop_gradient(tf.cast(each, tf.float32)) for each in parts
    )
    shapes.check(
        log_rho=(log_rho, "TB"),
        reward=(reward, "TB"),
        value=(value, "TB"),
        discount=(discount, "TB"),
        bootstrap=(bootstrap, "B"),
        mask=(mask, "TB"),
    )
    ratio = tf.exp(log_rho)
    rho = mask * tf.minimum(clip_rho, ratio)
    trace = mask * lam * tf.minimum(clip_c, ratio)
    next_value = tf.concat([value[1:], bootstrap[None]], 0)
    delta = rho * (reward + discount * next_value - value)
    target = value + discounted_sum(delta, discount * trace, tf.zeros_like(bootstrap))
    next_target = tf.concat([target[1:], bootstrap[None]], 0)
    return VTrace(target, rho * (reward + discount * next_target - value))

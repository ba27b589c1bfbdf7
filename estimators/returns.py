"""Multi-step returns, time-major."""

import tensorflow as tf

from estimators import shapes


def lambda_return(
    reward: tf.Tensor,
    value: tf.Tensor,
    discount: tf.Tensor,
    bootstrap: tf.Tensor,
    lam: float | tf.Tensor,
) -> tf.Tensor:
    """Mixes n-step returns: V_t = r_t + d_t ((1 - lam) v_{t+1} + lam V_{t+1}).

    Args:
        reward: [T, B], r_t, received on arriving in state t.
        value: [T, B], v_t of the same states.
        discount: [T, B], d_t: 0 where state t is terminal, not where the episode was cut.
        bootstrap: [B], the value after the last state; it stands for V_T and v_T.
        lam: Scalar in [0, 1]; 0 is one-step TD, 1 is Monte Carlo with a bootstrap.

    Returns:
        [T, B], V_t; differentiable with respect to every argument.

    Raises:
        ValueError: If the shapes differ.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), equation 4.
    """
    reward, value, discount, bootstrap = map(
        tf.convert_to_tensor, (reward, value, discount, bootstrap)
    )
    shapes.check(
        reward=(reward, "TB"),
        value=(value, "TB"),
        discount=(discount, "TB"),
        bootstrap=(bootstrap, "B"),
    )
    next_value = tf.concat([value[1:], bootstrap[None]], 0)
    target = reward + discount * (1 - lam) * next_value
    return discounted_sum(target, lam * discount, bootstrap)


def gae(
    reward: tf.Tensor,
    value: tf.Tensor,
    discount: tf.Tensor,
    bootstrap: tf.Tensor,
    lam: float | tf.Tensor,
    mask: tf.Tensor,
) -> tf.Tensor:
    """Generalized advantages: A_t = delta_t + lam d_t A_{t+1}, delta_t = r_t + d_t v_{t+1} - v_t.

    Where the mask is 0 the two states belong to different episodes: A_t = 0 there, and nothing passes from the later
    episode to the earlier one. So A_t + v_t with lam = 1 is the return, bootstrapped by v where an episode was cut.

    Args:
        reward: [T, B], r_t, received on arriving in state t + 1.
        value: [T, B], v_t.
        discount: [T, B], d_t: gamma, or 0 where state t + 1 is terminal (not where the episode was cut).
        bootstrap: [B], v_T.
        lam: Scalar in [0, 1]; 0 is the one-step TD error, 1 is the return minus the value.
        mask: [T, B], 0 where state t + 1 is the first of an episode, else 1; as `Transitions.mask`.

    Returns:
        [T, B], A_t.

    Raises:
        ValueError: If the shapes differ.

    References:
        Schulman et al. 2016 (arXiv 1506.02438), equation 16.
    """
    reward, value, discount, bootstrap, mask = map(
        tf.convert_to_tensor, (reward, value, discount, bootstrap, mask)
    )
    shapes.check(
        reward=(reward, "TB"),
        value=(value, "TB"),
        discount=(discount, "TB"),
        bootstrap=(bootstrap, "B"),
        mask=(mask, "TB"),
    )
    next_value = tf.concat([value[1:], bootstrap[None]], 0)
    delta = mask * (reward + discount * next_value - value)
    return discounted_sum(delta, mask * lam * discount, tf.zeros_like(bootstrap))


def discounted_sum(target: tf.Tensor, decay: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """V_t = target_t + decay_t V_{t+1}; unrolled where T is known, else a loop."""
    if target.shape[0] is None:
        return tf.scan(
            lambda later, now: now[0] + now[1] * later,
            (target, decay),
            initializer=last,
            reverse=True,
        )
    returns = []
    for now, keep in zip(
        reversed(tf.unstack(target)), reversed(tf.unstack(decay)), strict=True
    ):
        last = now + keep * last
        returns.append(last)
    return tf.stack(returns[::-1])

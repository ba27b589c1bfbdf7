"""Divergences and entropies of latent states, from the parameters, in float32."""

import math
from collections.abc import Callable

import tensorflow as tf

from estimators import shapes
from estimators.gradients import scale_gradient

Divergence = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def categorical_kl(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """KL(p || q) = sum_s sum_c p_sc (log p_sc - log q_sc), S independent categoricals.

    Args:
        p: [..., S, C], logits.
        q: [..., S, C], logits.

    Returns:
        [...] float32, summed over S.

    Raises:
        ValueError: If the shapes differ.
    """
    p, q = _float32_pair(p, q)
    log_p, log_q = tf.nn.log_softmax(p), tf.nn.log_softmax(q)
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), [-2, -1])


def categorical_entropy(logits: tf.Tensor) -> tf.Tensor:
    """H = -sum_s sum_c p_sc log p_sc, S independent categoricals.

    Args:
        logits: [..., S, C].

    Returns:
        [...] float32, summed over S.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return -tf.reduce_sum(tf.exp(log_p) * log_p, [-2, -1])


def gaussian_kl(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """KL of diagonal normals: sum_s log(b_s/a_s) + (a_s^2 + (m_s - n_s)^2) / (2 b_s^2) - 1/2.

    Args:
        p: [..., 2S], means m then standard deviations a.
        q: [..., 2S], means n then standard deviations b.

    Returns:
        [...] float32, summed over S.

    Raises:
        ValueError: If the shapes differ.
    """
    p, q = _float32_pair(p, q)
    (mean_p, std_p), (mean_q, std_q) = tf.split(p, 2, -1), tf.split(q, 2, -1)
    ratio = tf.square(std_p / std_q)
    distance = tf.square((mean_p - mean_q) / std_q)
    return 0.5 * tf.reduce_sum(ratio + distance - 1 - tf.math.log(ratio), -1)


def gaussian_entropy(parameters: tf.Tensor) -> tf.Tensor:
    """H = sum_s log(a_s) + log(2 pi e) / 2, a diagonal normal.

    Args:
        parameters: [..., 2S], means then standard deviations a.

    Returns:
        [...] float32, summed over S.
    """
    std = tf.split(tf.cast(parameters, tf.float32), 2, -1)[1]
    return tf.reduce_sum(tf.math.log(std) + 0.5 * math.log(2 * math.pi * math.e), -1)


def kl_balance(
    post: tf.Tensor,
    prior: tf.Tensor,
    balance: float,
    free: float,
    free_avg: bool = True,
    forward: bool = False,
    divergence: Divergence = categorical_kl,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Trains the prior towards the posterior faster than the posterior towards the prior.

    loss = (1 - balance) max(KL(post || sg(prior)), free) + balance max(KL(sg(post) || prior), free)

    where KL is the mean over states, or with `free_avg` False the maximum is taken in each
    state before the mean. Both terms have the same value, hence the same maximum: one KL is
    computed, and only the gradients of its two sides are scaled, which is exactly the sum above.
    A balance of 0.5 stands for one plain KL (gradient factor 1 on both sides) with the maximum
    in each state.

    Args:
        post: [..., S, C] logits, or what `divergence` takes.
        prior: As `post`.
        balance: Share of the prior's side, in [0, 1].
        free: Free nats, below which there is no gradient.
        free_avg: Whether the maximum with `free` is of the mean over states.
        forward: Whether KL(prior || post) is taken instead; the prior's share stays `balance`.
        divergence: (p, q) -> KL(p || q), [...].

    Returns:
        The loss and the mean KL without `free`, scalars.

    Raises:
        ValueError: If the shapes differ.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), Algorithm 2.
    """
    if balance == 0.5:
        free_avg = False
    else:
        post, prior = scale_gradient(post, 1 - balance), scale_gradient(prior, balance)
    value = divergence(prior, post) if forward else divergence(post, prior)
    mean = tf.reduce_mean(value)
    if free_avg:
        return tf.maximum(mean, free), mean
    return tf.reduce_mean(tf.maximum(value, free)), mean


def _float32_pair(p: tf.Tensor, q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    p, q = tf.cast(p, tf.float32), tf.cast(q, tf.float32)
    shapes.check_same(p=p, q=q)
    return p, q

"""What every estimator of a cost takes and returns."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from estimators.latents import Latent

Cost = Callable[[tf.Tensor], tf.Tensor]


class Estimate(NamedTuple):
    """A sampled cost with a gradient.

    Attributes:
        sample: z [*B, *E] float32 as the cost saw it; of estimators with several samples [M, *B, *E].
        cost: [*B] float32, the cost of the sample (of several, their mean or bound); a constant.
        surrogate: [*B] float32, in value the cost; its gradient with respect to the logits is the estimate, and with
            respect to what else the cost depends on that of the cost.
        control_loss: [*B] float32, what trains the parameters of the baseline or control variate; None without any.
        signal: [*B] float32, the cost less its baseline, whose running moments centre and scale an estimator that takes a
            scale; None for those that take none.
    """

    sample: tf.Tensor
    cost: tf.Tensor
    surrogate: tf.Tensor
    control_loss: tf.Tensor | None = None
    signal: tf.Tensor | None = None


def evaluate(cost: Cost, z: tf.Tensor, latent: Latent) -> tf.Tensor:
    """Returns cost(z) [*B] float32.

    Raises:
        ValueError: If the cost returned another shape than z has before its event.
    """
    value = tf.cast(cost(z), tf.float32)
    wanted = z.shape[: z.shape.rank - latent.event_rank]
    if value.shape.rank != wanted.rank or not value.shape.is_compatible_with(wanted):
        raise ValueError(
            f"the cost returned shape {tuple(value.shape)} for samples of shape {tuple(z.shape)}; expected "
            f"{tuple(wanted)}, one number for each, leading axes as they come."
        )
    return value


def part(seed: tf.Tensor, i: int) -> tf.Tensor:
    """Returns the i-th seed [2] made of a seed [2]."""
    return tf.random.fold_in(tf.convert_to_tensor(seed), i, alg="philox")

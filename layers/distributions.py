"""Distributions that TensorFlow Probability lacks; the only module that subclasses its own."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from estimators import replace_gradient


class StraightThroughOneHot(tfd.OneHotCategorical):
    """A float32 one-hot categorical whose samples have the gradient of its probabilities.

    Args:
        logits: [..., K].
    """

    def __init__(self, logits: tf.Tensor, name: str = "StraightThroughOneHot"):
        super().__init__(logits=logits, dtype=tf.float32, name=name)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        sample = super()._sample_n(n, seed=seed)
        probs = tf.broadcast_to(self.probs_parameter(), tf.shape(sample))
        return replace_gradient(sample, probs)


class ClippedTruncatedNormal(tfd.TruncatedNormal):
    """A normal truncated to [-1, 1] whose samples are kept within +-edge, straight-through.

    Args:
        loc: [...], the mean before truncation.
        scale: [...], the standard deviation before truncation.
        edge: The largest absolute value of a sample, below 1.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        edge: float,
        name: str = "ClippedTruncatedNormal",
    ):
        super().__init__(loc, scale, -1.0, 1.0, name=name)
        self._edge = edge

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        sample = super()._sample_n(n, seed=seed)
        return replace_gradient(
            tf.clip_by_value(sample, -self._edge, self._edge), sample
        )


def clipped_truncated_normal(mean: tf.Tensor, std: tf.Tensor, edge: float) -> Any:
    """Returns the clipped truncated normal with the last axis as its event."""
    return tfd.Independent(ClippedTruncatedNormal(mean, std, edge), 1)

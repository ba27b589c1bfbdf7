"""What agents of TF-Agents need in the zoo: one part of an observation, as numbers, and sizes of networks."""

from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from agents.api import Spaces


def only_box(spaces: Spaces, agent: str) -> tuple[str, gymnasium.spaces.Box]:
    """Returns key and box of the observation's only part.

    Raises:
        ValueError: If there are several.
    """
    if len(spaces.observation) != 1:
        raise ValueError(
            f"{agent} takes observations of one part, but {sorted(spaces.observation)} came: use another agent, "
            "such as dreamerv2, or a wrapper that leaves one"
        )
    return next(iter(spaces.observation.items()))


def to_float(value: Any) -> tf.Tensor:
    """Returns pixels / 255, and other numbers as float32."""
    value = tf.convert_to_tensor(value)
    if value.dtype == tf.uint8:
        return tf.cast(value, tf.float32) / 255
    return tf.cast(value, tf.float32)


def conv_layers(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Returns filters, kernel and stride of the convolutions for observations of a shape.

    Those of Mnih et al. 2015 from 36 pixels on; the one of Young and Tian 2019 (MinAtar) for smaller pictures; none for
    vectors.
    """
    if len(shape) == 1:
        return []
    if min(shape[:2]) >= 36:
        return [(32, 8, 4), (64, 4, 2), (64, 3, 1)]
    return [(16, 3, 1)]


def spec(shape: tuple[int, ...]) -> tf.TensorSpec:
    """Returns the spec of an observation as the networks get it."""
    return tf.TensorSpec(shape, np.float32, "observation")

"""A window of rows as losses read it."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from agents.observation_net import preprocess


class Rows(NamedTuple):
    """[T, B, ...], float32 but for `is_first`.

    Attributes:
        observation: Key -> preprocessed.
        last_action: [T, B, A], a_{t-1} as one-hot; zeros at an episode's first step, which no action led to.
        reward: [T, B], r_{t-1}, received on arriving.
        discount: [T, B], 0 where the row is terminal.
        is_first: [T, B] bool.
        action: [T, B, A], a_t, which led to the next row; zeros in the last row of a window, where it is not known.
    """

    observation: dict[str, tf.Tensor]
    last_action: tf.Tensor
    reward: tf.Tensor
    discount: tf.Tensor
    is_first: tf.Tensor
    action: tf.Tensor


def to_rows(batch: Mapping[str, tf.Tensor], classes: int) -> Rows:
    """Returns the rows of a batch, key -> [T, B, ...]."""
    prefix = "observation/"
    action = tf.one_hot(batch["action"], classes)
    return Rows(
        {
            key.removeprefix(prefix): preprocess(value)
            for key, value in batch.items()
            if key.startswith(prefix)
        },
        last_action(batch["action"], batch["is_first"], classes),
        batch["reward"],
        batch["discount"],
        batch["is_first"],
        tf.concat([action[1:], tf.zeros_like(action[:1])], 0),
    )


def last_action(action: tf.Tensor, is_first: tf.Tensor, classes: int) -> tf.Tensor:
    """Returns the action that led to each row, [...] int32, as one-hot [..., A]; zeros where `is_first` [...] is set."""
    there = tf.cast(~is_first, tf.float32)[..., None]
    return tf.one_hot(action, classes) * there

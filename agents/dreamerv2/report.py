"""Open-loop predictions: what the world model believes will happen, beside what did."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from agents.dreamerv2.world_model import Sequence, WorldModel

SEQUENCES, CONTEXT, HORIZON = 6, 5, 10


class OpenLoop(NamedTuple):
    """Six replayed sequences: 5 frames are seen, the rest is dreamed from the true actions.

    Attributes:
        truth: Image key -> [6, T, H, W, C] float32 in [0, 1]; gray after the end of a dreamed episode, which no dream
            can know.
        model: The same, reconstructed while seen, then dreamed.
        model_error: [min(10, T - 5)] mean squared error of the dream, 1 to 10 steps after the last frame seen, over all
            observation keys, in units of preprocessed observations; steps across an episode's end are left out.
        copy_error: The same for a prediction that nothing changes any more.
    """

    truth: dict[str, tf.Tensor]
    model: dict[str, tf.Tensor]
    model_error: tf.Tensor
    copy_error: tf.Tensor


def open_loop(
    world: WorldModel, sequence: Sequence, seed: tf.Tensor, dark: Mapping[str, float]
) -> OpenLoop:
    """Compares dream and truth.

    Args:
        world: The world model.
        sequence: [T, B, ...] with T > 5; all B count for the errors, 6 are returned as pictures.
        seed: [2] int32.
        dark: Key -> the preprocessed value of black.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), figure of video predictions.
    """
    length, batch = sequence.reward.shape[0], tf.shape(sequence.reward)[1]
    noise = world.noise((length, batch), seed)
    seen = tf.nest.map_structure(lambda part: part[:CONTEXT], sequence)
    posterior, _ = world.infer(seen, noise[:CONTEXT])
    before = world.decoder(world.cell.features(posterior))
    last = tf.nest.map_structure(lambda part: part[-1], posterior)
    _, after = world.imagined_observations(
        last, sequence.action[CONTEXT:], noise[CONTEXT:]
    )
    same_episode = 1.0 - tf.math.cumsum(
        tf.cast(sequence.is_first[CONTEXT:], tf.float32), 0
    )
    mask = tf.cast(same_episode > 0, tf.float32)
    future = {key: value[CONTEXT:] for key, value in sequence.observation.items()}
    frozen = {
        key: tf.broadcast_to(
            sequence.observation[key][CONTEXT - 1 : CONTEXT], tf.shape(value)
        )
        for key, value in future.items()
    }
    images = [
        key for key, value in sequence.observation.items() if value.shape.rank == 5
    ]
    shown = tf.concat([tf.ones_like(sequence.reward[:CONTEXT]), mask], 0)
    model = {key: tf.concat([before[key], after[key]], 0) for key in images}
    return OpenLoop(
        {key: _picture(sequence.observation[key] - dark[key], shown) for key in images},
        {key: _picture(model[key] - dark[key], shown) for key in images},
        _error(after, future, mask),
        _error(frozen, future, mask),
    )


def _error(
    predicted: dict[str, tf.Tensor], truth: dict[str, tf.Tensor], mask: tf.Tensor
) -> tf.Tensor:
    """Returns the mean squared error per step over rows that are still in their episode, up to 10 steps."""
    total = tf.zeros(tf.shape(mask))
    for key, value in truth.items():
        squared = tf.math.squared_difference(predicted[key], value)
        axes = list(range(2, value.shape.rank))
        total += tf.reduce_mean(squared, axes)
    total, mask = total[:HORIZON], mask[:HORIZON]
    return tf.math.divide_no_nan(tf.reduce_sum(total * mask, 1), tf.reduce_sum(mask, 1))


def _picture(value: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """Returns [6, T, H, W, C] in [0, 1] from [T, B, H, W, C] with black at 0; gray where not shown [T, B]."""
    shown = tf.reshape(shown, tf.concat([tf.shape(shown), [1, 1, 1]], 0))
    pictures = tf.clip_by_value(value, 0.0, 1.0) * shown + 0.5 * (1.0 - shown)
    return tf.einsum("tb...->bt...", pictures[:, :SEQUENCES])

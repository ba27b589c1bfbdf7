"""What a model makes of digits: completed lower halves, reconstructions, samples of the prior."""

import numpy as np
import tensorflow as tf

from agents.gumbel_softmax.nets import Nets
from estimators.cost import part

SIDE = 28
_GUESSES = 6  # completions of one upper half


def draw(nets: Nets, images: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns pictures [H, W] uint8 by name, ink dark on white.

    `completions` of the sbn: a column per image, the truth, then the upper half with guesses of the lower;
    `reconstructions` of the vae: the truth, then the mean of p(x | z) for a sample z; `samples`: of p(z) p(x | z).

    Args:
        nets: The trained nets.
        images: [N, 784] uint8, 0 or 1.
        seed: Of the samples.
    """
    x, pair = tf.cast(images, tf.float32), tf.constant([seed, 0], tf.int32)
    given, _ = nets.split(x)
    first = nets.logits(0, given)
    if nets.config.task == "sbn":
        half = nets.given
        rows = [images] + [
            np.concatenate(
                [images[:, :half], _mean(nets, first, part(pair, i))], axis=1
            )
            for i in range(_GUESSES)
        ]
        return {"completions": grid(np.stack(rows))}
    prior = tf.tile(
        tf.convert_to_tensor(nets.prior)[None],
        [len(images), *([1] * nets.kind.event_rank)],
    )
    samples = [_mean(nets, prior, part(pair, 100 + i)) for i in range(4)]
    return {
        "reconstructions": grid(np.stack([images, _mean(nets, first, pair)])),
        "samples": grid(np.stack(samples)),
    }


def grid(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Lays images out in rows.

    Args:
        images: [R, C, 784] in [0, 1], 1 is ink.
        gap: White pixels between two.

    Returns:
        [H, W] uint8.
    """
    rows, columns = images.shape[:2]
    cells = np.zeros((rows, columns, SIDE + gap, SIDE + gap))
    cells[:, :, :SIDE, :SIDE] = images.reshape(rows, columns, SIDE, SIDE)
    page = cells.transpose(0, 2, 1, 3).reshape(rows * (SIDE + gap), -1)[:-gap, :-gap]
    return np.round(255 * (1 - page)).astype(np.uint8)


def _mean(nets: Nets, logits: tf.Tensor, seed: tf.Tensor) -> np.ndarray:
    """The pixels' means given samples of the first layer's logits and of all layers after it."""
    kind, z = nets.kind, logits
    for layer in range(nets.depth):
        logits = nets.logits(layer, z) if layer else logits
        z = kind.sample(logits, kind.noise(tf.shape(logits), part(seed, layer)))
    return tf.sigmoid(nets.pixels(z)).numpy()

"""Auxiliary tasks: controlling how pixels change, and foretelling the sign of rewards."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from estimators import gae, masked_mean, shapes
from layers import leading

_CHANNELS = 32
_SHRINK = 3  # the map before the last upsampling is so many times smaller


class PixelControl(keras.layers.Layer):
    """Action values of the change of every cell of an image, one map per class of each factor of an action.

    Q_k(cell, a) = V(cell) + A_k(cell, a) - mean_a A_k(cell, a), by a dense layer, a transposed convolution 9x9 with stride 3,
    and one 4x4 for V and for each factor's A.

    Args:
        cells: G, cells a side.
        classes: K_k, of each factor.

    Call arguments:
        features: [..., F].

    Returns:
        For each factor [..., G, G, K_k] float32.

    References:
        Jaderberg et al. 2019 (arXiv 1807.01281), figure S10; Jaderberg et al. 2016 (arXiv 1611.05397), UNREAL.
    """

    # Open: the figure prints '7x7x32, deconv 9x9x32, deconv 4x4', neither strides nor padding.

    def __init__(self, cells: int, classes: Sequence[int]) -> None:
        super().__init__(dtype="float32", name="pixel_control")
        self.cells, self.classes = cells, tuple(classes)
        self.first = -(-cells // _SHRINK)
        self.dense = keras.layers.Dense(self.first**2 * _CHANNELS, "relu", name="dense")
        self.maps = [
            keras.layers.Conv2DTranspose(depth, 4, padding="same", name=f"map_{i}")
            for i, depth in enumerate((1, *self.classes))
        ]

    def build(self, input_shape: tuple) -> None:
        """Makes the weights."""
        self.dense.build(input_shape)
        # Keras's layer cannot be told the size of its result.
        self.kernel = self.add_weight(shape=(9, 9, _CHANNELS, _CHANNELS), name="kernel")
        self.bias = self.add_weight(
            shape=(_CHANNELS,), initializer="zeros", name="bias"
        )
        for each in self.maps:
            each.build((None, self.cells, self.cells, _CHANNELS))

    def call(self, features: tf.Tensor) -> list[tf.Tensor]:
        """See the class."""
        flat, restore = leading.merge(features, 1)
        x = tf.reshape(self.dense(flat), [-1, self.first, self.first, _CHANNELS])
        size = [tf.shape(x)[0], self.cells, self.cells, _CHANNELS]
        x = tf.nn.conv2d_transpose(x, self.kernel, size, _SHRINK, "SAME") + self.bias
        value, *advantages = (each(tf.nn.relu(x)) for each in self.maps)
        return [
            restore(value + each - tf.reduce_mean(each, -1, keepdims=True))
            for each in advantages
        ]


def pixel_change(images: tf.Tensor, crop: int, cell: int) -> tf.Tensor:
    """Returns the mean absolute change of the pixels in each cell of the centre of images.

    Args:
        images: [T + 1, B, H, W, C] in [0, 1].
        crop: Pixels a side of the centre, a multiple of `cell`.
        cell: Pixels a side of a cell.

    Returns:
        [T, B, crop / cell, crop / cell].

    Raises:
        ValueError: If the images are smaller than `crop`.

    References:
        Jaderberg et al. 2016 (arXiv 1611.05397), section 3.1.
    """
    height, width = images.shape[2:4]
    if min(height, width) < crop:
        raise ValueError(
            f"images have {height}x{width} pixels; pixel control of the central {crop} needs as many: "
            "set pixel_crop, or pixel_scale to 0"
        )
    top, left = (height - crop) // 2, (width - crop) // 2
    centre = images[:, :, top : top + crop, left : left + crop]
    change, restore = leading.merge(
        tf.reduce_mean(tf.abs(centre[1:] - centre[:-1]), -1, keepdims=True), 3
    )
    return restore(tf.nn.avg_pool2d(change, cell, cell, "VALID"))[..., 0]


def pixel_control_loss(
    q: Sequence[tf.Tensor],
    action: Sequence[tf.Tensor],
    change: tf.Tensor,
    discount: tf.Tensor,
    mask: tf.Tensor,
) -> tf.Tensor:
    """1/2 (R - Q_k(cell, a_k))^2, the mean over transitions, cells and factors.

    R_t = r_t + d_t R_{t+1} with the change r_t of the cell, and at the window's end max_a Q_k.

    Args:
        q: For each factor [T + 1, B, G, G, K_k].
        action: For each factor [T, B, K_k], one-hot.
        change: [T, B, G, G], r_t, on arriving in state t + 1.
        discount: [T, B], 0 where state t + 1 is terminal.
        mask: [T, B], 0 where state t + 1 is the first of an episode.

    Returns:
        A scalar.

    References:
        Jaderberg et al. 2016 (arXiv 1611.05397), section 3.1.
    """
    # Open: how the losses of the factors are combined; their mean.
    shapes.check(change=(change, "TBGG"), discount=(discount, "TB"), mask=(mask, "TB"))
    cells = change.shape[2] * change.shape[3]

    def per_cell(x: tf.Tensor) -> tf.Tensor:
        """[T, B] or [T, B, G, G] -> [T, B * cells]."""
        if x.shape.rank == 2:
            x = tf.repeat(x[..., None], cells, -1)
        return tf.reshape(x, [tf.shape(x)[0], -1])

    losses = []
    for values, chosen in zip(q, action, strict=True):
        best = per_cell(tf.stop_gradient(tf.reduce_max(values, -1)))
        # With lambda 1 advantage and value add up to R; where an episode was cut it goes on with its last state's value.
        target = best[:-1] + gae(
            per_cell(change),
            best[:-1],
            per_cell(discount),
            best[-1],
            1.0,
            per_cell(mask),
        )
        taken = tf.reduce_sum(values[:-1] * chosen[:, :, None, None], -1)
        error = tf.square(target - per_cell(taken))
        losses.append(0.5 * masked_mean(error, per_cell(mask)))
    return tf.add_n(losses) / len(losses)


FRAMES = 3  # that a prediction sees


class RewardPrediction(keras.layers.Layer):
    """Classes of the next reward, negative, zero or positive, from three encoded observations.

    Call arguments:
        features: [..., 3 E].

    Returns:
        [..., 3] float32, logits.

    References:
        Jaderberg et al. 2016 (arXiv 1611.05397), section 3.2.
    """

    def __init__(self, units: int = 128) -> None:
        super().__init__(dtype="float32", name="reward_prediction")
        self.hidden = keras.layers.Dense(units, "relu", name="hidden")
        self.logits = keras.layers.Dense(3, name="logits")

    def build(self, input_shape: tuple) -> None:
        """Makes the weights."""
        self.hidden.build(input_shape)
        self.logits.build((None, self.hidden.units))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.logits(self.hidden(features))


def three_frames(embed: tf.Tensor) -> tf.Tensor:
    """Returns three states side by side: [T + 1, B, E] -> [T - 2, B, 3 E], the last of each being state 2 .. T - 1."""
    return tf.concat([embed[:-3], embed[1:-2], embed[2:-1]], -1)


def reward_prediction_loss(
    logits: tf.Tensor, reward: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """Cross-entropy of the sign of the reward after three states; zeros and others weigh the same together.

    Args:
        logits: [T - 2, B, 3], of `three_frames`.
        reward: [T, B], r_t, on arriving in state t + 1.
        mask: [T, B], 0 where state t + 1 is the first of an episode.

    Returns:
        A scalar; 0 where no three states and the next are of one episode.

    References:
        Jaderberg et al. 2016 (arXiv 1611.05397), section 3.2.
    """
    # Differs: the paper draws half of its examples from those with a reward, out of a replay of earlier steps; here
    # those of the window itself are weighed so.
    together = mask[:-2] * mask[1:-1] * mask[2:]
    sign = tf.cast(tf.sign(reward[2:]), tf.int32) + 1
    error = -tf.reduce_sum(tf.one_hot(sign, 3) * tf.nn.log_softmax(logits), -1)
    zero = tf.cast(sign == 1, tf.float32)
    halves = [masked_mean(error, together * part) for part in (zero, 1 - zero)]
    return 0.5 * tf.add_n(halves)

"""Convolutions from pictures to grids of vectors and back; what happens to the vectors is the bottleneck's."""

import math
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from agents.vqvae.config import CodesConfig

# (level, [B, h, w, channels of the bottleneck]) -> [B, h, w, D]
Bottleneck = Callable[[int, tf.Tensor], tf.Tensor]


class Nets:
    """Encoder and decoder around one or two grids of codes.

    Down: convolutions of 4x4 with stride 2, the first half as wide, and one of 3x3; residual blocks x + W1 relu(W3
    relu(x)) of 3x3 and 1x1. Up: the same backwards, transposed. With two levels the top grid is made of the bottom one's
    map, halved again, and the bottom grid is made of its map and of what the top codes are decoded to; the decoder
    sees both.

    Args:
        config: The settings.
        shape: [H, W, C] of images.
        inputs: Channels that the bottleneck is given.
        parameters: Numbers that are predicted per pixel and channel.

    Attributes:
        grids: [h, w] of each level, the top one first.

    References:
        van den Oord et al. 2017 (arXiv 1711.00937), section 4.1; Razavi et al. 2019 (arXiv 1906.00446), algorithm 1.
    """

    def __init__(
        self, config: CodesConfig, shape: tuple[int, ...], inputs: int, parameters: int
    ):
        config.check_size(shape)
        self._config, self._shape = config, tuple(shape)
        self._out = (*shape, parameters)
        height, width = (side // config.downsample for side in shape[:2])
        two = config.levels == 2
        self.grids = ([(height // 2, width // 2)] if two else []) + [(height, width)]
        depth, size = config.channels, config.code_size
        doublings = int(math.log2(config.downsample))
        self._nets = {"down": self._down(doublings, shape[-1])}
        if two:
            self._nets["down_top"] = self._down(1, depth)
            self._nets["inputs_top"] = _conv(inputs, 1, depth)
            self._nets["up_top"] = self._up(1, size, depth)
            self._nets["widen_top"] = _transposed(depth, size)
        joint = 2 * depth if two else depth
        self._nets["inputs"] = _conv(inputs, 1, joint)
        outputs = shape[-1] * parameters
        self._nets["up"] = self._up(doublings, size + (depth if two else 0), outputs)

    def variables(self) -> Mapping[str, keras.Variable]:
        """Returns every variable by a stable name."""
        return {
            f"{name}/{i}": variable
            for name, net in self._nets.items()
            for i, variable in enumerate(net.variables)
        }

    def encode(self, x: tf.Tensor, bottleneck: Bottleneck) -> list[tf.Tensor]:
        """Returns the vectors [B, h, w, D] of each level, as the bottleneck made them.

        Args:
            x: [B, H, W, C], about in [-1/2, 1/2].
            bottleneck: Called once per level, the top one first.
        """
        bottom = self._nets["down"](x)
        if len(self.grids) == 1:
            return [bottleneck(0, self._nets["inputs"](bottom))]
        top = bottleneck(0, self._nets["inputs_top"](self._nets["down_top"](bottom)))
        joint = tf.concat([bottom, self._nets["up_top"](top)], -1)
        return [top, bottleneck(1, self._nets["inputs"](joint))]

    def decode(self, vectors: list[tf.Tensor]) -> tf.Tensor:
        """Returns the pixels' parameters [B, H, W, C, P] of the vectors of each level."""
        joint = vectors[-1]
        if len(vectors) == 2:
            joint = tf.concat([joint, self._nets["widen_top"](vectors[0])], -1)
        return tf.reshape(self._nets["up"](joint), [-1, *self._out])

    def _down(self, doublings: int, channels: int) -> keras.Sequential:
        depth = self._config.channels
        net = [keras.Input((None, None, channels))]
        for i in range(doublings):
            # Differs: the first of two or more is as wide as all in the first paper, and its 3x3 convolution is not there.
            narrow = i == 0 and doublings > 1
            width = depth // 2 if narrow else depth
            net.append(keras.layers.Conv2D(width, 4, 2, "same", activation="relu"))
        net.append(keras.layers.Conv2D(depth, 3, padding="same"))
        return keras.Sequential([*net, *self._blocks()])

    def _up(self, doublings: int, channels: int, outputs: int) -> keras.Sequential:
        depth = self._config.channels
        net = [keras.Input((None, None, channels))]
        net += [keras.layers.Conv2D(depth, 3, padding="same"), *self._blocks()]
        for i in range(doublings - 1):
            width = depth // 2 if i == doublings - 2 else depth
            net.append(
                keras.layers.Conv2DTranspose(width, 4, 2, "same", activation="relu")
            )
        net.append(keras.layers.Conv2DTranspose(outputs, 4, 2, "same"))
        return keras.Sequential(net)

    def _blocks(self) -> list[keras.layers.Layer]:
        count = self._config.blocks
        made = [_Block(self._config.residual_channels) for _ in range(count)]
        return [*made, keras.layers.ReLU()]


class _Block(keras.layers.Layer):
    """x + W1 relu(W3 relu(x)): convolutions of 3x3, with `inside` channels, and 1x1."""

    def __init__(self, inside: int):
        super().__init__()
        self._inside = inside

    def build(self, shape: tuple[int | None, ...]) -> None:
        self._first = keras.layers.Conv2D(self._inside, 3, padding="same")
        self._last = keras.layers.Conv2D(shape[-1], 1)
        self._first.build(shape)
        self._last.build((*shape[:-1], self._inside))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self._last(tf.nn.relu(self._first(tf.nn.relu(x))))


def _conv(channels: int, size: int, inputs: int) -> keras.layers.Layer:
    layer = keras.layers.Conv2D(channels, size, padding="same")
    layer.build((None, None, None, inputs))
    return layer


def _transposed(channels: int, inputs: int) -> keras.layers.Layer:
    layer = keras.layers.Conv2DTranspose(channels, 4, 2, "same")
    layer.build((None, None, None, inputs))
    return layer

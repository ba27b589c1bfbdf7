"""The networks: stochastic layers in a row, and the likelihood of the pixels at their end."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from agents.gumbel_softmax.config import GumbelSoftmaxConfig
from estimators import latents

PIXELS = 28 * 28
HALF = PIXELS // 2


class Nets:
    """Stochastic layers logits_l = a (W_l z_{l-1} + b_l), and pixels' logits of the last one.

    a, the slope, is 1 unless it is annealed; then it is a part of the net, in training and evaluation alike.

    sbn: 392 -> z_1 -> z_2 -> 392, no deterministic layer;  vae: 784 -> z_1 -> 784, with classes a layer of units before
    the pixels. Inputs are centred by the training images' mean, latents are 0 or 1, and the pixels' bias begins at
    the logit of that mean. Open: all three, of which the paper says nothing.

    Args:
        config: The settings.
        mean: [784], the mean of the training images.
        seed: Of the initial weights.
    """

    def __init__(self, config: GumbelSoftmaxConfig, mean: np.ndarray, seed: int):
        self.config = config
        self.kind = latents.get(config.latent)
        bits = config.latent == "bernoulli"
        count = config.latent_variables()
        self.event = [count] if bits else [count, config.classes]
        self.size = count if bits else count * config.classes
        self.depth = 2 if config.task == "sbn" else 1
        given, shown = (HALF, HALF) if config.task == "sbn" else (PIXELS, PIXELS)
        self.given = given
        self._mean = tf.constant(mean[:given], tf.float32)
        self._seed = seed
        self._layers = {
            f"layer{i}": self._dense(given if i == 0 else self.size, self.size)
            for i in range(self.depth)
        }
        last = self.size
        if config.task == "vae" and not bits:
            self._layers["hidden"] = self._dense(last, config.units, config.activation)
            last = config.units
        self._layers["pixels"] = self._dense(last, shown)
        clipped = np.clip(mean[-shown:], 0.01, 0.99)
        self._layers["pixels"].bias.assign(np.log(clipped) - np.log1p(-clipped))
        self.slope = tf.Variable(1.0, trainable=False, name="slope")
        self.prior = keras.Variable(
            np.zeros(self.event, np.float32),
            trainable=config.task == "vae" and config.prior == "learned",
            name="prior",
        )

    def variables(self) -> Mapping[str, keras.Variable]:
        """Returns every variable by a stable name."""
        found = {
            f"{name}/{kind}": variable
            for name, layer in self._layers.items()
            for kind, variable in (("kernel", layer.kernel), ("bias", layer.bias))
        }
        return found | ({"prior": self.prior} if self.config.task == "vae" else {})

    def trainable(self) -> list[keras.Variable]:
        """Returns what the loss trains."""
        return [each for each in self.variables().values() if each.trainable]

    def split(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what is given, centred, and what is predicted, of images [..., 784] in [0, 1]."""
        if self.config.task == "sbn":
            return images[..., :HALF] - self._mean, images[..., HALF:]
        return images - self._mean, images

    def logits(self, layer: int, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the logits [..., *event] of a stochastic layer, from the given pixels or the layer before."""
        flat = self.slope * self._layers[f"layer{layer}"](self.flat(layer, inputs))
        return tf.reshape(flat, tf.concat([tf.shape(flat)[:-1], self.event], 0))

    def pixels(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the pixels' logits [..., 392 or 784] of the last layer's latents."""
        flat = self.flat(self.depth, z)
        if "hidden" in self._layers:
            flat = self._layers["hidden"](flat)
        return self._layers["pixels"](flat)

    def surprise(self, z: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
        """Returns -log p(shown | z) [...] in nats; shown [..., 392 or 784] broadcasts against z."""
        logits = self.pixels(z)
        # -(x l - softplus(l)), in two passes over the largest tensor.
        return tf.reduce_sum(tf.math.softplus(logits) - shown * logits, -1)

    def kl(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns KL(q || prior) [...] of a layer's logits [..., *event], summed over latents."""
        kind, prior = self.kind, tf.convert_to_tensor(self.prior)
        value = kind.mean(logits) * (kind.log_mean(logits) - kind.log_mean(prior))
        if kind.name == "bernoulli":
            value += kind.mean(-logits) * (
                kind.log_mean(-logits) - kind.log_mean(-prior)
            )
        return kind.sum(value)

    def log_ratio(self, logits: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Returns log q(z) - log p(z) [...] of samples [..., *event]; of relaxed ones, what is linear in them."""
        prior = tf.convert_to_tensor(self.prior)
        return self.kind.log_prob(logits, z) - self.kind.log_prob(prior, z)

    def flat(self, layer: int, inputs: tf.Tensor) -> tf.Tensor:
        """Returns a layer's input as one vector: what is given is one already, latents of classes become one."""
        if layer == 0 or len(self.event) == 1:
            return inputs
        return tf.reshape(inputs, tf.concat([tf.shape(inputs)[:-2], [self.size]], 0))

    def _dense(
        self, inputs: int, units: int, activation: str | None = None
    ) -> keras.layers.Dense:
        self._seed += 1
        start = keras.initializers.GlorotUniform(seed=self._seed)
        layer = keras.layers.Dense(
            units, activation, kernel_initializer=start, autocast=False
        )
        layer.build([None, inputs])
        return layer

"""Sigmoid belief nets and variational autoencoders with discrete latents, trained by any estimator."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import estimators
from agents.gumbel_softmax import pictures
from agents.gumbel_softmax.config import GumbelSoftmaxConfig
from agents.gumbel_softmax.controls import Controls
from agents.gumbel_softmax.nets import PIXELS, Nets
from agents.model import Metrics, Model
from estimators import Estimate
from estimators.cost import part

_ANNEALED = "slope_annealed_straight_through"
CHUNK = 100  # images, and samples of each, evaluated at once


class Sampled(NamedTuple):
    """One layer's estimate in a pass through the nets."""

    layer: int
    estimate: Estimate


class GumbelSoftmaxModel(Model):
    """One cell of Table 1: a task, a kind of latent, an estimator.

    sbn: E -log p(lower half | z_2),  z_2 ~ p(z_2 | z_1),  z_1 ~ p(z_1 | upper half)
    vae: E -log p(x | z) + KL(q(z | x) || p(z)),  z ~ q(z | x)

    Layers are nested: the cost of z_1 holds the estimate of z_2, so that every estimator serves any depth.

    Args:
        config: The settings.
        mean: [784], the mean of the training images, in [0, 1].
        seed: Seeds weights and samples.

    References:
        Jang et al. 2017 (arXiv 1611.01144), sections 4.1 and 4.2.
    """

    config: GumbelSoftmaxConfig

    def __init__(self, config: GumbelSoftmaxConfig, mean: np.ndarray, seed: int = 0):
        super().__init__(config, seed)
        self.nets = Nets(config, mean, seed=1000 * seed)
        widths = [self.nets.given] + [self.nets.size] * (self.nets.depth - 1)
        self.controls = [
            Controls(config, self.nets.kind, self.nets.event, width, 1000 * seed + i)
            for i, width in enumerate(widths)
        ]
        self._sgd = keras.optimizers.SGD(config.learning_rate, config.momentum)
        self._sgd.build(self.nets.trainable())
        self._controlled = [v for c in self.controls for v in c.trainable()]
        self._adam = keras.optimizers.Adam(config.control_learning_rate)
        self._adam.build(self._controlled)
        self._temperature = config.temperature_schedule()
        self._slope = config.slope_schedule()

    def variables(self) -> Mapping[str, keras.Variable]:
        """Returns every variable of weights, controls and optimizers by a stable name."""
        found = {f"nets/{k}": v for k, v in self.nets.variables().items()}
        for i, controls in enumerate(self.controls):
            found |= {f"controls{i}/{k}": v for k, v in controls.variables().items()}
        for name, optimizer in (("sgd", self._sgd), ("adam", self._adam)):
            found |= {f"{name}/{i}": v for i, v in enumerate(optimizer.variables)}
        return found

    def updates_on(self, images: np.ndarray) -> Metrics:
        """Makes an update per batch of images [S, B, 784] uint8; returns the means of `loss` and its parts."""
        steps = range(self.updates, self.updates + len(images))
        values = self._train(
            tf.constant(images),
            tf.constant([[self.seed, step] for step in steps], tf.int32),
            tf.constant([self._temperature(step) for step in steps], tf.float32),
            tf.constant([self._slope_at(step) for step in steps], tf.float32),
        )
        self.updates += len(images)
        metrics = {name: float(value) for name, value in values.items()}
        if self.config.estimator in (
            "gumbel_softmax",
            "st_gumbel_softmax",
            "gumbel_rao",
        ):
            metrics["temperature"] = self._temperature(steps[-1])
        return metrics

    def evaluate(
        self,
        images: np.ndarray,
        samples: int,
        progress: Callable[[int], None] | None = None,
        seed: int = 0,
    ) -> Metrics:
        """Returns the mean negative log-likelihood of images [N, 784], by hard samples, in nats.

        `nll_1` = -E log w,  `nll` = -E log (1/m) sum_i w_i,  m = samples

        with w = p(lower | z) of the sbn, p(x | z) p(z) / q(z | x) of the vae, where nll_1 is the negative bound with
        the KL in closed form.

        Args:
            images: uint8, 0 or 1.
            samples: m; rounded up to whole chunks.
            progress: Called with the number of images done.
            seed: Of the samples.
        """
        self.nets.slope.assign(self._slope_at(self.updates))
        chunk = min(CHUNK, samples)
        rounds = -(-samples // chunk)
        totals = np.zeros(2)
        for start in range(0, len(images), CHUNK):
            some = tf.constant(images[start : start + CHUNK])
            pair = tf.constant([seed, start], tf.int32)
            bounds = self._bounds(some, pair, tf.constant(rounds), tf.constant(chunk))
            totals += np.asarray(bounds, np.float64).sum(1)
            if progress:
                progress(min(start + CHUNK, len(images)))
        one, many = totals / len(images)
        return {"nll_1": float(one), "nll": float(many)}

    def verdict(self, results: Mapping[str, Any]) -> str:
        """Returns both bounds."""
        return (
            f"{results['test_nll']:.2f} nats with m = {results['samples']:,}, "
            f"{results['test_nll_1']:.2f} with one sample"
        )

    def pictures(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns completed lower halves, or reconstructions and samples; see `pictures.draw`."""
        self.nets.slope.assign(self._slope_at(self.updates))
        return pictures.draw(self.nets, images, self.seed)

    def _slope_at(self, update: int) -> float:
        return self._slope(update) if self.config.estimator == _ANNEALED else 1.0

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, PIXELS], tf.uint8),
            tf.TensorSpec([None, 2], tf.int32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def _train(
        self,
        images: tf.Tensor,
        seeds: tf.Tensor,
        temperatures: tf.Tensor,
        slopes: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        total = tf.zeros([3])
        for i in tf.range(tf.shape(images)[0]):
            x = tf.cast(images[i], tf.float32)
            self.nets.slope.assign(slopes[i])
            total += self._update(x, seeds[i], temperatures[i])
        loss, cost, kl = tf.unstack(total / tf.cast(tf.shape(images)[0], tf.float32))
        found = {"loss": loss}
        return found | ({"surprise": cost, "kl": kl} if self.nets.depth == 1 else {})

    def _update(
        self, x: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        sampled: list[Sampled] = []
        with tf.GradientTape(persistent=bool(self._controlled)) as tape:
            given, shown = self.nets.split(x)
            surprise, kl = self._expected(0, given, shown, seed, temperature, sampled)
            loss = tf.reduce_mean(surprise + kl)
            control = [s.estimate.control_loss for s in sampled]
            wanted = [tf.reduce_mean(each) for each in control if each is not None]
            control_loss = tf.add_n(wanted) if wanted else tf.zeros([])
        weights = self.nets.trainable()
        self._sgd.apply(tape.gradient(loss, weights), weights)
        if self._controlled:
            gradients = tape.gradient(
                control_loss, self._controlled, unconnected_gradients="zero"
            )
            self._adam.apply(gradients, self._controlled)
        for one in sampled:
            self.controls[one.layer].update(one.estimate.signal)
        return tf.stack([loss, tf.reduce_mean(surprise), tf.reduce_mean(kl)])

    def _expected(
        self,
        layer: int,
        inputs: tf.Tensor,
        shown: tf.Tensor,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        sampled: list[Sampled],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The surrogate of the expected surprise from a layer on, and the KL in closed form, both [...]."""
        nets, controls = self.nets, self.controls[layer]
        logits = nets.logits(layer, inputs)
        in_sample = nets.depth == 1 and self.config.kl == "sampled"

        def cost(z: tf.Tensor) -> tf.Tensor:
            if layer + 1 < nets.depth:
                below = (layer + 1, z, shown, part(seed, 7), temperature, sampled)
                return self._expected(*below)[0]
            surprise = nets.surprise(z, shown)
            return surprise + nets.log_ratio(logits, z) if in_sample else surprise

        def mean_cost(z: tf.Tensor) -> tf.Tensor:
            for i in range(layer + 1, nets.depth):
                z = nets.kind.mean(nets.logits(i, z))
            return nets.surprise(z, shown)

        flat = nets.flat(layer, inputs)
        options = controls.options(flat, cost, mean_cost, temperature)
        name = self.config.estimator
        made = estimators.estimate(
            "straight_through" if name == _ANNEALED else name,  # the net has the slope
            logits,
            cost,
            seed,
            self.config.latent,
            **options,
        )
        sampled.append(Sampled(layer, made))
        analytic = nets.depth == 1 and not in_sample
        kl = nets.kl(controls.match(logits)) if analytic else tf.zeros_like(made.cost)
        return made.surrogate, kl

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, PIXELS], tf.uint8),
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def _bounds(
        self, images: tf.Tensor, seed: tf.Tensor, rounds: tf.Tensor, chunk: tf.Tensor
    ) -> tf.Tensor:
        """[2, N]: the bounds of one and of rounds x chunk samples, in nats."""
        nets = self.nets
        given, shown = nets.split(tf.cast(images, tf.float32))
        count = tf.shape(images)[0]
        first = nets.logits(0, given)
        total, most = tf.zeros([count]), tf.fill([count], -float("inf"))
        for i in tf.range(rounds):
            z = self._draw(first, part(tf.stack([seed[0], seed[1] + i]), 3), chunk)
            log_w = -nets.surprise(z, shown)
            total += tf.reduce_sum(log_w, 0)
            if nets.depth == 1:
                log_w -= nets.log_ratio(first, z)
            most = _log_add_exp(most, tf.reduce_logsumexp(log_w, 0))
        samples = tf.cast(rounds * chunk, tf.float32)
        one = -total / samples
        if nets.depth == 1:
            one += nets.kl(first)
        return tf.stack([one, tf.math.log(samples) - most])

    def _draw(
        self, logits: tf.Tensor, seed: tf.Tensor, samples: tf.Tensor
    ) -> tf.Tensor:
        """Hard samples [S, N, *event] of the last layer, through all of them."""
        nets, kind = self.nets, self.nets.kind
        z = tf.repeat(logits[None], samples, 0)
        for layer in range(nets.depth):
            logits = nets.logits(layer, z) if layer else z
            z = kind.sample(logits, kind.noise(tf.shape(logits), part(seed, layer)))
        return z


def _log_add_exp(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return b + tf.math.softplus(a - b)

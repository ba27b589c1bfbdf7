"""Models whose latents are grids of codes: nets, a bottleneck, then a prior; and the VQ-VAE, one of them."""

import abc
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from agents import schedule
from agents.model import Metrics, Model
from agents.vqvae import likelihood, pictures
from agents.vqvae.config import CodesConfig, VQVAEConfig
from agents.vqvae.nets import Nets
from agents.vqvae.prior import Prior
from estimators.cost import part
from layers import VectorQuantizer, vector_quantizer

CHUNK = 100  # images evaluated at once
_PIXELS = 10_000_000  # of one call of the compiled loops


class Coded(NamedTuple):
    """What a bottleneck makes of the encoder's outputs in training.

    Attributes:
        vectors: [B, h, w, D], what the decoder sees.
        codes: [B, h, w] int32, the hard codes.
        loss: Scalar, added to the nats per dimension.
        measure: Scalar, the model's `measure`.
    """

    vectors: tf.Tensor
    codes: tf.Tensor
    loss: tf.Tensor
    measure: tf.Tensor


class CodesModel(Model):
    """Two stages: nets and codebook by the pixels' likelihood, then a prior of the codes that they have come to use.

    loss = -log p(x | z) / D + what the bottleneck adds,  D = H W C;  afterwards -log p(c) / n of the codes c = c(x)

    and as the encoder's best codes are a function c(x), what is reported bounds the likelihood of pixels from above:

    -log p(x) = -log sum_c p(c) p(x | c) <= -log p(c(x)) - log p(x | c(x)).

    Until the prior is trained, the codes are counted as uniform, log K each. A bottleneck has `codes` hard in evaluation.

    Args:
        config: The settings.
        mean: [H, W, C], the mean of the training images; shades are told by how they differ from it.
        seed: Seeds weights and noise.
        levels: Values of a pixel: 2 for bits, 256 for shades.

    Attributes:
        measure: The name of the metric that a bottleneck adds.
        dimensions: D.
    """

    config: CodesConfig
    measure: str

    def __init__(
        self, config: CodesConfig, mean: np.ndarray, seed: int = 0, levels: int = 256
    ):
        super().__init__(config, seed)
        keras.utils.set_random_seed(seed)
        self.likelihood = likelihood.of_levels(levels, mean)
        self._shape = mean.shape
        self.dimensions = math.prod(mean.shape)
        self.nets = Nets(
            config, mean.shape, self.encoder_outputs(), self.likelihood.parameters
        )
        self.codebooks = [self.make_codebook(i) for i in range(config.levels)]
        self.prior = Prior(
            self.nets.grids,
            config.codes,
            config.prior_width,
            config.prior_layers,
            config.prior_heads,
        )
        self._weights = [
            *self.nets.variables().values(),
            *(v for each in self.codebooks for v in each.trainable_variables),
        ]
        self._prior_weights = list(self.prior.variables().values())
        self._adam, self._prior_adam = (keras.optimizers.Adam() for _ in range(2))
        self._adam.build(self._weights)
        self._prior_adam.build(self._prior_weights)
        self._rate = schedule.parse(config.learning_rate)
        self._prior_rate = schedule.parse(config.prior_learning_rate)
        self.at_once = max(1, min(50, _PIXELS // (config.batch_size * self.dimensions)))
        self.counts = np.zeros((config.levels, config.codes))
        self._compile()

    # What differs between models.

    @abc.abstractmethod
    def encoder_outputs(self) -> int:
        """Returns the channels that the bottleneck is given."""

    @abc.abstractmethod
    def make_codebook(self, level: int) -> keras.layers.Layer:
        """Returns the layer that holds a level's codes."""

    @abc.abstractmethod
    def code(
        self, level: int, outputs: tf.Tensor, seed: tf.Tensor, knobs: tf.Tensor
    ) -> Coded:
        """Passes the encoder's outputs [B, h, w, channels] through the bottleneck, in training."""

    @abc.abstractmethod
    def choose(self, level: int, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the codes [B, h, w] int32 of the encoder's outputs."""

    @abc.abstractmethod
    def embed(self, level: int, codes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of codes [...]."""

    def learn(self, level: int, outputs: tf.Tensor, codes: tf.Tensor) -> None:
        """Changes the codebook by other means than gradients, after an update."""

    def knobs(self, update: int) -> dict[str, float]:
        """Returns what schedules have at an update, by name; all are logged."""
        return {}

    # What all have in common.

    def variables(self) -> Mapping[str, Any]:
        """Returns every variable of nets, codebooks, prior and optimizers by a stable name."""
        found = {f"nets/{k}": v for k, v in self.nets.variables().items()}
        for level, codebook in enumerate(self.codebooks):
            found |= {f"codebook{level}/{v.name}": v for v in codebook.variables}
        found |= {f"prior/{k}": v for k, v in self.prior.variables().items()}
        for name, adam in (("adam", self._adam), ("prior_adam", self._prior_adam)):
            found |= {f"{name}/{i}": v for i, v in enumerate(adam.variables)}
        return found

    def updates_on(self, images: np.ndarray) -> Metrics:
        """Makes an update per batch of images [S, B, H, W, C] uint8; returns means, of each stage its own."""
        first = max(0, min(len(images), self.config.code_updates - self.updates))
        metrics: dict[str, float] = {}
        for part_of, train in (
            (images[:first], self._first_stage),
            (images[first:], self._second_stage),
        ):
            if len(part_of):
                metrics |= {k: float(v) for k, v in train(part_of).items()}
                self.updates += len(part_of)
        return metrics

    def evaluate(
        self,
        images: np.ndarray,
        samples: int = 1,
        progress: Callable[[int], None] | None = None,
        seed: int = 0,
    ) -> Metrics:
        """Returns what images [N, H, W, C] uint8 cost in bits, by hard codes; see the README for the keys."""
        trained = self.updates > self.config.code_updates
        self.counts = np.zeros_like(self.counts)
        totals = np.zeros(3)
        for start in range(0, len(images), CHUNK):
            batch = tf.constant(images[start : start + CHUNK])
            nats, errors, codes = self._reconstruct(batch)
            of_codes = (
                self._code_nats(codes)
                if trained
                else tf.fill([len(batch)], self.prior.length * math.log(self.config.codes))
            )  # fmt: skip
            totals += [np.sum(each, dtype=np.float64) for each in (nats, of_codes, errors)]  # fmt: skip
            self._count(codes.numpy())
            if progress:
                progress(min(start + CHUNK, len(images)))
        nats, of_codes, error = totals / len(images)
        bits = math.log(2)
        return {
            "bits_per_dim": (nats + of_codes) / bits / self.dimensions,
            "nll": nats + of_codes,
            "pixel_bits": nats / bits,
            "code_bits": of_codes / bits,
            "mse": error / self.dimensions,
            "perplexity": float(np.mean([perplexity(each) for each in self.counts])),
            "used": float((self.counts > 0).mean()),
        }

    def verdict(self, results: Mapping[str, Any]) -> str:
        """Returns the bound, its parts, and how well the codebook is used."""
        return (
            f"{results['test_bits_per_dim']:.4f} bits per dimension: pixels {results['test_pixel_bits']:.1f} + codes "
            f"{results['test_code_bits']:.1f} bits per image; mean squared error {results['test_mse']:.5f}, "
            f"perplexity {results['test_perplexity']:.1f} of {self.config.codes}"
        )

    def pictures(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns reconstructions with their codes, samples, and the use of the codebook; see `pictures`."""
        codes = self._reconstruct(tf.constant(images))[2]
        drawn = self.sample(2 * len(images))
        highest = self.likelihood.levels - 1
        return {
            "reconstructions": pictures.reconstructions(
                images / highest, self.decode(codes), self.split(codes)
            ),
            "samples": pictures.rows(drawn, 2),
            "codebook": pictures.usage(self.counts),
        }

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """Returns the images [count, H, W, C] in [0, 1] that codes stand for which the prior draws."""
        codes = self._draw(tf.constant(count), tf.constant([self.seed, seed], tf.int32))
        return self.decode(codes)

    def decode(self, codes: tf.Tensor) -> np.ndarray:
        """Returns the images [B, H, W, C] in [0, 1] that codes [B, n] stand for: the likelihood's `mean`."""
        return self._decode(codes).numpy()

    def split(self, codes: tf.Tensor) -> list[np.ndarray]:
        """Returns codes [B, n] as grids [B, h, w], the top one first."""
        return [each.numpy() for each in self._grids(codes)]

    def _first_stage(self, images: np.ndarray) -> Mapping[str, tf.Tensor]:
        steps = range(self.updates, self.updates + len(images))
        knobs = [list(self.knobs(step).values()) for step in steps]
        found = self._train(
            tf.constant(images),
            tf.constant([[self.seed, step] for step in steps], tf.int32),
            tf.constant([self._rate(step) for step in steps], tf.float32),
            tf.constant(np.reshape(knobs, (len(steps), -1)), tf.float32),
        )
        return dict(found) | self.knobs(steps[-1])

    def _second_stage(self, images: np.ndarray) -> Mapping[str, tf.Tensor]:
        done = self.updates - self.config.code_updates
        rates = [self._prior_rate(done + i) for i in range(len(images))]
        return self._train_prior(tf.constant(images), tf.constant(rates, tf.float32))

    def _compile(self) -> None:
        image = tf.TensorSpec([None, *self._shape], tf.uint8)
        images = tf.TensorSpec([None, None, *self._shape], tf.uint8)
        pairs, rates = tf.TensorSpec([None, 2], tf.int32), tf.TensorSpec([None])
        knobs = tf.TensorSpec([None, len(self.knobs(0))])
        codes = tf.TensorSpec([None, self.prior.length], tf.int32)
        counts, pair = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)

        def compiled(function: Callable, *signature: tf.TensorSpec) -> Callable:
            return tf.function(function, input_signature=signature, autograph=False)

        self._train = compiled(self._make_updates, images, pairs, rates, knobs)
        self._train_prior = compiled(self._make_prior_updates, images, rates)
        self._reconstruct = compiled(self._reconstructed, image)
        self._code_nats = compiled(
            lambda codes: tf.reduce_sum(self.prior.surprise(codes), 1), codes
        )
        self._draw = compiled(self.prior.sample, counts, pair)
        self._decode = compiled(
            lambda codes: self.likelihood.mean(self._parameters(codes)), codes
        )

    def _make_updates(
        self, images: tf.Tensor, seeds: tf.Tensor, rates: tf.Tensor, knobs: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        names = ("loss", "pixel_bits", self.measure, "perplexity", "grad_norm")
        means = _mean(
            lambda i: self._update(images[i], seeds[i], rates[i], knobs[i]),
            tf.shape(images)[0],
            len(names),
        )
        return dict(zip(names, tf.unstack(means), strict=True))

    def _update(
        self, images: tf.Tensor, seed: tf.Tensor, rate: tf.Tensor, knobs: tf.Tensor
    ) -> tf.Tensor:
        """One update; returns loss, bits of pixels, the bottleneck's measure, perplexity and the gradients' norm."""
        pixels = tf.cast(images, tf.float32)
        seen: list[tuple[tf.Tensor, Coded]] = []

        def bottleneck(level: int, outputs: tf.Tensor) -> tf.Tensor:
            seen.append((outputs, self.code(level, outputs, part(seed, level), knobs)))
            return seen[-1][1].vectors

        with tf.GradientTape() as tape:
            vectors = self.nets.encode(self._centred(pixels), bottleneck)
            nats = self.likelihood.surprise(self.nets.decode(vectors), pixels)
            surprise = tf.reduce_mean(nats)
            loss = surprise / self.dimensions
            loss += tf.add_n([coded.loss for _, coded in seen])
        gradients, norm = tf.clip_by_global_norm(
            tape.gradient(loss, self._weights), self.config.clip
        )
        self._adam.learning_rate.assign(rate)
        self._adam.apply(gradients, self._weights)
        for level, (outputs, coded) in enumerate(seen):
            self.learn(level, outputs, coded.codes)
        count = self.config.codes
        measures = [coded.measure for _, coded in seen]
        spread = [vector_quantizer.perplexity(coded.codes, count) for _, coded in seen]
        means = [tf.add_n(values) / len(seen) for values in (measures, spread)]
        return tf.stack([loss, surprise / math.log(2), *means, norm])

    def _make_prior_updates(
        self, images: tf.Tensor, rates: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        (loss,) = tf.unstack(
            _mean(
                lambda i: self._prior_update(images[i], rates[i]),
                tf.shape(images)[0],
                1,
            )
        )
        return {"loss": loss, "prior_bits": loss / math.log(2)}

    def _prior_update(self, images: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        some = images[: self.config.prior_batch_size or None]
        codes = self._codes(self._centred(tf.cast(some, tf.float32)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.prior.surprise(codes))
        self._prior_adam.learning_rate.assign(rate)
        weights = self._prior_weights
        self._prior_adam.apply(tape.gradient(loss, weights), weights)
        return loss[None]

    def _centred(self, pixels: tf.Tensor) -> tf.Tensor:
        return pixels / (self.likelihood.levels - 1) - 0.5

    def _codes(self, x: tf.Tensor) -> tf.Tensor:
        """[B, n]: the codes of every level in a row, the top one's first."""
        chosen: list[tf.Tensor] = []

        def bottleneck(level: int, outputs: tf.Tensor) -> tf.Tensor:
            chosen.append(self.choose(level, outputs))
            return self.embed(level, chosen[-1])

        self.nets.encode(x, bottleneck)
        flat = [tf.reshape(each, [-1, math.prod(grid)]) for each, grid in zip(chosen, self.nets.grids, strict=True)]  # fmt: skip
        return tf.concat(flat, 1)

    def _grids(self, codes: tf.Tensor) -> list[tf.Tensor]:
        sizes = [math.prod(grid) for grid in self.nets.grids]
        return [
            tf.reshape(each, [-1, *grid])
            for each, grid in zip(
                tf.split(codes, sizes, 1), self.nets.grids, strict=True
            )
        ]

    def _parameters(self, codes: tf.Tensor) -> tf.Tensor:
        vectors = [self.embed(i, each) for i, each in enumerate(self._grids(codes))]
        return self.nets.decode(vectors)

    def _reconstructed(
        self, images: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """[N] nats of the pixels given the codes, [N] squared errors, and the codes [N, n]."""
        pixels = tf.cast(images, tf.float32)
        codes = self._codes(self._centred(pixels))
        parameters = self._parameters(codes)
        apart = pixels / (self.likelihood.levels - 1) - self.likelihood.mean(parameters)
        error = tf.reduce_sum(tf.square(apart), [1, 2, 3])
        return self.likelihood.surprise(parameters, pixels), error, codes

    def _count(self, codes: np.ndarray) -> None:
        for level, grid in enumerate(self.split(tf.constant(codes))):
            self.counts[level] += np.bincount(grid.ravel(), minlength=self.config.codes)


def _mean(step: Callable, count: tf.Tensor, size: int) -> tf.Tensor:
    """The mean of step(0) ... step(count - 1), [size] each, one after another."""
    total = tf.while_loop(
        lambda i, _: i < count,
        lambda i, total: (i + 1, total + step(i)),
        (tf.constant(0), tf.zeros([size])),
        parallel_iterations=1,
    )[1]
    return total / tf.cast(count, tf.float32)


def perplexity(counts: np.ndarray) -> float:
    """Returns exp(-sum_k p_k log p_k) of the shares p of counts [K]."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


class VQVAE(CodesModel):
    """The bottleneck takes the nearest code: the loss adds commitment, and the codebook's where gradients train it.

    References:
        van den Oord et al. 2017 (arXiv 1711.00937); Razavi et al. 2019 (arXiv 1906.00446).
    """

    config: VQVAEConfig
    codebooks: list[VectorQuantizer]
    measure = "commitment_loss"

    def encoder_outputs(self) -> int:
        """Returns D."""
        return self.config.code_size

    def make_codebook(self, level: int) -> VectorQuantizer:
        """Returns the quantiser of a level."""
        config = self.config
        layer = VectorQuantizer(
            config.codes,
            config.commitment,
            config.decay,
            config.restart,
            seed=1000 * self.seed + level,
        )
        layer.build((None, config.code_size))
        return layer

    def code(
        self, level: int, outputs: tf.Tensor, seed: tf.Tensor, knobs: tf.Tensor
    ) -> Coded:
        """Quantises, straight through."""
        quantizer = self.codebooks[level]
        found = quantizer.nearest(outputs)
        loss = quantizer.loss_of(found)
        return Coded(found.vectors, found.indices, loss, found.commitment_loss)

    def choose(self, level: int, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the nearest codes."""
        return self.codebooks[level].nearest(outputs).indices

    def embed(self, level: int, codes: tf.Tensor) -> tf.Tensor:
        """Returns entries of the codebook."""
        return self.codebooks[level].embed(codes)

    def learn(self, level: int, outputs: tf.Tensor, codes: tf.Tensor) -> None:
        """Moves averages and dead codes."""
        self.codebooks[level].follow(outputs, codes)

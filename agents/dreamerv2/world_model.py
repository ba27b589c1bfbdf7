"""The world model: what it infers, what it predicts, and its loss."""

from collections.abc import Mapping
from typing import NamedTuple

import gymnasium
import keras
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.dreamerv2 import nets
from agents.dreamerv2.config import DreamerV2Config
from estimators import kl
from layers.rssm_cell import RSSMState

# Losses of our own: an observation of such a name is reported as observation_<name>.
_LOSSES = ("reward", "discount", "kl", "model", "actor", "critic")


class Sequence(NamedTuple):
    """A batch of rows as the world model reads it, [T, B, ...].

    Attributes:
        observation: Key -> float32, preprocessed.
        action: [T, B, A] float32, the action that led to each row; one-hot if discrete.
        reward: [T, B], transformed.
        discount: [T, B], 0 where the row is terminal, else 1.
        is_first: [T, B] bool.
    """

    observation: dict[str, tf.Tensor]
    action: tf.Tensor
    reward: tf.Tensor
    discount: tf.Tensor
    is_first: tf.Tensor


class WorldModel:
    """Encoder, RSSM, and heads for observation, reward and discount.

    The loss, per sequence step and averaged over T and B, with x observations, r rewards, and y = gamma times
    the row's discount as a soft target:

        L = -log p(x | z, h) - reward_scale log p(r | z, h) - discount_scale log p(y | z, h)
            + kl_scale KL(q(z | h, x) || p(z | h)), balanced.

    Args:
        spaces: The spaces of one row.
        config: The settings.
        dtype: Keras dtype policy of the nets.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), section 2.1, equations 1 and 2, algorithm 2.
    """

    def __init__(self, spaces: Spaces, config: DreamerV2Config, dtype: str) -> None:
        self.config = config
        boxes = spaces.observation
        self.encoder = nets.ObservationEncoder(boxes, config, dtype)
        self.cell = layers.RSSMCell(
            action_size=action_size(spaces.action),
            embed_size=self._embed_size(boxes),
            deter=config.deter,
            hidden=config.hidden,
            stoch=config.stoch,
            classes=config.classes,
            norm=config.norm,
            gru_norm=config.gru_norm,
            dtype=dtype,
        )
        self.cell.build()
        self.decoder = nets.ObservationDecoder(boxes, config, dtype)
        self.reward = nets.Predictor(
            layers.UnitNormalHead(dtype=dtype), config, dtype, "reward"
        )
        self.modules = {
            "encoder": self.encoder,
            "rssm": self.cell,
            "decoder": self.decoder,
            "reward": self.reward,
        }
        if config.predict_discount:
            self.discount = nets.Predictor(
                layers.BernoulliHead(dtype=dtype), config, dtype, "discount"
            )
            self.modules["discount"] = self.discount

    @property
    def variables(self) -> list[keras.Variable]:
        """All trainable variables, in a fixed order."""
        return [
            variable
            for module in self.modules.values()
            for variable in module.trainable_variables
        ]

    def infer(
        self, sequence: Sequence, noise: tf.Tensor
    ) -> tuple[RSSMState, tf.Tensor]:
        """Filters a sequence from the zero state.

        Args:
            sequence: [T, B, ...].
            noise: [T, B, *noise_shape] float32, the samples' noise.

        Returns:
            The posterior states and the parameters of the prior at each of them, [T, B, ...].
        """
        cell = self.cell
        embedded = cell.embed_inputs(self.encoder(sequence.observation))
        moved = cell.action_inputs(sequence.action)
        # Differs: the reference computes the prior, and a sample of it that no loss reads, within the recurrence;
        # the prior needs only the states, so it is computed after it, for all steps at once.
        posterior = tf.scan(
            lambda state, now: cell.posterior_step(state, *now),
            (moved, embedded, sequence.is_first, noise),
            cell.initial_state(tf.shape(sequence.reward)[1]),
        )
        return posterior, cell.prior(posterior.deter)

    def loss(
        self, sequence: Sequence, noise: tf.Tensor
    ) -> tuple[tf.Tensor, RSSMState, dict[str, tf.Tensor]]:
        """Returns the scalar loss, the posterior states [T, B, ...] and metrics."""
        posterior, prior = self.infer(sequence, noise)
        config, cell = self.config, self.cell
        features = cell.features(posterior)
        kl_loss, kl_value = kl.kl_balance(
            posterior.params,
            prior,
            balance=config.kl_balance,
            free=config.kl_free,
            divergence=kl.categorical_kl if config.classes else kl.gaussian_kl,
        )
        entropy = kl.categorical_entropy if config.classes else kl.gaussian_entropy
        likelihoods = self._negative_log_likelihoods(features, sequence)
        scales = {"reward": config.reward_scale, "discount": config.discount_scale}
        loss = config.kl_scale * kl_loss
        for key, value in likelihoods.items():
            loss += scales.get(key, 1.0) * value
        metrics = {f"{key}_loss": value for key, value in likelihoods.items()}
        metrics |= {
            "kl_loss": kl_loss,
            "model_kl": kl_value,
            "prior_ent": tf.reduce_mean(entropy(prior)),
            "post_ent": tf.reduce_mean(entropy(posterior.params)),
            "model_loss": loss,
        }
        return loss, posterior, metrics

    def predicted_discount(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the discount of states [...]; gamma everywhere if it is not predicted."""
        if self.config.predict_discount:
            return tf.sigmoid(self.discount(features))
        return tf.fill(tf.shape(features)[:-1], self.config.discount)

    def imagined_observations(
        self, state: RSSMState, action: tf.Tensor, noise: tf.Tensor
    ) -> tuple[RSSMState, dict[str, tf.Tensor]]:
        """Dreams without looking: the prior's states under given actions, decoded.

        Args:
            state: [B, ...].
            action: [T, B, A].
            noise: [T, B, *noise_shape].
        """
        dream = tf.scan(
            lambda before, now: self.cell.prior_step(before, *now),
            (self.cell.action_inputs(action), noise),
            state,
        )
        return dream, self.decoder(self.cell.features(dream))

    def noise(self, leading: tuple[int | tf.Tensor, ...], seed: tf.Tensor) -> tf.Tensor:
        """Returns noise for samples of the latent state, [*leading, S, C] or [*leading, S] float32."""
        return self.cell.noise(leading, seed)

    def _embed_size(self, boxes: Mapping[str, gymnasium.spaces.Box]) -> int:
        zeros = {key: tf.zeros((1, *box.shape)) for key, box in boxes.items()}
        return int(self.encoder(zeros).shape[-1])

    def _negative_log_likelihoods(
        self, features: tf.Tensor, sequence: Sequence
    ) -> Mapping[str, tf.Tensor]:
        config = self.config
        shaping = features if config.image_gradients else tf.stop_gradient(features)
        result = {
            f"observation_{key}" if key in _LOSSES else key: tf.reduce_mean(
                nets.normal_nll(sequence.observation[key], mean, mean.shape.rank - 2)
            )
            for key, mean in self.decoder(shaping).items()
        }
        shaping = features if config.reward_gradients else tf.stop_gradient(features)
        result["reward"] = tf.reduce_mean(
            nets.normal_nll(sequence.reward, self.reward(shaping), 0)
        )
        if config.predict_discount:
            logits = self.discount(features)
            target = config.discount * sequence.discount
            result["discount"] = -tf.reduce_mean(
                self.discount.head.log_prob(logits, target)
            )
        return result


def action_size(space: gymnasium.Space) -> int:
    """Returns the length of an encoded action: classes, or the Box's size."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(space.n)
    assert space.shape is not None
    return space.shape[0]

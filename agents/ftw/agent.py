"""FTW, 'For The Win': two timescales, internal rewards and auxiliary tasks on IMPALA's learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium
import keras
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.ftw import auxiliary
from agents.ftw.config import FTWConfig
from agents.ftw.core import HierarchyCore
from agents.impala.agent import IMPALA, LARGE_SIDE, Unrolled
from agents.impala.core import Core, LSTMCore
from agents.observation_net import SmallImageEncoder, preprocess
from agents.rollout import Transitions
from estimators import gaussian_kl

if TYPE_CHECKING:
    from agents.ftw.population import Population

PRIOR_STD = 0.1  # of the normal distribution that the slow network's is drawn to
_FIRST_FRAMES = 4  # a window needs so many rows for reward prediction


class FTW(IMPALA):
    """One member of a population: an agent that learns from internal rewards which its population evolves.

    The loss is IMPALA's, with r = reward_scale sum_i w_i event_i as reward, plus

        kl_scale KL(Q || P) + prior_scale [tick] KL(P || N(0, 0.1^2)) + pixel_scale pixel control + prediction_scale reward prediction

    Args:
        spaces: The spaces of one row: images and vectors, Discrete or MultiDiscrete actions, and `events` in info unless
            the environment's own reward is learned from.
        config: The settings.
        seed: Seeds weights and noise.
        folder: Not used; windows lie in memory.

    Attributes:
        hyper: What a population changes, by name: tf.Variables, saved with the weights. The period and the factor of the slow
            network's gradient are those of the core's layer.

    Raises:
        ValueError: On spaces it cannot use.

    References:
        Jaderberg et al. 2019 (arXiv 1807.01281).
    """

    config: FTWConfig
    launchers = ("match",)

    def __init__(
        self,
        spaces: Spaces,
        config: FTWConfig,
        seed: int = 0,
        folder: Any = None,
    ) -> None:
        if isinstance(spaces.action, gymnasium.spaces.Box):
            raise ValueError(
                f"FTW takes Discrete or MultiDiscrete actions, not {spaces.action}"
            )
        if config.rewards == "events":
            _check_events(spaces, config)
        self._image = _image_of(spaces) if config.pixel_scale else None
        self.hyper = _hyper(config)
        super().__init__(spaces, config, seed, folder)
        if config.hierarchy:
            layer = self.core.layer
            self.hyper |= {
                "period": layer.period.value,
                "slow_gradient": layer.slow_gradient.value,
            }

    def _make_core(self) -> Core:
        if self.config.hierarchy:
            return HierarchyCore(self.config)
        return LSTMCore(self.config.lstm_units)

    def _image_net(self, box: gymnasium.spaces.Box, dtype: str) -> keras.layers.Layer:
        config = self.config
        if min(box.shape[:2]) >= LARGE_SIDE:
            return layers.FTWEncoder(
                config.image_depth, config.image_units, dtype=dtype
            )
        return SmallImageEncoder(config.image_depth, config.image_units, dtype, "relu")

    def _make_nets(self, dtype: str) -> None:
        super()._make_nets(dtype)
        config = self.config
        self.auxiliary: dict[str, keras.layers.Layer] = {}
        if config.pixel_scale:
            cells = config.pixel_crop // config.pixel_cell
            classes = self.choice.head.classes
            self.auxiliary["pixel_control"] = auxiliary.PixelControl(cells, classes)
        if config.prediction_scale and self.window >= _FIRST_FRAMES:
            self.auxiliary["reward_prediction"] = auxiliary.RewardPrediction()

    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns the nets by name."""
        return {**super().modules(), **self.auxiliary}

    def variables(self) -> Mapping[str, Any]:
        """Returns weights, optimizer states, counters and what a population changes, by name."""
        own = {f"hyper/{name}": value for name, value in self.hyper.items()}
        in_core = {"hyper/period", "hyper/slow_gradient"}
        found = {name: value for name, value in own.items() if name not in in_core}
        return {**super().variables(), **found}

    def set_hyper(self, values: Mapping[str, Any]) -> None:
        """Sets what a population changes, by name."""
        for name, value in values.items():
            variable = self.hyper[name]
            variable.assign(tf.cast(value, variable.dtype))

    def scheduled(self) -> Mapping[str, float]:
        """Returns the weight of the entropy and the learning rate as they are now."""
        return {name: float(self.hyper[name].numpy()) for name in self.schedules}

    def _reward(self, taken: Transitions, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        if self.config.rewards == "env":
            return super()._reward(taken, batch)
        reward = tf.linalg.matvec(batch["info/events"][1:], self.hyper["rewards"])
        return self.config.reward_scale * reward

    def _more_losses(
        self, batch: dict[str, tf.Tensor], unrolled: Unrolled
    ) -> dict[str, tf.Tensor]:
        hyper, taken, found = self.hyper, unrolled.taken, {}
        if self.config.hierarchy:
            posterior, prior, tick = (
                part[:-1]
                for part in (
                    unrolled.outputs.posterior,
                    unrolled.outputs.prior,
                    unrolled.outputs.tick,
                )
            )
            found["kl"] = hyper["kl_scale"] * tf.reduce_mean(
                gaussian_kl(posterior, prior)
            )
            mean = tf.zeros([self.config.latent])
            standard = tf.concat([mean, mean + PRIOR_STD], 0)
            distance = gaussian_kl(prior, tf.broadcast_to(standard, tf.shape(prior)))
            ticks = tf.cast(tick, tf.float32) * distance
            found["prior_kl"] = hyper["prior_scale"] * tf.reduce_mean(ticks)
        if "pixel_control" in self.auxiliary:
            found["pixel_loss"] = hyper["pixel_scale"] * self._pixel_loss(
                batch, unrolled
            )
        if "reward_prediction" in self.auxiliary:
            logits = self.auxiliary["reward_prediction"](
                auxiliary.three_frames(unrolled.embed)
            )
            found["prediction_loss"] = hyper[
                "prediction_scale"
            ] * auxiliary.reward_prediction_loss(logits, unrolled.reward, taken.mask)
        return found

    def _pixel_loss(self, batch: dict[str, tf.Tensor], unrolled: Unrolled) -> tf.Tensor:
        config, taken = self.config, unrolled.taken
        features = self.core.features(unrolled.outputs)
        images = preprocess(batch[f"observation/{self._image}"])
        head = self.choice.head
        return auxiliary.pixel_control_loss(
            self.auxiliary["pixel_control"](features),
            head.split(self.choice.encode(taken.action)),
            auxiliary.pixel_change(images, config.pixel_crop, config.pixel_cell),
            config.pixel_discount * taken.discount,
            taken.mask,
        )

    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        found = super().batch_signature()
        if self.config.rewards == "events":
            events = self.spaces.info["events"].shape[0]
            found["info/events"] = tf.TensorSpec((self.window, None, events))
        return found


def make(
    spaces: Spaces, config: FTWConfig, seed: int = 0, folder: Any = None
) -> FTW | Population:
    """Returns one agent, or a population of them."""
    if config.population == 1:
        return FTW(spaces, config, seed, folder)
    from agents.ftw.population import Population

    return Population(spaces, config, seed, folder)


def _hyper(config: FTWConfig) -> dict[str, tf.Variable]:
    values: dict[str, Any] = {
        "entropy_scale": float(config.entropy_scale),
        "learning_rate": float(config.learning_rate),
        "kl_scale": config.kl_scale,
        "prior_scale": config.prior_scale,
        "pixel_scale": config.pixel_scale,
        "prediction_scale": config.prediction_scale,
        "rewards": config.weights(),
    }
    return {
        name: tf.Variable(value, dtype=tf.float32, trainable=False, name=name)
        for name, value in values.items()
    }


def _check_events(spaces: Spaces, config: FTWConfig) -> None:
    if "events" not in spaces.info:
        raise ValueError(
            "internal rewards need an environment that counts events in its info (capture the flag does, "
            "envs/parallel.py says how others can): add --ablate=no_internal_rewards to learn from its own reward"
        )
    wanted, given = spaces.info["events"].shape[0], len(config.weights())
    if wanted != given:
        raise ValueError(
            f"event_weights has {given} numbers, and the environment counts {wanted} events: give as many, by comma"
        )


def _image_of(spaces: Spaces) -> str:
    keys = [key for key, box in spaces.observation.items() if len(box.shape) == 3]
    if len(keys) != 1:
        raise ValueError(
            f"pixel control needs one image, and the observation has {len(keys)}: add --pixel_scale=0"
        )
    return keys[0]

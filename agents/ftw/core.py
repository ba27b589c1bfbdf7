"""FTW's two timescales as a core of IMPALA's learner."""

from typing import Any

import tensorflow as tf

import layers
from agents.ftw.config import FTWConfig
from layers.two_timescale_lstm import TwoTimescaleOutput


class HierarchyCore:
    """The heads read z_t, a sample of the fast network's distribution.

    Args:
        config: The settings.
    """

    def __init__(self, config: FTWConfig) -> None:
        self.layer = layers.TwoTimescaleLSTM(
            config.lstm_units,
            config.latent,
            config.period,
            config.slow_gradient,
            slots=config.slots,
            width=config.slot_width,
            heads=config.read_heads,
            name="core",
        )
        self.noise_size = self.size = config.latent

    def build(self, inputs: int) -> None:
        """See `agents.impala.core.Core`."""
        self.layer.build((None, inputs + 1 + self.noise_size))
        self.layer.built = True

    def initial_state(self, batch: int | tf.Tensor) -> Any:
        """See `agents.impala.core.Core`."""
        return self.layer.initial_state(batch)

    def step(
        self, state: Any, x: tf.Tensor, is_first: tf.Tensor, noise: tf.Tensor
    ) -> tuple[Any, TwoTimescaleOutput]:
        """See `agents.impala.core.Core`."""
        return self.layer.step(state, x, is_first, noise)

    def features(self, outputs: TwoTimescaleOutput) -> tf.Tensor:
        """See `agents.impala.core.Core`."""
        return outputs.latent

"""What estimators keep or learn beside the model: running moments, baselines and control variates, one per layer."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from agents.gumbel_softmax.config import GumbelSoftmaxConfig
from estimators import Moments, scale_gradient
from estimators.latents import Latent

_UNITS = 100  # of the hidden layer of baselines and control variates
_SCALED = ("score_function", "muprop", "nvil")


class Controls:
    """The options of the config's estimator for one stochastic layer.

    score_function, nvil    running mean as baseline, signal over max(1, running deviation)
    muprop                  the remainder of the expansion over max(1, running deviation of the cost)
    nvil                    a baseline network of the layer's input as well
    rebar, relax            a weight and a temperature, learned; relax adds a network of the perturbed logits

    Open: the paper asks for variance normalisation of score_function, darn and muprop, and leaves the centring of the
    first open; MuProp's authors, from whom its number is, centre. The signal of darn is the cost's slope times a half, per
    latent, with a deviation below 1, so it stays as it is: over the deviation of the cost, ten to thirty nats, it would
    learn far more slowly.

    Args:
        config: The settings.
        kind: The latents.
        event: The shape of one layer's latents.
        inputs: The size of the layer's input.
        seed: Of the networks' initial weights.
    """

    def __init__(
        self,
        config: GumbelSoftmaxConfig,
        kind: Latent,
        event: list[int],
        inputs: int,
        seed: int,
    ):
        self._config, self._kind, self._size = config, kind, int(np.prod(event))
        self._network: list[keras.layers.Dense] = []
        self._learned: dict[str, keras.Variable] = {}
        self._moments: dict[str, keras.Variable] = {}
        name = config.estimator
        if name in _SCALED:
            self._moments = {
                field: keras.Variable(0.0, trainable=False, name=field)
                for field in Moments._fields
            }
        if name in ("rebar", "relax"):
            log_temperature = float(np.log(config.control_temperature))
            self._learned = {
                "log_temperature": keras.Variable(log_temperature, name="t"),
                "weight": keras.Variable(1.0, name="weight"),
            }
        if name in ("nvil", "relax"):
            self._network = _network(inputs if name == "nvil" else self._size, seed)

    def variables(self) -> Mapping[str, keras.Variable]:
        """Returns every variable by a stable name."""
        return self._moments | self._trained()

    def trainable(self) -> list[keras.Variable]:
        """Returns what the control loss trains."""
        return list(self._trained().values())

    def options(
        self,
        inputs: tf.Tensor,
        cost: Callable[[tf.Tensor], tf.Tensor],
        mean_cost: Callable[[tf.Tensor], tf.Tensor],
        temperature: tf.Tensor,
    ) -> dict[str, Any]:
        """Returns the estimator's options.

        Args:
            inputs: [..., I], the layer's input.
            cost: Of the layer's latents.
            mean_cost: The same with the means of the layers after it.
            temperature: Scalar.
        """
        name, moments = self._config.estimator, self.moments()
        if name == "score_function":
            return {"baseline": moments.mean, "scale": moments.scale()}
        if name == "nvil":
            return {"baseline": self._output(inputs), "moments": moments}
        if name == "muprop":
            return {"scale": moments.scale(), "mean_cost": mean_cost}
        if name in ("gumbel_softmax", "st_gumbel_softmax", "gumbel_rao"):
            options: dict[str, Any] = {"temperature": temperature}
            if name == "gumbel_rao":
                options["samples"] = self._config.samples or 10
            return options
        if name == "rloo":
            return {"samples": self._config.samples or 2}
        if name in ("rebar", "relax"):
            return self._control(cost)
        return {}

    def match(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns logits whose gradient is divided by what the estimator divides its own by.

        For the part of the objective that needs no estimate: else the KL would outweigh what is normalised.
        """
        if self._config.estimator in ("score_function", "nvil"):
            return scale_gradient(logits, 1 / self.moments().scale())
        return logits

    def update(self, signal: tf.Tensor | None) -> None:
        """Takes the signals [B] of a batch into the running moments, of those estimators that have them."""
        if not self._moments:
            return
        assert signal is not None
        after = self.moments().update(signal)
        for field, value in after._asdict().items():
            self._moments[field].assign(value)

    def moments(self) -> Moments:
        """Returns the running moments, of those estimators that have them."""
        if not self._moments:
            return Moments.zero()
        return Moments(*(tf.convert_to_tensor(m) for m in self._moments.values()))

    def _control(self, cost: Callable[[tf.Tensor], tf.Tensor]) -> dict[str, Any]:
        temperature = tf.exp(self._learned["log_temperature"])
        weight = tf.convert_to_tensor(self._learned["weight"])
        if self._config.estimator == "rebar":
            return {"temperature": temperature, "weight": weight}

        def control(perturbed: tf.Tensor) -> tf.Tensor:
            relaxed = cost(self._kind.mean(perturbed / temperature))
            batch = tf.shape(perturbed)[: -self._kind.event_rank]
            flat = tf.reshape(perturbed, tf.concat([batch, [self._size]], 0))
            return weight * relaxed + self._output(flat)

        return {"control": control}

    def _output(self, inputs: tf.Tensor) -> tf.Tensor:
        """The network's number [...] for inputs [..., I]."""
        for layer in self._network:
            inputs = layer(inputs)
        return inputs[..., 0]

    def _trained(self) -> dict[str, keras.Variable]:
        found = dict(self._learned)
        for i, layer in enumerate(self._network):
            found |= {f"kernel{i}": layer.kernel, f"bias{i}": layer.bias}
        return found


def _network(inputs: int, seed: int) -> list[keras.layers.Dense]:
    """One hidden layer; the output begins at 0."""
    start = keras.initializers.GlorotUniform(seed=seed)
    hidden = keras.layers.Dense(_UNITS, "tanh", kernel_initializer=start)
    output = keras.layers.Dense(1, kernel_initializer="zeros")
    hidden.build([None, inputs])
    output.build([None, _UNITS])
    return [hidden, output]

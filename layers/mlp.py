"""A stack of dense layers."""

from typing import Any

import keras
import tensorflow as tf

from layers.leading import Shape

NORMS = ("none", "layer")
LAYER_NORM_EPSILON = 1e-3


def make_norm(norm: str, name: str) -> Any:
    """Returns the layer norm (float32, epsilon 1e-3) for 'layer', None for 'none'.

    Raises:
        ValueError: If `norm` is neither.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, got {norm!r}.")
    if norm == "none":
        return None
    return keras.layers.LayerNormalization(
        epsilon=LAYER_NORM_EPSILON, dtype="float32", name=name
    )


@keras.saving.register_keras_serializable("zoo")
class MLP(keras.layers.Layer):
    """Dense layers: x <- activation(norm(W x + b)) for each of `units`, then W x + b if `output`.

    The norm is computed in float32 whatever the policy.

    Args:
        units: Sizes of the hidden layers.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer' (before the activation).
        output: Size of a last layer without norm and activation; None for no such layer.

    Call arguments:
        inputs: [..., D].

    Returns:
        [..., output or units[-1]] in the compute dtype.

    Raises:
        ValueError: If `norm` is unknown, or there is no layer at all.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        activation: str = "elu",
        norm: str = "none",
        output: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.norm = norm
        self.output_units = output
        sizes = self.units if output is None else (*self.units, output)
        if not sizes:
            raise ValueError("An MLP needs at least one layer: give units or output.")
        self.activation = keras.activations.get(activation)
        self.dense = [
            keras.layers.Dense(size, dtype=self.dtype_policy, name=f"dense_{i}")
            for i, size in enumerate(sizes)
        ]
        self.norms = [make_norm(norm, f"norm_{i}") for i in range(len(self.units))]

    def build(self, shape: Shape) -> None:
        for i, dense in enumerate(self.dense):
            dense.build(shape)
            shape = (*shape[:-1], dense.units)
            if i < len(self.norms) and self.norms[i] is not None:
                self.norms[i].build(shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = inputs
        for dense, norm in zip(self.dense, self.norms, strict=False):
            x = dense(x)
            x = x if norm is None else norm(x)
            x = self.activation(x)
        if self.output_units is not None:
            x = self.dense[-1](x)
        return tf.cast(x, self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.dense[-1].units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "norm": self.norm,
            "output": self.output_units,
        }

"""The recurrent state-space model: one cell in pieces."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

import estimators
from estimators import shapes
from layers import leading
from layers.affine import affine
from layers.layer_norm_gru_cell import LayerNormGRUCell
from layers.mlp import make_norm

STDS = {
    "softplus": tf.math.softplus,
    "sigmoid": tf.sigmoid,
    "sigmoid2": lambda raw: 2 * tf.sigmoid(raw / 2),
}


class RSSMState(NamedTuple):
    """A latent state; all float32.

    Attributes:
        deter: [..., D], the deterministic part h.
        stoch: [..., S, C] one-hot, or [..., S] with Gaussian latents: the sample z.
        params: [..., S, C] logits, or [..., 2S] means then standard deviations.
    """

    deter: tf.Tensor
    stoch: tf.Tensor
    params: tf.Tensor


@keras.saving.register_keras_serializable("zoo")
class RSSMCell(keras.layers.Layer):
    """The recurrent state-space model with categorical or Gaussian latents.

    x_t = act(norm(W [z_{t-1}, a_t] + b)),  h_t = GRU(x_t, h_{t-1})
    posterior:  z_t ~ q(z_t | h_t, e_t) = act(norm(W [h_t, e_t] + b)) -> parameters
    prior:      z_t ~ p(z_t | h_t)      = act(norm(W h_t + b)) -> parameters

    a_t is the action that led to observation t, e_t the embedding of that observation.
    Three kinds of pieces: work that needs no state, batched over time (`embed_inputs`,
    `action_inputs`); a step, the only thing inside a loop (`posterior_step`,
    `prior_step`); work that needs only states, batched over time (`prior`, `features`).
    Noise is an input. The layer must be built (`build()`) before its pieces are used.

    All results are float32. The batched pieces and `prior_step` multiply in the compute
    dtype; `posterior_step`, which sees few rows, always multiplies in float32: bfloat16
    gains nothing there and the weights would be cast at every step.

    Args:
        deter: D, units of the GRU.
        hidden: Units of the hidden layers.
        stoch: S, number of latent variables.
        classes: C, classes of each; 0 for Gaussian latents.
        action_size: A.
        embed_size: E.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer', in the hidden layers.
        gru_norm: Whether the GRU has its layer norm.
        min_std: Added to the standard deviation of Gaussian latents.
        std: What makes it positive: 'softplus', 'sigmoid' or 'sigmoid2' = 2 sigma(x / 2).

    Call arguments:
        inputs: [B, A + E + 1 + noise], float32: action, embedding, is_first (0 or 1), and
            the flattened noise of `noise_shape`.
        states: [deter, stoch, params], each flattened to [B, ...], float32.

    Returns:
        The features [B, S * C + D] and the next states: a legal cell for
        `keras.layers.RNN` (give that layer dtype='float32' so that it does not round
        the noise).

    Raises:
        ValueError: If `std` or `norm` is unknown, or a shape does not fit.

    References:
        Hafner et al. 2019 (arXiv 1811.04551); Hafner et al. 2021 (arXiv 2010.02193).
    """

    def __init__(
        self,
        deter: int = 600,
        hidden: int = 600,
        stoch: int = 32,
        classes: int = 32,
        *,
        action_size: int,
        embed_size: int,
        activation: str = "elu",
        norm: str = "none",
        gru_norm: bool = True,
        min_std: float = 0.1,
        std: str = "sigmoid2",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.product_dtype = self.dtype_policy.compute_dtype
        if std not in STDS:
            raise ValueError(f"std must be one of {tuple(STDS)}, got {std!r}.")
        self.deter, self.hidden = deter, hidden
        self.stoch, self.classes = stoch, classes
        self.action_size, self.embed_size = action_size, embed_size
        self.norm, self.min_std, self.std = norm, min_std, std
        self.activation = keras.activations.get(activation)
        self.stoch_size = stoch * (classes or 1)
        self.params_size = stoch * (classes or 2)
        self.feature_size = self.stoch_size + deter
        self.state_size = [deter, self.stoch_size, self.params_size]
        self.output_size = self.feature_size
        self._make_layers(gru_norm)

    def _make_layers(self, gru_norm: bool) -> None:
        # A dense layer on a concatenation is kept as two, so that its parts can be
        # computed apart; both are initialised as parts of the one.
        def part(name: str, fan_in: int, use_bias: bool) -> keras.layers.Dense:
            limit = math.sqrt(6 / (fan_in + self.hidden))
            initializer = keras.initializers.RandomUniform(-limit, limit)
            return dense(name, self.hidden, initializer, use_bias)

        def dense(
            name: str,
            units: int,
            initializer: Any = "glorot_uniform",
            use_bias: bool = True,
        ) -> keras.layers.Dense:
            return keras.layers.Dense(
                units,
                use_bias=use_bias,
                kernel_initializer=initializer,
                dtype=self.dtype_policy,
                name=name,
            )

        fan_in = self.stoch_size + self.action_size
        self._stoch_in = part("stoch_in", fan_in, True)
        self._action_in = part("action_in", fan_in, False)
        self._in_norm = make_norm(self.norm, "in_norm")
        self.gru = LayerNormGRUCell(
            self.deter, gru_norm, dtype=self.dtype_policy, name="gru"
        )
        self._prior_hidden = dense("prior_hidden", self.hidden)
        self._prior_norm = make_norm(self.norm, "prior_norm")
        self._prior_out = dense("prior_out", self.params_size)
        fan_in = self.deter + self.embed_size
        self._post_deter = part("post_deter", fan_in, False)
        self._post_embed = part("post_embed", fan_in, True)
        self._post_norm = make_norm(self.norm, "post_norm")
        self._post_out = dense("post_out", self.params_size)

    @property
    def compute_dtype(self) -> str:
        """float32, the dtype of states and results; `product_dtype` follows the policy."""
        return "float32"

    def build(self, shape: Any = None) -> None:
        """Makes the weights; they do not depend on `shape`."""
        sizes = {
            self._stoch_in: self.stoch_size,
            self._action_in: self.action_size,
            self.gru: self.hidden,
            self._prior_hidden: self.deter,
            self._prior_out: self.hidden,
            self._post_deter: self.deter,
            self._post_embed: self.embed_size,
            self._post_out: self.hidden,
        }
        for layer, size in sizes.items():
            layer.build((None, size))
        for norm in (self._in_norm, self._prior_norm, self._post_norm):
            if norm is not None:
                norm.build((None, self.hidden))

    def embed_inputs(self, embed: tf.Tensor) -> tf.Tensor:
        """The embedding's part of the posterior: [..., E] -> [..., hidden]."""
        return affine(self._post_embed, embed, self.product_dtype)

    def action_inputs(self, action: tf.Tensor) -> tf.Tensor:
        """The action's part of the step, no bias in it: [..., A] -> [..., hidden]."""
        return affine(self._action_in, action, self.product_dtype)

    def posterior_step(
        self,
        state: RSSMState,
        action_in: tf.Tensor,
        embed_in: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor,
    ) -> RSSMState:
        """Makes one step with an observation; rows with `is_first` start from zeros.

        Args:
            state: The state before, [B, ...]; its params are not read.
            action_in: [B, hidden], `action_inputs` of the action that led here.
            embed_in: [B, hidden], `embed_inputs` of the observation here.
            is_first: [B] bool: the state and the action before are masked.
            noise: `noise_shape([B])`.

        Returns:
            The posterior state, [B, ...].
        """
        shapes.check(
            deter=(state.deter, "BD"),
            action_in=(action_in, "BH"),
            embed_in=(embed_in, "BH"),
            is_first=(is_first, "B"),
        )
        keep = 1 - tf.cast(is_first, tf.float32)[:, None]
        stoch = self._flat(state.stoch) * keep
        deter = self._advance(state.deter * keep, stoch, action_in * keep, "float32")
        hidden = affine(self._post_deter, deter, "float32") + embed_in
        hidden = self._activate(hidden, self._post_norm)
        params = self._parameters(affine(self._post_out, hidden, "float32"))
        return RSSMState(deter, self.sample(params, noise), params)

    def prior_step(
        self, state: RSSMState, action_in: tf.Tensor, noise: tf.Tensor
    ) -> RSSMState:
        """Makes one step without an observation (imagination).

        Args:
            state: The state before, [B, ...]; its params are not read.
            action_in: [B, hidden], `action_inputs` of the action taken there.
            noise: `noise_shape([B])`.

        Returns:
            The prior state, [B, ...].
        """
        shapes.check(deter=(state.deter, "BD"), action_in=(action_in, "BH"))
        stoch = self._flat(state.stoch)
        deter = self._advance(state.deter, stoch, action_in, self.product_dtype)
        params = self.prior(deter)
        return RSSMState(deter, self.sample(params, noise), params)

    def prior(self, deter: tf.Tensor) -> tf.Tensor:
        """The prior's parameters: [..., D] -> [..., S, C] logits or [..., 2S]."""
        hidden = affine(self._prior_hidden, deter, self.product_dtype)
        hidden = self._activate(hidden, self._prior_norm)
        return self._parameters(affine(self._prior_out, hidden, self.product_dtype))

    def sample(self, params: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Samples z: straight-through one-hot, or mean + std * noise; zero noise: the mode."""
        if self.classes:
            return estimators.straight_through(params, noise)
        mean, std = tf.split(params, 2, -1)
        return mean + std * noise

    def features(self, state: RSSMState) -> tf.Tensor:
        """concat(flatten(stoch), deter): [..., S * C + D]."""
        return tf.concat([self._flat(state.stoch), state.deter], -1)

    def initial_state(self, batch: int | tf.Tensor) -> RSSMState:
        """The state before the first step: zeros [B, ...]."""
        return self._unflatten(self.get_initial_state(batch))

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        """The shape of the noise for states of `batch_shape`: [*batch_shape, S, C] or [..., S]."""
        return [*batch_shape, self.stoch, *([self.classes] if self.classes else [])]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Gumbel (categorical) or normal (Gaussian) noise of `noise_shape`, float32."""
        shape = self.noise_shape(batch_shape)
        if self.classes:
            return estimators.gumbel_noise(shape, seed)
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        sizes = [self.action_size, self.embed_size, 1, self.stoch_size]
        action, embed, is_first, noise = tf.split(
            tf.cast(inputs, tf.float32), sizes, -1
        )
        state = self.posterior_step(
            self._unflatten(states),
            self.action_inputs(action),
            self.embed_inputs(embed),
            is_first[:, 0] > 0.5,
            self._unflat(noise),
        )
        flat = [state.deter, self._flat(state.stoch), self._flat(state.params)]
        return self.features(state), flat

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, size]) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "deter": self.deter,
            "hidden": self.hidden,
            "stoch": self.stoch,
            "classes": self.classes,
            "action_size": self.action_size,
            "embed_size": self.embed_size,
            "activation": keras.activations.serialize(self.activation),
            "norm": self.norm,
            "gru_norm": self.gru.norm is not None,
            "min_std": self.min_std,
            "std": self.std,
        }

    def _advance(
        self, deter: tf.Tensor, stoch: tf.Tensor, action_in: tf.Tensor, dtype: str
    ) -> tf.Tensor:
        """h' from h, the flattened z and the action's part."""
        x = affine(self._stoch_in, stoch, dtype) + action_in
        return self.gru.step(self._activate(x, self._in_norm), deter, dtype)

    def _activate(self, x: tf.Tensor, norm: keras.layers.Layer | None) -> tf.Tensor:
        return self.activation(x if norm is None else norm(x))

    def _parameters(self, raw: tf.Tensor) -> tf.Tensor:
        """[..., S * C] or [..., 2S], raw outputs -> parameters."""
        if self.classes:
            return self._unflat(raw)
        mean, std = tf.split(raw, 2, -1)
        return tf.concat([mean, STDS[self.std](std) + self.min_std], -1)

    def _flat(self, x: tf.Tensor) -> tf.Tensor:
        """[..., S, C] -> [..., S * C]; Gaussian latents and parameters are flat."""
        if not self.classes:
            return x
        merged, restore = leading.merge(x, 2)
        return restore(tf.reshape(merged, [-1, self.stoch_size]))

    def _unflat(self, x: tf.Tensor) -> tf.Tensor:
        """[..., S * C] -> [..., S, C]; Gaussian latents and parameters are flat."""
        if not self.classes:
            return x
        merged, restore = leading.merge(x, 1)
        return restore(tf.reshape(merged, [-1, self.stoch, self.classes]))

    def _unflatten(self, states: Sequence[tf.Tensor]) -> RSSMState:
        deter, stoch, params = states
        return RSSMState(deter, self._unflat(stoch), self._unflat(params))

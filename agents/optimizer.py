"""Adam or RMSProp with a global-norm clip and decoupled weight decay, which skips what is not finite."""

import keras
import tensorflow as tf


class Optimizer:
    """One optimizer of one set of variables.

    A step, in this order: clip the gradients to a global norm, decay every variable by (1 - decay), which is
    not multiplied by the learning rate, and apply the rule:

        adam      epsilon added to sqrt(v) before bias correction
        rmsprop   v <- 0.99 v + 0.01 g^2,  w <- w - rate g / sqrt(v + epsilon)

    A loss or gradient that is not finite changes nothing.

    Args:
        variables: The variables it owns, biases and norms included.
        learning_rate: The step size.
        epsilon: Of the rule.
        clip: Largest global norm of the gradients.
        decay: Share of each variable taken away per step.
        rule: 'adam' or 'rmsprop'.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), table D.1; Kingma and Ba 2015, section 2 (epsilon hat); Espeholt et al.
        2018 (arXiv 1802.01561), appendix, RMSProp.
    """

    def __init__(
        self,
        variables: list[keras.Variable],
        learning_rate: float,
        epsilon: float = 1e-5,
        clip: float = 100.0,
        decay: float = 1e-6,
        rule: str = "adam",
    ) -> None:
        self.variables = list(variables)
        self._clip, self._decay = clip, decay
        self._rule: keras.optimizers.Optimizer = (
            keras.optimizers.RMSprop(learning_rate, rho=0.99, epsilon=epsilon)
            if rule == "rmsprop"
            else keras.optimizers.Adam(learning_rate, epsilon=epsilon)
        )
        self._rule.build(self.variables)

    @property
    def state(self) -> list[keras.Variable]:
        """The step count, moments and learning rate."""
        return self._rule.variables

    def set_learning_rate(self, value: tf.Tensor) -> None:
        """Assigns the step size of the next steps."""
        self._rule.learning_rate.assign(value)

    def step(
        self, loss: tf.Tensor, gradients: list[tf.Tensor | None]
    ) -> dict[str, tf.Tensor]:
        """Applies d loss / d variables.

        Args:
            loss: Scalar float32.
            gradients: One per variable; None where the loss does not depend on it.

        Returns:
            `norm`, the global norm before clipping, and `finite`, whether the step was made.
        """
        filled = [
            tf.zeros(variable.shape)
            if gradient is None
            else tf.cast(gradient, "float32")
            for variable, gradient in zip(self.variables, gradients, strict=True)
        ]
        norm = tf.linalg.global_norm(filled)
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        tf.cond(finite, lambda: self._apply(filled, norm), lambda: None)
        return {"norm": norm, "finite": finite}

    def _apply(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> None:
        clipped, _ = tf.clip_by_global_norm(gradients, self._clip, use_norm=norm)
        if self._decay:
            for variable in self.variables:
                variable.assign(variable * (1.0 - self._decay))
        self._rule.apply(clipped, self.variables)

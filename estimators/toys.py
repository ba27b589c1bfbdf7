"""Two small problems with known answers, on which estimators are compared: `TOYS`, each with the costs `COSTS`.

This project's own test problems; `estimators.exact` enumerates them, `python -m launch.estimators` measures on them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from estimators import latents
from estimators.cost import Cost

COSTS = ("linear", "quadratic", "exponential")


class Toy(NamedTuple):
    """A latent, its logits, and the weights w of the linear score s = w . z that all costs are made of.

    Attributes:
        latent: 'categorical' or 'bernoulli'.
        logits: [N, K], or of bits [N]; float32.
        weights: As `logits`.
    """

    latent: str
    logits: np.ndarray
    weights: np.ndarray

    def cost(self, name: str) -> Cost:
        """Returns f: z [..., *E] -> [...].

        linear: s,  quadratic: (s - 0.45)^2,  exponential: exp(1.5 s)

        Raises:
            ValueError: If there is no such cost.
        """
        if name not in COSTS:
            raise ValueError(f"unknown cost {name!r}; there are {', '.join(COSTS)}.")
        kind = latents.get(self.latent)

        def cost(z: tf.Tensor) -> tf.Tensor:
            score = kind.sum(z * self.weights)
            if name == "linear":
                return score
            if name == "quadratic":
                return tf.square(score - 0.45)
            return tf.exp(1.5 * score)

        return cost


TOYS: Mapping[str, Toy] = {
    "one of four": Toy(
        "categorical",
        np.array([[0.5, -0.2, 1.0, -1.0]], np.float32),
        np.array([[0.1, 0.9, -0.5, 1.4]], np.float32),
    ),
    "three bits": Toy(
        "bernoulli",
        np.array([0.3, -1.2, 0.8], np.float32),
        np.array([0.6, 1.0, -0.8], np.float32),
    ),
}

"""Small problems with known answers, enumerated here in NumPy and float64, independently of `estimators.exact`."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import estimators

KINDS = ("lin", "quad", "exp")


class Toy(NamedTuple):
    """One latent and a linear score s = w . z, of which the costs s, (s - 0.45)^2 and exp(1.5 s) are made.

    Attributes:
        latent: 'categorical' or 'bernoulli'.
        logits: [N, K], or of bits [N].
        weights: As `logits`, w.
    """

    latent: str
    logits: np.ndarray
    weights: np.ndarray

    def cost(self, kind: str) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns z [..., *E] -> f(z) [...]."""
        axes = list(range(-self.weights.ndim, 0))
        weights = tf.constant(self.weights, tf.float32)
        return lambda z: shape_score(tf, kind, tf.reduce_sum(z * weights, axes))

    def f(self, z: np.ndarray, kind: str) -> np.ndarray:
        """The same in NumPy."""
        axes = tuple(range(-self.weights.ndim, 0))
        return shape_score(np, kind, np.sum(z * self.weights, axes))

    def slope(self, z: np.ndarray, kind: str) -> np.ndarray:
        """Returns f'(z) [..., *E]."""
        axes = tuple(range(-self.weights.ndim, 0))
        s = np.sum(z * self.weights, axes, keepdims=True)
        outer = {"lin": s * 0 + 1, "quad": 2 * (s - 0.45), "exp": 1.5 * np.exp(1.5 * s)}
        return outer[kind] * self.weights

    @property
    def states(self) -> np.ndarray:
        """Every sample, [S, *E]."""
        if self.latent == "bernoulli":
            return np.array(
                list(itertools.product([0.0, 1.0], repeat=len(self.logits)))
            )
        n, k = self.logits.shape
        return np.array(
            [np.eye(k)[list(c)] for c in itertools.product(range(k), repeat=n)]
        )

    @property
    def mean(self) -> np.ndarray:
        """The probability p of each entry, [*E]."""
        if self.latent == "bernoulli":
            return 1 / (1 + np.exp(-self.logits))
        odds = np.exp(self.logits)
        return odds / odds.sum(-1, keepdims=True)

    def probability(self, z: np.ndarray) -> np.ndarray:
        """Returns q(z) [...] of z [..., *E]."""
        p, axes = self.mean, tuple(range(-self.logits.ndim, 0))
        wrong = 1 - p if self.latent == "bernoulli" else np.ones_like(p)
        return np.prod(np.where(z > 0.5, p, wrong), axes)

    def truth(self, kind: str) -> tuple[float, np.ndarray]:
        """Returns E f and its gradient: p (E[f | z_k = 1] - E f) of classes, p (1 - p) (E[f | 1] - E[f | 0]) of bits."""
        z, p = self.states, self.mean
        q, f = self.probability(z), self.f(z, kind)
        spread = q.reshape(-1, *[1] * p.ndim) * f.reshape(-1, *[1] * p.ndim)
        value, at_one = q @ f, (spread * z).sum(0) / p
        if self.latent == "categorical":
            return value, p * (at_one - value)
        at_zero = (spread * (1 - z)).sum(0) / (1 - p)
        return value, p * (1 - p) * (at_one - at_zero)

    def best_baseline(self, kind: str) -> float:
        """Returns E[f |z - p|^2] / E[|z - p|^2], the constant of the least total variance."""
        z, axes = self.states, tuple(range(-self.logits.ndim, 0))
        weight = self.probability(z) * ((z - self.mean) ** 2).sum(axes)
        return float(weight @ self.f(z, kind) / weight.sum())

    def jacobian(self, mean: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """Returns J(q) g of the mean's derivative: q (g - q . g) of classes, q (1 - q) g of bits."""
        if self.latent == "bernoulli":
            return mean * (1 - mean) * cotangent
        return mean * (cotangent - (mean * cotangent).sum(-1, keepdims=True))

    def noise_for(self, states: np.ndarray) -> np.ndarray:
        """Returns noise [S, *E] with which logits + noise gives exactly these samples."""
        if self.latent == "bernoulli":
            return np.float32(np.where(states > 0.5, 50.0, -50.0))
        return np.float32(50.0 * states)

    def rows(self, count: int) -> tf.Tensor:
        """Returns the logits [count, *E] float32."""
        logits = np.float32(self.logits)
        return tf.constant(np.broadcast_to(logits, [count, *logits.shape]))


def shape_score(ops: Any, kind: str, s: Any) -> Any:
    """Returns s, (s - 0.45)^2 or exp(1.5 s)."""
    return {"lin": s, "quad": (s - 0.45) ** 2, "exp": ops.exp(1.5 * s)}[kind]


A = Toy(
    "categorical", np.array([[0.5, -0.2, 1.0, -1.0]]), np.array([[0.1, 0.9, -0.5, 1.4]])
)
B = Toy("bernoulli", np.array([0.3, -1.2, 0.8]), np.array([0.6, 1.0, -0.8]))
PAIR = Toy(
    "categorical",
    np.array([[0.4, -0.3, 0.1], [-0.8, 0.2, 0.5]]),
    np.array([[0.5, -0.4, 0.2], [0.9, -0.1, -0.6]]),
)
TOYS = {"one of four": A, "three bits": B, "two of three": PAIR}

# Enumerated values that others printed: E f and its gradient.
PUBLISHED = {
    ("one of four", "lin"): (0.010375, [0.026607, 0.131151, -0.249809, 0.092051]),
    ("one of four", "quad"): (0.567742, [-0.132181, -0.053845, 0.163851, 0.022175]),
    ("one of four", "exp"): (1.685736, [-0.155533, 0.320157, -0.593898, 0.429273]),
    ("three bits", "lin"): (0.024161, [0.146675, 0.177894, -0.171128]),
    ("three bits", "quad"): (0.584140, [-0.138022, -0.055971, 0.093730]),
    ("three bits", "exp"): (1.719295, [0.333685, 0.589662, -0.496296]),
}


def draw(
    name: str,
    toy: Toy,
    cost: Callable[[tf.Tensor], tf.Tensor],
    count: int,
    seed: tuple[int, int] = (0, 1),
    **options: Any,
) -> tuple[estimators.Estimate, np.ndarray]:
    """Returns `count` independent estimates and their gradients [count, *E] float64."""
    rows = toy.rows(count)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        made = estimators.estimate(name, rows, cost, seed, toy.latent, **options)
    return made, np.float64(tape.gradient(made.surrogate, rows))


def sampled_gradient(
    sampler: Callable[..., tf.Tensor],
    toy: Toy,
    kind: str,
    noise: np.ndarray,
    **options: Any,
) -> np.ndarray:
    """Returns the gradients [S, *E] float64 of the cost of sampler(logits, noise [S, *E])."""
    rows = toy.rows(len(noise))
    with tf.GradientTape() as tape:
        tape.watch(rows)
        cost = toy.cost(kind)(sampler(rows, noise, latent=toy.latent, **options))
    return np.float64(tape.gradient(cost, rows))


def exact_mean(
    sampler: Callable[..., tf.Tensor], toy: Toy, kind: str, **options: Any
) -> np.ndarray:
    """Returns the mean gradient of a sampler whose gradient depends on the noise through the sample alone."""
    gradient = sampled_gradient(
        sampler, toy, kind, toy.noise_for(toy.states), **options
    )
    return np.tensordot(toy.probability(toy.states), gradient, 1)


def mean_over_outcomes(
    outcome: np.ndarray,
    gradient: np.ndarray,
    probability: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Returns the mean gradient without Monte Carlo error, where it is a function of the outcome.

    Args:
        outcome: [draws, ...] of zeros and ones, in which every possible outcome occurs.
        gradient: [draws, *E].
        probability: outcomes [S, ...] -> [S].
    """
    flat = outcome.reshape(len(outcome), -1)
    code = flat.astype(int) @ 2 ** np.arange(flat.shape[1])
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    np.testing.assert_allclose(gradient, gradient[first][which], rtol=1e-4, atol=1e-5)
    weight = probability(outcome[first])
    np.testing.assert_allclose(weight.sum(), 1, rtol=1e-9)
    return np.tensordot(weight, gradient[first], 1)


def assert_unbiased(
    gradient: np.ndarray, truth: np.ndarray, limit: float = 4.0
) -> None:
    """Asserts that the mean of gradients [draws, *E] is the truth within `limit` standard errors in each entry."""
    error = gradient.std(0) / np.sqrt(len(gradient))
    distance = np.abs(gradient.mean(0) - truth)
    np.testing.assert_array_less(distance, limit * error + 2e-6)


def total_variance(gradient: np.ndarray) -> float:
    """Returns the trace of the covariance of gradients [draws, *E]."""
    return float(gradient.var(0).sum())


def quasi_noise(toy: Toy, count: int) -> np.ndarray:
    """Returns noise [count, *E] from a Sobol sequence: means over it are exact to about 1e-4."""
    size = toy.logits.size
    u = np.float64(tf.math.sobol_sample(size, count, dtype=tf.float64)) + 0.5 / count
    u = (u % 1).reshape(count, *toy.logits.shape)
    if toy.latent == "bernoulli":
        return np.float32(np.log(u) - np.log1p(-u))
    return np.float32(-np.log(-np.log(u)))

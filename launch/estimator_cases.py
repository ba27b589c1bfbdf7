"""What `python -m launch.estimators` measures: every estimator, with the options that it needs, on every toy."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import estimators
from estimators import cost as cost_lib
from estimators import exact, latents, toys
from estimators.cost import Cost, Estimate

COSTS = ("quadratic", "exponential")
PROBLEMS = tuple((toy, cost) for toy in toys.TOYS for cost in COSTS)
TIMED_COST, TIMED_BATCH, _TIMED_CALLS = "exponential", 10_000, 7
_CONTROL_UPDATES, _CONTROL_BATCH = 500, 200


class Problem(NamedTuple):
    """A toy with one of its costs, and the cost's mean and variance."""

    toy: toys.Toy
    cost: Cost
    mean: float
    variance: float


class Case(NamedTuple):
    """An estimator with its options.

    Attributes:
        label: Names it in tables and pictures.
        estimator: One of `estimators.NAMES`.
        options: What does not depend on the problem.
        unbiased: Whether its mean is the gradient (of vimco: that of its bound), by theory.
        sweep: Whether it is a further point of a line in the picture, and in no table.
        made: Problem -> options that depend on it.
    """

    label: str
    estimator: str
    options: dict[str, Any] = {}
    unbiased: bool = False
    sweep: bool = False
    made: Callable[[Problem], dict[str, Any]] | None = None

    def options_for(self, problem: Problem) -> dict[str, Any]:
        """Returns all options for a problem; trains control variates that are to be learned."""
        return self.options | (self.made(problem) if self.made else {})


def problem(toy: str, cost: str) -> Problem:
    """Returns a toy with a cost; both by name."""
    of = toys.TOYS[toy]
    f = of.cost(cost)
    mean = exact.expectation(of.logits, f, of.latent).value
    square = exact.expectation(of.logits, lambda z: f(z) ** 2, of.latent).value
    return Problem(of, f, mean, square - mean**2)


def _nvil_options(problem: Problem) -> dict[str, Any]:
    moments = estimators.Moments(problem.mean, problem.variance, 1.0)
    return {
        "baseline": tf.zeros([]),
        "moments": moments._make(map(tf.constant, moments)),
    }


def _rebar_options(problem: Problem) -> dict[str, Any]:
    temperature, weight, _ = _learned_control(problem, free=False)
    return {"temperature": temperature, "weight": weight}


def _relax_options(problem: Problem) -> dict[str, Any]:
    return {"control": _control(problem, *_learned_control(problem, free=True))}


def _control(
    problem: Problem, temperature: tf.Tensor, weight: tf.Tensor, slope: tf.Tensor
) -> Cost:
    """c(v) = weight f(softmax(v / temperature)) + slope . softmax(v)."""
    kind = latents.get(problem.toy.latent)

    def control(perturbed: tf.Tensor) -> tf.Tensor:
        relaxed = problem.cost(kind.mean(perturbed / temperature))
        return weight * relaxed + kind.sum(slope * kind.mean(perturbed))

    return control


def _learned_control(problem: Problem, free: bool) -> tuple[tf.Tensor, ...]:
    """Trains the control variate's temperature, weight and, if `free`, slope on `control_loss` by Adam."""
    log_temperature, weight = (
        tf.Variable(np.log(0.5), dtype=tf.float32),
        tf.Variable(1.0),
    )
    slope = tf.Variable(tf.zeros(problem.toy.logits.shape))
    variables = [log_temperature, weight] + ([slope] if free else [])
    import keras

    adam = keras.optimizers.Adam(0.02)
    adam.build(variables)
    rows = _rows(problem.toy, _CONTROL_BATCH)

    @tf.function
    def train(start: tf.Tensor) -> None:
        for i in tf.range(start, start + 50):
            with tf.GradientTape() as tape:
                control = _control(problem, tf.exp(log_temperature), weight, slope)
                made = estimators.relax(
                    rows,
                    problem.cost,
                    tf.stack([1, i]),
                    problem.toy.latent,
                    control=control,
                )
                loss = tf.reduce_mean(made.control_loss)
            adam.apply(tape.gradient(loss, variables), variables)

    for start in range(0, _CONTROL_UPDATES, 50):
        train(tf.constant(start))
    return tuple(map(tf.constant, (tf.exp(log_temperature), weight, slope)))


def _baseline_options(problem: Problem) -> dict[str, Any]:
    return {"baseline": problem.mean}


def _sweep(
    name: str, estimator: str, tabled: tuple[float, ...], more: tuple[float, ...]
) -> list[Case]:
    return [
        Case(
            f"{name}, T = {temperature:g}",
            estimator,
            {"temperature": temperature},
            sweep=temperature not in tabled,
        )
        for temperature in sorted((*tabled, *more), reverse=True)
    ]


_LOW = (4.0, 2.0, 0.25)
CASES: tuple[Case, ...] = (
    Case("REINFORCE", "score_function", unbiased=True),
    Case(
        "REINFORCE, baseline E f",
        "score_function",
        unbiased=True,
        made=_baseline_options,
    ),
    Case("NVIL", "nvil", made=_nvil_options),
    Case("RLOO, 2 samples", "rloo", {"samples": 2}, unbiased=True),
    Case("RLOO, 4 samples", "rloo", {"samples": 4}, unbiased=True),
    Case("VIMCO, 2 samples", "vimco", {"samples": 2}, unbiased=True),
    Case("MuProp", "muprop", unbiased=True),
    Case("REBAR, learned", "rebar", unbiased=True, made=_rebar_options),
    Case("RELAX, learned", "relax", unbiased=True, made=_relax_options),
    Case("ARM", "arm", unbiased=True),
    Case("DisARM", "disarm", unbiased=True),
    Case("DARN", "darn"),
    *_sweep("Straight-through", "straight_through", (1.0,), (4.0, 2.0, 0.5)),
    Case("Slope-annealed ST, slope 2", "slope_annealed_straight_through", {"slope": 2}),
    *_sweep("Gumbel-Softmax", "gumbel_softmax", (1.0, 0.5, 0.125), _LOW),
    *_sweep("ST Gumbel-Softmax", "st_gumbel_softmax", (1.0, 0.5), (*_LOW, 0.125)),
    *_sweep("Gumbel-Rao, 10 samples", "gumbel_rao", (0.5,), (*_LOW, 1.0, 0.125)),
    *_sweep("ReinMax", "reinmax", (1.0,), (1.5, 2.0, 4.0)),
)


def measure(
    case: Case, of: Problem, options: dict[str, Any], draws: int
) -> dict[str, float]:
    """Returns bias and variance, also in units of the exact gradient's length, and z; see `exact.Quality`."""
    toy = of.toy
    found = exact.quality(
        case.estimator, toy.logits, of.cost, toy.latent, draws=draws, **options
    )
    truth = exact.expectation(toy.logits, of.cost, toy.latent).gradient
    bias, z = found.bias, found.z
    if case.estimator == "vimco":
        truth = bound_gradient(of, options["samples"])
        error = found.mean - truth
        bias = float(np.linalg.norm(error))
        z = float(np.max(np.abs(error) / found.standard_error))
    length = float(np.linalg.norm(truth))
    return {
        "bias": bias,
        "variance": found.variance,
        "z": z,
        "relative_bias": bias / length,
        "relative_variance": found.variance / length**2,
    }


def bound_gradient(of: Problem, samples: int) -> np.ndarray:
    """Returns the gradient of -E log (1/M) sum_i exp(-f(z_i)), enumerated: M independent latents with equal logits."""
    toy = of.toy
    shape = toy.logits.shape

    def bound(z: tf.Tensor) -> tf.Tensor:
        f = of.cost(tf.reshape(z, [-1, samples, *shape]))
        return tf.math.log(float(samples)) - tf.reduce_logsumexp(-f, 1)

    many = np.concatenate([toy.logits] * samples)
    gradient = exact.expectation(many, bound, toy.latent).gradient
    return gradient.reshape(samples, *shape).sum(0)


def evaluations(case: Case, of: Problem, options: dict[str, Any]) -> dict[str, float]:
    """Counts evaluations of the cost and of its gradient per estimate, control variates included."""
    counts = {"values": 0.0, "gradients": 0.0}
    batch = 10
    event = of.toy.logits.ndim

    def counted(z: tf.Tensor) -> tf.Tensor:
        rows = int(np.prod(z.shape[: z.shape.rank - event])) / batch

        @tf.custom_gradient
        def value(z: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            counts["values"] += rows
            with tf.GradientTape() as tape:
                tape.watch(z)
                f = of.cost(z)

            def backward(upstream: tf.Tensor) -> tf.Tensor:
                counts["gradients"] += rows
                return tape.gradient(f, z, upstream)

            return f, backward

        return value(z)

    seen = of._replace(cost=counted)
    if case.estimator == "relax":
        zero = tf.zeros(of.toy.logits.shape)
        options = {"control": _control(seen, tf.ones([]), tf.ones([]), zero)}
    exact.gradients(
        case.estimator,
        of.toy.logits,
        counted,
        of.toy.latent,
        batch,
        tf.constant([0, 0]),
        options,
    )
    return counts


def cpu_microseconds(case: Case, of: Problem, options: dict[str, Any]) -> float:
    """Returns the CPU time of one estimate's gradient, in a graph of 10,000 at a time; the median of a few calls."""
    toy = of.toy
    rows = _rows(toy, TIMED_BATCH)

    @tf.function
    def gradient(seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(rows)
            made: Estimate = estimators.estimate(
                case.estimator, rows, of.cost, seed, toy.latent, **options
            )
        return tape.gradient(made.surrogate, rows)

    seconds = []
    for i in range(_TIMED_CALLS + 2):
        start = time.process_time()
        gradient(cost_lib.part(tf.constant([2, 0]), i)).numpy()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds[2:])) / TIMED_BATCH * 1e6


def _rows(toy: toys.Toy, count: int) -> tf.Tensor:
    """Returns the logits [count, *E]."""
    return tf.constant(np.broadcast_to(toy.logits, [count, *toy.logits.shape]))

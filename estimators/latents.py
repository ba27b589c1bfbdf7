"""The two kinds of discrete latents that every estimator knows: one-hot classes and bits."""

import abc
import difflib

import tensorflow as tf

from estimators import noise as noises
from estimators.noise import Shape


class Latent(abc.ABC):
    """A product of independent discrete variables, given by logits [*B, *E].

    A sample has the shape of the logits and is float32. `mean` is the probability p of each entry, so that
    d log q(z) / d logits = z - p in both kinds.

    Attributes:
        name: 'categorical' or 'bernoulli'.
        event_rank: The rank of E.
    """

    name: str
    event_rank: int

    @abc.abstractmethod
    def noise(self, shape: Shape, seed: tf.Tensor) -> tf.Tensor:
        """Draws the noise [*shape] float32 that makes `sample` and `relax` of logits."""

    @abc.abstractmethod
    def sample(self, logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Returns z [*B, *E], exactly 0 or 1 in every entry; no gradient."""

    @abc.abstractmethod
    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns p [*B, *E]."""

    @abc.abstractmethod
    def log_mean(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns log p [*B, *E]."""

    @abc.abstractmethod
    def pull_back(self, mean: tf.Tensor, cotangent: tf.Tensor) -> tf.Tensor:
        """Returns J^T g [*B, *E], J the derivative of `mean` with respect to the logits where it is `mean`."""

    @abc.abstractmethod
    def condition(self, logits: tf.Tensor, z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws logits + noise [*B, *E] given that they give the sample z; differentiable in the logits."""

    @abc.abstractmethod
    def log_prob(self, logits: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Returns log q(z) [*B]; of a relaxed z, what is linear in it."""

    def relax(
        self, logits: tf.Tensor, noise: tf.Tensor, temperature: float | tf.Tensor
    ) -> tf.Tensor:
        """Returns y [*B, *E], the mean of logits perturbed by noise and divided by the temperature."""
        return self.mean((logits + noise) / temperature)

    def spread(self, signal: tf.Tensor) -> tf.Tensor:
        """Returns a signal [*B] as [*B, 1...], to multiply samples with."""
        for _ in range(self.event_rank):
            signal = tf.expand_dims(signal, -1)
        return signal

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Sums [*B, *E] over E."""
        return tf.reduce_sum(values, list(range(-self.event_rank, 0)))


class Categorical(Latent):
    """N independent one-hot classes: logits [*B, N, K]."""

    name, event_rank = "categorical", 2

    def noise(self, shape: Shape, seed: tf.Tensor) -> tf.Tensor:
        return noises.gumbel_noise(shape, seed)

    def sample(self, logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        choice = tf.argmax(logits + noise, -1, output_type=tf.int32)
        return tf.one_hot(choice, tf.shape(logits)[-1], dtype=tf.float32)

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(logits)

    def log_mean(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.log_softmax(logits)

    def pull_back(self, mean: tf.Tensor, cotangent: tf.Tensor) -> tf.Tensor:
        return mean * (cotangent - tf.reduce_sum(mean * cotangent, -1, keepdims=True))

    def condition(self, logits: tf.Tensor, z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """log Z - log e_i for the class i of z, -log(e_j exp(-logits_j) + e_i / Z) for the others, e ~ Exp(1)."""
        total = tf.reduce_logsumexp(logits, -1, keepdims=True)
        log_e = tf.math.log(-tf.math.log(noises.uniform_noise(tf.shape(logits), seed)))
        own = tf.reduce_sum(z * log_e, -1, keepdims=True) - total
        others = -_log_add_exp(log_e - logits, own)
        return tf.where(z > 0, -own, others)

    def log_prob(self, logits: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return self.sum(z * self.log_mean(logits))


class Bernoulli(Latent):
    """N independent bits: logits [*B, N]."""

    name, event_rank = "bernoulli", 1

    def noise(self, shape: Shape, seed: tf.Tensor) -> tf.Tensor:
        return noises.logistic_noise(shape, seed)

    def sample(self, logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        return tf.cast(logits + noise > 0, tf.float32)

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(logits)

    def log_mean(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.math.log_sigmoid(logits)

    def pull_back(self, mean: tf.Tensor, cotangent: tf.Tensor) -> tf.Tensor:
        return mean * (1 - mean) * cotangent

    def condition(self, logits: tf.Tensor, z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """logits + log(w) - log(1 - w), w uniform on (1 - p, 1) where z is 1, on (0, 1 - p) where it is 0."""
        v = noises.uniform_noise(tf.shape(logits), seed)
        p, q = tf.sigmoid(logits), tf.sigmoid(-logits)
        one = tf.math.log1p(-v * p) - tf.math.log(v) - tf.math.log_sigmoid(logits)
        zero = tf.math.log1p(-v) + tf.math.log_sigmoid(-logits) - tf.math.log(p + v * q)
        return logits + tf.where(z > 0, one, zero)

    def log_prob(self, logits: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return self.sum(
            z * tf.math.log_sigmoid(logits) + (1 - z) * tf.math.log_sigmoid(-logits)
        )


_LATENTS: dict[str, Latent] = {
    latent.name: latent for latent in (Categorical(), Bernoulli())
}
LATENTS = tuple(_LATENTS)


def get(name: str) -> Latent:
    """Returns the kind of latent; ValueError on an unknown name."""
    if name not in _LATENTS:
        near = difflib.get_close_matches(str(name), _LATENTS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"latent is {name!r}; expected one of {LATENTS}.{hint}")
    return _LATENTS[name]


def prepare(logits: tf.Tensor, name: str) -> tuple[Latent, tf.Tensor]:
    """Returns the kind of latent and checked float32 logits.

    Raises:
        ValueError: If the rank is too small, K is unknown or 1, or (eagerly) a logit is NaN or infinite.
    """
    latent = get(name)
    logits = tf.cast(logits, tf.float32)
    rank, dims = (
        logits.shape.rank,
        "[..., N, K]" if latent.event_rank == 2 else "[..., N]",
    )
    if rank is not None and rank < latent.event_rank:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)}, but {name} latents need {dims}."
        )
    if latent.event_rank == 2 and (logits.shape[-1] is None or logits.shape[-1] < 2):
        raise ValueError(
            f"logits have shape {tuple(logits.shape)}; the last axis must be the classes, a known number of at "
            "least 2 (for bits take latent='bernoulli', whose logits are [..., N])."
        )
    check_finite(logits=logits)
    return latent, logits


def check_finite(**tensors: tf.Tensor) -> None:
    """Raises ValueError if an eager tensor holds NaN or infinity; costs graphs nothing."""
    if not tf.executing_eagerly():
        return
    for name, tensor in tensors.items():
        wrong = int(tf.reduce_sum(tf.cast(~tf.math.is_finite(tensor), tf.int32)))
        if wrong:
            raise ValueError(
                f"{name} hold {wrong} values that are NaN or infinite, of {tf.size(tensor)}."
            )


def check_positive(**values: float | tf.Tensor) -> None:
    """Raises ValueError if a number or an eager tensor is not positive; costs graphs nothing."""
    for name, value in values.items():
        symbolic = tf.is_tensor(value) or isinstance(value, tf.Variable)
        if symbolic and not tf.executing_eagerly():
            continue
        if not float(value) > 0:
            raise ValueError(f"{name} must be positive, got {float(value)}.")


def _log_add_exp(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.maximum(a, b) + tf.math.softplus(-tf.abs(a - b))

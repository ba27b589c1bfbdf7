"""What a policy expects of the critics, for every kind of action and every estimator of the gradient."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium.spaces import Box

import estimators
import layers
from agents import actions as actions_lib
from agents.sac.critic import TwinCritic
from envs.api import Action

MIN_STD = 1e-3  # of a squashed normal
LARGEST_TABLE = 256  # joint actions that `exact` evaluates


class Outlook(NamedTuple):
    """What a policy promises in some states.

    Attributes:
        value: [...], the smaller of both critics: expected over the policy, or at one action of it.
        entropy: [...], of the policy, nats, or its estimate -log pi(a).
    """

    value: tf.Tensor
    entropy: tf.Tensor


class Choices(actions_lib.Choices):
    """Discrete and MultiDiscrete actions: one softmax per factor.

    The entropy is exact, the sum over the factors; `outlook` says where the value comes from.

    Args:
        space: The action space.
        estimator: 'exact', 'gumbel_softmax', 'st_gumbel_softmax' or 'straight_through'.

    Raises:
        ValueError: If the estimator is exact and there are too many joint actions.
    """

    def __init__(self, space: Action, estimator: str) -> None:
        super().__init__(space, 0)
        self.estimator = estimator
        self.table = _table(self.head.classes) if estimator == "exact" else None

    def entropy_target(self, share: Any, per_action: float) -> Any:
        """The share of the largest entropy there is, that of uniform actions: share sum_k log K_k."""
        del per_action
        return share * math.fsum(math.log(k) for k in self.head.classes)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """The likeliest actions."""
        return self.head.mode(parameters)

    def outlook(
        self,
        parameters: tf.Tensor,
        critic: TwinCritic,
        embed: tf.Tensor,
        noise: tf.Tensor,
        temperature: tf.Tensor | None = None,
    ) -> Outlook:
        """What the policy promises, by the expectation over all joint actions or at a sample.

            exact    V = sum_a pi(a | s) min_i Q_i(s, a)
            others   V = min_i Q_i(s, z), z a one-hot sample or its relaxation, with the estimator's gradient

        Args:
            parameters: [..., A], logits.
            critic: Reads embed and actions.
            embed: [..., E].
            noise: [..., A], Gumbel; not read where exact.
            temperature: Scalar, of the relaxation; None: samples are one-hot, and without a gradient.
        """
        entropy = self.head.entropy(parameters)
        if self.table is not None:
            log_p = self.head.log_softmax(parameters)
            joint = tf.exp(tf.tensordot(log_p, self.table, [[-1], [1]]))
            q = tf.reduce_min(critic.at_each(embed, self.table), 0)
            return Outlook(tf.reduce_sum(joint * q, -1), entropy)
        if temperature is None:
            action = self.head.sample(parameters, noise)
        else:
            action = self.through(parameters, noise, temperature)
        return Outlook(tf.reduce_min(critic(embed, action), 0), entropy)

    def through(
        self, parameters: tf.Tensor, noise: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        """A sample per factor through which gradients flow to the logits, side by side [..., A]."""
        pairs = zip(self.head.split(parameters), self.head.split(noise), strict=True)
        if self.estimator == "straight_through":
            parts = [estimators.straight_through(*pair, temperature) for pair in pairs]
        else:
            hard = self.estimator == "st_gumbel_softmax"
            parts = [
                estimators.gumbel_softmax(*pair, temperature, hard=hard)
                for pair in pairs
            ]
        return tf.concat(parts, -1)


class Squashed(actions_lib.Continuous):
    """Box actions: a normal through a tanh, with a sample's own gradient; no estimator is needed.

    Args:
        space: The action space.
    """

    def __init__(self, space: Action) -> None:
        # Open: how the deviation is made positive; softplus, and at least MIN_STD.
        super().__init__(
            space,
            lambda size: layers.TanhNormalHead(size, min_std=MIN_STD, name="policy"),
        )

    def entropy_target(self, share: Any, per_action: float) -> Any:
        """The same differential entropy for every action: A times per_action."""
        del share
        return tf.constant(per_action * self.size)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """tanh(m), the median."""
        return self.head.sample(parameters, 0.0)

    def outlook(
        self,
        parameters: tf.Tensor,
        critic: TwinCritic,
        embed: tf.Tensor,
        noise: tf.Tensor,
        temperature: tf.Tensor | None = None,
    ) -> Outlook:
        """min_i Q_i(s, a) and -log pi(a | s) at a = tanh(m + s n); see `Choices.outlook`."""
        del temperature
        action, log_prob = self.head.sample_and_log_prob(parameters, noise)
        return Outlook(tf.reduce_min(critic(embed, action), 0), -log_prob)


def make(space: Action, estimator: str) -> Choices | Squashed:
    """Returns what fits the space; ValueError where the estimator does not."""
    if isinstance(space, Box):
        return Squashed(space)
    return Choices(space, estimator)


def linear_size(choice: Choices | Squashed, critic: str) -> int | None:
    """Returns the numbers of a code in which the critics are linear; None where they are no such critics."""
    if critic == "mlp":
        return None
    if isinstance(choice, Squashed):
        raise ValueError(
            "critic=linear came, whose best action would lie at the bounds: real numbers as actions take --critic=mlp"
        )
    return choice.size


def _table(classes: tuple[int, ...]) -> tf.Tensor:
    """The codes of all joint actions, [N, A]."""
    number = math.prod(classes)
    if number > LARGEST_TABLE:
        raise ValueError(
            f"estimator=exact evaluates the critics at every joint action, and {len(classes)} factors of {list(classes)} "
            f"classes make {number:,}, more than {LARGEST_TABLE}: use --estimator=straight_through, gumbel_softmax or "
            "st_gumbel_softmax"
        )
    joint = itertools.product(*(np.eye(k, dtype=np.float32) for k in classes))
    return tf.constant(np.stack([np.concatenate(codes) for codes in joint]))

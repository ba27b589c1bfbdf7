"""Behaviour: an actor and a critic that learn from imagined states alone."""

from collections.abc import Mapping
from typing import NamedTuple

import gymnasium
import keras
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.dreamerv2 import nets
from agents.dreamerv2.config import DreamerV2Config
from agents.dreamerv2.world_model import WorldModel
from estimators.returns import lambda_return
from layers.rssm_cell import RSSMState


class Dream(NamedTuple):
    """An imagined batch of N trajectories, k = 0..H; action k led from state k to state k + 1.

    Attributes:
        features: [H + 1, N, F], k = 0 being a state of the replay.
        policy: [H, N, ...], the actor's parameters at k = 0..H-1.
        action: [H, N, A].
        reward: [H + 1, N], predicted on arriving at k.
        discount: [H + 1, N].
        weight: [H + 1, N], the product of the discounts before k; no gradient.
    """

    features: tf.Tensor
    policy: tf.Tensor
    action: tf.Tensor
    reward: tf.Tensor
    discount: tf.Tensor
    weight: tf.Tensor


class Behavior:
    """The actor, the critic and its slow copy.

    Args:
        spaces: The spaces of one row.
        config: The settings.
        dtype: Keras dtype policy of the nets.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), section 2.2.
    """

    def __init__(self, spaces: Spaces, config: DreamerV2Config, dtype: str) -> None:
        self.config = config
        self.discrete = isinstance(spaces.action, gymnasium.spaces.Discrete)
        if isinstance(spaces.action, gymnasium.spaces.Discrete):
            head = layers.OneHotHead(int(spaces.action.n), dtype=dtype)
        else:
            assert spaces.action.shape is not None
            head = layers.TruncatedNormalHead(spaces.action.shape[0], dtype=dtype)
        self.actor = nets.Predictor(head, config, dtype, "actor")
        self.critic = self._critic("critic", dtype)
        self.slow_critic = self._critic("slow_critic", dtype)
        self.modules = {
            "actor": self.actor,
            "critic": self.critic,
            "slow_critic": self.slow_critic,
        }
        self.gradient = config.actor_grad
        if self.gradient == "auto":
            self.gradient = "reinforce" if self.discrete else "dynamics"

    def imagine(
        self,
        world: WorldModel,
        start: RSSMState,
        not_terminal: tf.Tensor,
        noise: tf.Tensor,
        action_noise: tf.Tensor,
    ) -> Dream:
        """Rolls the actor out in the prior, from states of the replay.

        Args:
            world: The world model.
            start: [N, ...], posterior states.
            not_terminal: [N], the discount of the replayed rows: 0 where terminal.
            noise: [H, N, *noise_shape] of the latent samples.
            action_noise: [H, N, ...] of the action samples.
        """
        cell = world.cell

        def policy_at(state: RSSMState) -> tf.Tensor:
            return self.actor(tf.stop_gradient(cell.features(state)))

        def step(
            before: tuple[RSSMState, tf.Tensor, tf.Tensor],
            now: tuple[tf.Tensor, tf.Tensor],
        ) -> tuple[RSSMState, tf.Tensor, tf.Tensor]:
            state, policy, _ = before
            step_noise, step_action_noise = now
            action = self.actor.head.sample(policy, step_action_noise)
            if self.gradient == "reinforce":
                action = tf.stop_gradient(action)
            state = cell.prior_step(state, cell.action_inputs(action), step_noise)
            return state, policy_at(state), action

        first = policy_at(start)
        no_action = tf.zeros((tf.shape(not_terminal)[0], cell.action_size))
        states, policies, actions = tf.scan(
            step, (noise, action_noise), (start, first, no_action)
        )
        stacked = tf.concat([cell.features(start)[None], cell.features(states)], 0)
        discount = world.predicted_discount(stacked)
        discount = tf.concat(
            [self.config.discount * not_terminal[None], discount[1:]], 0
        )
        weight = tf.math.cumprod(discount, exclusive=True)
        return Dream(
            stacked,
            tf.concat([first[None], policies[:-1]], 0),
            actions,
            world.reward(stacked),
            discount,
            tf.stop_gradient(weight),
        )

    def targets(self, dream: Dream) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the slow critic's values [H + 1, N] and the lambda-returns [H, N] bootstrapped by them."""
        value = self.slow_critic(dream.features)
        returns = lambda_return(
            dream.reward[:-1],
            value[:-1],
            dream.discount[:-1],
            value[-1],
            self.config.return_lambda,
        )
        return value, returns

    def actor_loss(
        self,
        dream: Dream,
        value: tf.Tensor,
        returns: tf.Tensor,
        mix: tf.Tensor,
        entropy_scale: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns - mean over k = 0..H-2 of weight_k (objective_k + entropy_scale entropy_k).

        reinforce: log pi(action_k | state_k) sg(V_{k+1} - v_k), the baseline from the slow critic;
        dynamics: V_{k+1}; both: mix V_{k+1} + (1 - mix) of the former.

        Args:
            dream: The imagined batch.
            value: [H + 1, N], v of the slow critic.
            returns: [H, N], V.
            mix: Scalar, 1 - rho of the paper.
            entropy_scale: Scalar, eta of the paper.
        """
        head = self.actor.head
        policy = tf.nest.map_structure(lambda part: part[:-1], dream.policy)
        entropy = head.entropy(policy)
        objective = returns[1:]
        if self.gradient != "dynamics":
            advantage = tf.stop_gradient(returns[1:] - value[:-2])
            score = head.log_prob(policy, dream.action[:-1]) * advantage
            objective = (
                score
                if self.gradient == "reinforce"
                else mix * objective + (1.0 - mix) * score
            )
        loss = -tf.reduce_mean(
            dream.weight[:-2] * (objective + entropy_scale * entropy)
        )
        metrics = {"actor_ent": tf.reduce_mean(entropy), "actor_loss": loss}
        return loss, metrics

    def critic_loss(
        self, dream: Dream, returns: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns mean over k = 0..H-1 of weight_k times -log Normal(sg(V_k); v_k, 1)."""
        value = self.critic(tf.stop_gradient(dream.features[:-1]))
        error = nets.normal_nll(tf.stop_gradient(returns), value, 0)
        loss = tf.reduce_mean(dream.weight[:-1] * error)
        return loss, {"critic": tf.reduce_mean(value), "critic_loss": loss}

    def update_slow_critic(self, updates: tf.Tensor) -> None:
        """Copies the critic in full after the first update, then a fraction of it every `slow_target_every`.

        Args:
            updates: Scalar integer, the updates before this one.
        """
        config = self.config
        fraction = tf.where(updates == 0, 1.0, config.slow_target_fraction)
        due = updates % config.slow_target_every == 0
        mix = tf.where(due, fraction, 0.0)
        for slow, fast in zip(
            self.slow_critic.variables, self.critic.variables, strict=True
        ):
            slow.assign(mix * fast.value + (1.0 - mix) * slow.value)

    def action_noise(
        self, leading: tuple[int | tf.Tensor, ...], seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns noise for samples of the actor."""
        return self.actor.head.noise(leading, seed)

    def _critic(self, name: str, dtype: str) -> nets.Predictor:
        return nets.Predictor(
            layers.UnitNormalHead(dtype=dtype), self.config, dtype, name
        )


def dream_metrics(
    dream: Dream, value: tf.Tensor, returns: tf.Tensor
) -> Mapping[str, tf.Tensor]:
    """Returns what is worth watching of an imagined batch."""
    return {
        "reward_mean": tf.reduce_mean(dream.reward),
        "reward_std": tf.math.reduce_std(dream.reward),
        "critic_slow": tf.reduce_mean(value),
        "critic_target": tf.reduce_mean(returns),
    }


def trainable(module: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the trainable variables of a module, in a fixed order."""
    return list(module.trainable_variables)

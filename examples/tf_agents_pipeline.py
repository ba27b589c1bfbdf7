"""DreamerV2 in a TF-Agents pipeline: python examples/tf_agents_pipeline.py --output=catch_policy

TF-Agents' drivers collect, its replay buffer holds the data, its metrics count, its PolicySaver saves; agent and environment
come from the zoo through `agents.tf_agents`. About four minutes on two cores; random play scores -0.6.
"""

import tensorflow as tf
from absl import app, flags
from tf_agents.drivers.dynamic_episode_driver import DynamicEpisodeDriver
from tf_agents.drivers.dynamic_step_driver import DynamicStepDriver
from tf_agents.environments.tf_py_environment import TFPyEnvironment
from tf_agents.metrics.tf_metrics import AverageReturnMetric, EnvironmentSteps
from tf_agents.policies.policy_saver import PolicySaver
from tf_agents.policies.random_tf_policy import RandomTFPolicy
from tf_agents.replay_buffers.tf_uniform_replay_buffer import TFUniformReplayBuffer
from tf_agents.utils import common

import agents
from agents.tf_agents import Environment, TFAgent

_STEPS = flags.DEFINE_integer("env_steps", 8_000, "Environment steps.")
_SEED = flags.DEFINE_integer("seed", 0, "Seeds weights, noise and environment.")
_OUTPUT = flags.DEFINE_string("output", "", "Save the greedy policy there.")


def main(_: list[str]) -> None:
    """Collects and trains in turns, then evaluates."""
    tf.random.set_seed(_SEED.value)
    zoo = Environment("zoo:Catch-v0", seed=_SEED.value)
    env = TFPyEnvironment(zoo)
    learner = agents.make("dreamerv2", zoo.spaces, preset="catch", seed=_SEED.value)
    config, agent = learner.config, TFAgent(learner, seed=_SEED.value)
    agent.initialize()
    replay = TFUniformReplayBuffer(agent.collect_data_spec, env.batch_size, 20_000)
    steps, score = EnvironmentSteps(), AverageReturnMetric(buffer_size=100)
    watching = [replay.add_batch, steps, score]

    start = RandomTFPolicy(env.time_step_spec(), env.action_spec())
    DynamicStepDriver(env, start, watching, num_steps=config.prefill).run()
    data = replay.as_dataset(
        sample_batch_size=config.batch_size, num_steps=agent.train_sequence_length
    )
    windows, train = iter(data.prefetch(2)), common.function(agent.train)
    for _ in range(config.pretrain):
        train(next(windows)[0])
    every = int(config.train_every)
    driver = DynamicStepDriver(env, agent.collect_policy, watching, num_steps=every)
    collect = common.function(driver.run)
    time_step, state = (
        env.current_time_step(),
        agent.collect_policy.get_initial_state(1),
    )
    while (done := int(steps.result())) < _STEPS.value:
        time_step, state = collect(time_step, state)
        loss = train(next(windows)[0]).loss
        if done // 500 < (now := int(steps.result())) // 500:
            print(f"{now:6,} steps  loss {loss:.2f}  return {score.result():.2f}")

    score, count = AverageReturnMetric(buffer_size=100), 100
    DynamicEpisodeDriver(env, agent.policy, [score], num_episodes=count).run()
    deviation = (1 - score.result() ** 2) ** 0.5  # returns are 1 or -1
    print(
        f"greedy, {count} episodes: {score.result():.2f} ± {deviation / count**0.5:.2f}"
    )
    if _OUTPUT.value:
        PolicySaver(agent.policy, batch_size=None).save(_OUTPUT.value)


if __name__ == "__main__":
    app.run(main)

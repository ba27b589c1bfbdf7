"""Vector reset, driver, replay, rollout, checkpoint and sampler, proved on counting environments."""

import numpy as np
import pytest

import envs
from agents import driver, registry, rollout
from agents.checkpoint import Checkpoints
from agents.learner import NonFiniteError
from envs.counting import CountingGame
from envs.reset_mask import ResetMaskEnvs
from tests.agents.dummies import (
    OnPolicyDummy,
    RecurrentReplayAgent,
    ReplayConfig,
    StatelessDummy,
)

ENVIRONMENTS = {
    "next_step": lambda: envs.make("zoo:Counting-v0", 3),
    "next_step_images": lambda: envs.make("zoo:Counting-v0", 2, kwargs={"image": True}),
    "reset_mask": lambda: ResetMaskEnvs("counting", CountingGame(4)),
    "players": lambda: ResetMaskEnvs("counting", CountingGame(6, players=3)),
}


def run(agent, environment, until, seed=0):
    for event in driver.run(agent, environment, until=until, seed=seed):
        assert event.step.is_first.shape == (environment.num_envs,)


@pytest.fixture(params=ENVIRONMENTS)
def environment(request):
    made = ENVIRONMENTS[request.param]()
    yield made
    made.close()


@pytest.mark.parametrize("kind", [RecurrentReplayAgent, StatelessDummy])
def test_every_sampled_row_follows_from_the_one_before(kind, environment, tmp_path):
    agent = kind(environment.spaces, folder=tmp_path)
    run(agent, environment, 400)
    assert agent.updates >= 50
    agent.close()


def test_every_window_row_follows_from_the_one_before_over_window_borders(environment):
    agent = OnPolicyDummy(environment.spaces)
    run(agent, environment, 400)
    assert len(agent.windows) >= 5
    for before, after in zip(agent.windows[:-1], agent.windows[1:], strict=True):
        for key in before:
            np.testing.assert_array_equal(before[key][-1], after[key][0])
    for window in agent.windows:
        moved = rollout.to_transitions(window)
        np.testing.assert_array_equal(moved.mask, ~window["is_first"][1:])
        playing = moved.mask == 1
        np.testing.assert_array_equal(
            moved.state["log_prob"][playing], -1.0 - moved.action[playing]
        )
        np.testing.assert_array_equal(
            moved.next_observation["vector"][..., 1][playing], moved.action[playing]
        )


def test_stored_state_is_the_one_returned_with_the_action_that_led_to_the_row(tmp_path):
    environment = ENVIRONMENTS["next_step"]()
    agent = RecurrentReplayAgent(environment.spaces, folder=tmp_path)
    run(agent, environment, 300)
    for batch in agent.batches:
        total, action = batch["state/total"], batch["action"]
        first = batch["observation/vector"][..., 0] == 0
        inside = ~first[1:] & ~first[:-1]
        np.testing.assert_allclose(total[1:][inside], (total[:-1] + action[1:])[inside])
    agent.close()


def test_env_steps_count_no_reset_rows_and_no_rows_of_players_that_left():
    environment = ENVIRONMENTS["players"]()
    agent = OnPolicyDummy(environment.spaces)
    steps = 0
    for event in driver.run(agent, environment, until=200, seed=1):
        steps += int((~event.step.is_first).sum())
        assert agent.env_steps == steps


def test_returns_and_lengths_of_episodes_are_those_of_the_environment():
    from envs import counting

    environment = ENVIRONMENTS["next_step"]()
    agent = OnPolicyDummy(environment.spaces)
    rewards = {row: [] for row in range(3)}
    episodes = 0
    for event in driver.run(agent, environment, until=300, seed=5):
        for row in range(3):
            if event.step.is_first[row]:
                rewards[row] = []
            else:
                rewards[row].append(event.step.reward[row])
        for episode in event.episodes:
            episodes += 1
            number = event.step.observation["vector"][episode.row, 2]
            assert episode.length == counting.episode_length(number)
            assert episode.length == len(rewards[episode.row])
            assert episode.score == pytest.approx(sum(rewards[episode.row]))
    assert episodes > 20


def test_play_counts_an_equal_share_of_episodes_per_row_so_short_ones_get_no_start():
    environment = ENVIRONMENTS["next_step"]()
    agent = OnPolicyDummy(environment.spaces)
    rows = [
        episode.row
        for _, counted in driver.play(agent, environment, 7, seed=0, mode="sample")
        for episode in counted
    ]
    assert sorted(rows) == [0, 0, 0, 1, 1, 2, 2]
    assert agent.env_steps == 0


def test_short_episodes_are_learned_from(tmp_path):
    environment = envs.make("zoo:Counting-v0", 2, kwargs={"longest": 3})
    agent = RecurrentReplayAgent(environment.spaces, folder=tmp_path)
    agent.longest = 3
    run(agent, environment, 300)
    assert agent.updates > 20
    agent.close()


def resumed_copies(tmp_path, kind):
    """Trains, saves, and returns the agent that went on and the one that was loaded."""
    environment = ENVIRONMENTS["players"]()
    agent = kind(environment.spaces, folder=tmp_path)
    run(agent, environment, 210, seed=3)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(210, {"agent": agent.get_state()})
    run(agent, environment, 500, seed=4)
    agent.close()
    other = kind(environment.spaces, folder=tmp_path)
    checkpoints.restore(lambda tree: other.set_state(tree["agent"]))
    run(other, ENVIRONMENTS["players"](), 500, seed=4)
    other.close()
    return agent, other


def test_a_resumed_run_samples_the_batches_of_one_that_went_on(tmp_path):
    agent, other = resumed_copies(tmp_path, RecurrentReplayAgent)
    assert agent.updates == other.updates > 60
    assert float(agent.weight) == float(other.weight)
    again = agent.batches[-len(other.batches) :]
    for before, after in zip(again, other.batches, strict=True):
        for key in before:
            np.testing.assert_array_equal(before[key], after[key], err_msg=key)


def test_a_resumed_on_policy_run_sees_the_windows_of_one_that_went_on(tmp_path):
    environment = ENVIRONMENTS["players"]()
    agent, other = (OnPolicyDummy(environment.spaces) for _ in range(2))
    run(agent, environment, 210, seed=3)
    Checkpoints(tmp_path).save(210, {"agent": agent.get_state()})
    Checkpoints(tmp_path).restore(lambda tree: other.set_state(tree["agent"]))
    before = len(agent.windows)
    run(agent, environment, 500, seed=4)
    run(other, ENVIRONMENTS["players"](), 500, seed=4)
    assert len(other.windows) == len(agent.windows) - before > 5
    for one, two in zip(agent.windows[before:], other.windows, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], two[key], err_msg=key)


def test_a_team_gives_each_agent_its_own_rows():
    environment = ENVIRONMENTS["players"]()
    members = [OnPolicyDummy(environment.spaces, seed=i) for i in range(2)]
    team = driver.Team(members, np.array([0, 1, 1, 0, 1, 1]))
    run(team, environment, 300)
    assert [window["reward"].shape[1] for window in members[0].windows[:1]] == [2]
    assert [window["reward"].shape[1] for window in members[1].windows[:1]] == [4]
    assert members[0].env_steps + members[1].env_steps == team.env_steps


def test_a_replay_too_small_for_a_window_per_environment_is_refused():
    environment = ENVIRONMENTS["next_step"]()
    agent = RecurrentReplayAgent(environment.spaces, ReplayConfig(replay_capacity=20))
    with pytest.raises(ValueError, match="replay_capacity=20 is less than"):
        run(agent, environment, 10)


def test_the_registry_names_the_near_agent():
    with pytest.raises(ValueError, match="Did you mean 'dreamerv2'"):
        registry.entry("dreamer")


def test_an_on_policy_agent_stops_on_a_loss_that_is_not_finite(environment):
    agent = OnPolicyDummy(environment.spaces)
    agent.update = lambda batch: {"loss": np.float32(np.nan), "other": np.float32(1)}
    with pytest.raises(NonFiniteError, match=r"update 0 at .* not finite: loss\. The"):
        run(agent, environment, 400)
    assert agent.updates == 0

"""Random steps: their statistics, and a complaint for each thing that is wrong with an environment."""

import numpy as np
import pytest
from gymnasium import spaces

import envs
from agents import suggestion
from launch import timing, trial
from tests.faults import tiny
from tests.faults.tiny import Tiny

STEPS = 60


def look(name: str, num_envs: int = 1, **options) -> tuple[trial.Trial, str, list[str]]:
    """Returns the trial, what differed under one seed, and the warnings, as check_env finds them."""
    made = [
        envs.make(f"tests.launch.odd_envs:{name}", num_envs, **options)
        for _ in range(2)
    ]
    seen = trial.run(made[0], STEPS, 7, lambda made: None)
    differing = [trial.find_difference(each, 7, seen.steps) for each in made]
    different = differing[0] or differing[1]
    for each in made:
        each.close()
    return seen, different, trial.find_warnings(seen, made[0].spaces, 0, different)


def test_a_fine_environment_gets_no_warning_and_its_numbers_are_counted():
    seen, different, warnings = look("Fine")
    assert (different, warnings) == ("", [])
    assert seen.env_steps == STEPS == len(seen.rewards)
    assert [episode.length for episode in seen.episodes] == [10] * 6
    assert (seen.terminated, seen.truncated) == (6, 0)
    returns = [episode.score for episode in seen.episodes]
    assert sum(returns) == seen.rewards.sum()
    assert set(seen.rewards) == {0.0, 1.0}
    assert seen.steps_per_s > 0
    stacked = np.concatenate([step.observation["vector"] for step in seen.steps])
    np.testing.assert_array_equal(seen.low["vector"], stacked.min(0))
    np.testing.assert_array_equal(seen.high["vector"], stacked.max(0))


def test_steps_are_counted_over_all_rows_and_resets_are_none():
    seen, different, _ = look("Fine", num_envs=3)
    assert seen.env_steps == STEPS == len(seen.rewards)
    assert different == ""
    assert (
        len(seen.steps) == 22
    )  # 20 steps of three rows, the reset, and one between episodes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NoReward", "no reward in 60 random steps"),
        ("SameReward", "every reward was 1, and no episode terminated"),
        ("HugeReward", "rewards reach 5000"),
        ("TinyReward", "no reward is larger than 1e-05"),
        ("Endless", "no episode ended within 60 steps: if they can last for ever"),
        ("OneStep", "every episode was one step long"),
        ("Still", "observation 'vector' never changed"),
        ("LargeFloats", "observation 'vector' reaches 9"),
        ("FloatImage", "image 'image' has floats up to 25"),
        ("OwnDice", "one seed gave two games (observation 'vector' at step 0"),
        ("OwnWorld", "one seed gave two games (observation 'vector' at step 0"),
    ],
)
def test_each_fault_gets_one_warning_that_says_what_to_do(name, text):
    _, _, warnings = look(name)
    (warning,) = warnings
    assert text in warning


def test_a_time_limit_ends_what_never_ends():
    seen, _, warnings = look("Endless", time_limit=20)
    assert warnings == []
    assert (seen.terminated, seen.truncated) == (0, 3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NotANumber", "'vector': got nan at index [0]; expected finite numbers"),
        ("WrongType", "got dtype int64 and shape (3,); expected float32"),
        ("Raises", "step raised"),
    ],
)
def test_what_the_guard_refuses_ends_the_trial(name, text):
    with pytest.raises(envs.EnvError) as error:
        look(name)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (spaces.Discrete(4), "Discrete(4)"),
        (
            spaces.Box(0, 255, (96, 96, 3), np.uint8),
            "96x96x3 uint8, 0 to 255",
        ),
        (
            spaces.Box(-np.inf, 1, (4,), np.float32),
            "4 float32, no bounds",
        ),
        (spaces.Box(0, 1, (2, 3), np.bool_), "2x3 bool"),
        (spaces.Box(0, 1, (), np.float32), "one number, float32"),
    ],
)
def test_spaces_are_described_in_a_few_words(space, text):
    assert trial.describe_space(space).startswith(text)


@pytest.mark.parametrize("parallel", ["sync", "process"])
def test_environments_show_their_own_spaces_beside_those_that_arrive(parallel):
    made = envs.make("gym:Pendulum-v1", parallel=parallel)
    assert made.native.action.high == 2 and made.spaces.action.high == 1
    assert made.native.observation["vector"].high.tolist() == [1, 1, 8]
    made.close()


def test_measuring_counts_updates_and_the_steps_between_them(tmp_path):
    made = envs.make("zoo:Catch-v0", 2)
    seen = trial.run(made, STEPS, 0, lambda made: None)
    config = tiny.TinyConfig(prefill=40, train_every=4.0)
    agent = Tiny(made.spaces, config, folder=tmp_path)
    done: list[int] = []
    found = timing.measure(agent, seen.steps, done.append)
    agent.close()
    made.close()
    assert done == list(range(1, timing.UPDATES + 2)) and agent.updates == done[-1]
    assert found.updates_per_step == pytest.approx(1 / 4, rel=0.2)
    assert found.act_s > 0 and found.update_s > 0 and found.first_update_s > 0


def test_the_hours_of_a_run_are_the_sums_written_out():
    run = tiny.training.RunConfig(
        num_envs=2, env_steps=10_000, eval_every=5_000, eval_episodes=3
    )
    found = timing.Timing(
        act_s=0.01, update_s=0.5, first_update_s=9.0, updates_per_step=0.1
    )
    hours = timing.hours(run, found, 100.0, 50.0, prefill=2_000, pretrain=7)
    assert hours.environment == pytest.approx(100 / 3600)
    assert hours.acting == pytest.approx(8_000 / 2 * 0.01 / 3600)
    assert hours.learning == pytest.approx((800 + 7) * 0.5 / 3600)
    assert hours.evaluating == pytest.approx(2 * 3 * 50 * (0.01 + 0.01 / 3) / 3600)
    assert hours.total == pytest.approx(sum(hours))


def test_an_unknown_agent_gives_no_suggestion():
    with pytest.raises(ValueError, match="Did you mean 'dreamerv2'"):
        suggestion.suggest("dreamer2", "zoo:Catch-v0", lambda: None, lambda: False)  # type: ignore[arg-type, return-value]

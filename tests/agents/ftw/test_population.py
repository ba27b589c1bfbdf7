"""A population as one agent: who plays which rows, what is learned from them, and who copies whom."""

import math

import numpy as np
import pytest
import tensorflow as tf

import envs
from agents import actors, driver, registry, training
from agents.ftw.league import Exploit
from agents.ftw.population import MEMBER, RESULTS, Population
from tests.agents.weights import differing, snapshot

MEMBERS, LENGTH = 2, 15  # games of 15 steps, windows of 5
OPTIONS = {"length": LENGTH, "win_reward": True, "team_size": 1}


def games(num_envs=8, **options):
    return envs.make("ctf:small", num_envs, **OPTIONS | options)


def make(seed=0, population=MEMBERS, **overrides):
    given = {"burn_in": 10_000, "pixel_scale": 0.0, "hierarchy": False}
    given |= {"prediction_scale": 0.0} | overrides
    spaces = games(2).spaces
    return registry.make("ftw", spaces, "debug", seed, population=population, **given)


@pytest.fixture(scope="module")
def agent():
    return make()


def turns(agent, number, num_envs=8, seed=0, **options):
    """Steps, states and actions of a loop that learns."""
    made, found = games(num_envs, **options), []
    step, state = made.reset(seed=seed), agent.initial_state(num_envs, seed=seed)
    for _ in range(number):
        agent.observe(step, state)
        metrics = agent.train()
        action, after = agent.act(step, state)
        found.append((step, state, action, after, metrics))
        step, state = made.step(action), after
    return found


def test_one_member_is_a_plain_agent_and_several_are_a_population(agent):
    assert isinstance(agent, Population) and len(agent.members) == MEMBERS
    assert agent.name == "ftw" and agent.members[1].seed == 1
    single = make(population=1)
    assert not isinstance(single, Population)
    assert agent.parameters == MEMBERS * single.parameters
    assert differing(snapshot(agent.members[0]), snapshot(agent.members[1]))


def test_rows_are_matched_where_all_games_begin_and_stay_until_then(agent):
    found = turns(agent, 2 * LENGTH + 4)
    members = np.array([after[MEMBER] for *_, after, _ in found])
    firsts = [i for i, (step, *_) in enumerate(found) if step.is_first.all()]
    assert firsts == [0, LENGTH + 1, 2 * LENGTH + 2]
    for begin, end in zip(firsts, [*firsts[1:], len(found)], strict=True):
        assert (members[begin:end] == members[begin]).all()
        pairs = members[begin].reshape(-1, 2)
        assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len({tuple(members[i]) for i in firsts}) == len(firsts)


def test_each_row_is_acted_on_by_its_member_alone(agent):
    step, state, action, after, _ = turns(agent, 3)[-1]
    for member in range(MEMBERS):
        rows = np.flatnonzero(after[MEMBER] == member)
        if not len(rows):
            continue
        mine = {k: np.asarray(v)[rows] for k, v in state.items() if k != MEMBER}
        expected, then = agent.members[member].act(driver.take_rows(step, rows), mine)
        np.testing.assert_array_equal(action[rows], expected)
        for key, value in then.items():
            np.testing.assert_array_equal(after[key][rows], value, err_msg=key)


def test_acting_is_a_function_of_step_state_and_weights(agent):
    for step, state, *_ in turns(agent, 2):
        one, other = agent.act(step, state), agent.act(step, state)
        np.testing.assert_array_equal(one[0], other[0])
        for key, value in one[1].items():
            np.testing.assert_array_equal(value, other[1][key])


def test_members_do_not_share_noise(agent):
    state = agent.initial_state(8, seed=3)
    assert len({tuple(seed) for seed in state["seed"]}) == 8
    assert (state["seed"] >= 0).all()
    again = agent.initial_state(8, seed=3)
    np.testing.assert_array_equal(state["seed"], again["seed"])


def test_a_window_has_the_rows_of_each_member_and_the_games_that_ended():
    agent, taken = make(), []
    agent.learn = lambda batch: taken.append(batch) or {"loss": 0.0}
    found = turns(agent, LENGTH + 1)
    assert len(taken) == 3  # three windows of five steps make a game
    members = found[0][3][MEMBER]
    for batch in taken:
        for member in np.unique(members):
            rows = np.flatnonzero(members == member)
            assert batch[f"{member}/reward"].shape == (6, len(rows))
    last = found[-1][0]
    np.testing.assert_array_equal(
        taken[2]["0/reward"][-1], last.reward[np.flatnonzero(members == 0)]
    )
    assert [len(batch[RESULTS]) for batch in taken] == [0, 0, 4]
    np.testing.assert_array_equal(taken[2][RESULTS][:, :2], members.reshape(-1, 2))
    outcome = last.info["outcome"].reshape(-1, 2)
    np.testing.assert_array_equal(taken[2][RESULTS][:, 2], outcome[:, 0])


def test_learning_on_policy_repeats_what_was_acted():
    """Importance weights of 1 say that each member's rows, noise and states are those it acted with."""
    agent = make()
    metrics = [found[-1] for found in turns(agent, 2 * LENGTH + 2) if found[-1]]
    assert len(metrics) == 6
    for each in metrics:
        seen = [each[k] for k in each if k.endswith("/importance")]
        assert len(seen) >= 2
        np.testing.assert_allclose(seen, 1.0, atol=1e-5)


def batch_of(agent, results=()):
    """A window of each member, made by one loop."""
    taken = []
    keep, agent.learn = agent.learn, lambda batch: taken.append(batch) or {"loss": 0.0}
    turns(agent, 6, num_envs=12)
    agent.learn = keep
    return taken[0] | {RESULTS: np.array(results, np.int64)}


def test_a_members_update_is_that_of_the_plain_agent_and_touches_nobody_else():
    agent = make()
    batch = batch_of(agent)
    alone = {k.removeprefix("1/"): v for k, v in batch.items() if k.startswith("1/")}
    twin = make()
    expected = twin.members[1].learn(alone)
    metrics = agent.learn({**{f"1/{k}": v for k, v in alone.items()}, RESULTS: []})
    assert metrics["member1/loss"] == expected["loss"] == metrics["loss"]
    assert differing(snapshot(agent.members[1]), snapshot(twin.members[1])) == set()
    assert differing(snapshot(agent.members[0]), snapshot(twin.members[0])) == set()


def test_results_move_ratings_and_rewards_do_not():
    agent = make()
    batch = batch_of(agent, [[0, 1, 1], [1, 0, 0]])
    for key in batch:
        if key.endswith("info/events"):
            batch[key] = batch[key] + 100
    metrics = agent.learn(batch)
    ratings = [metrics[f"member{i}/elo"] for i in range(MEMBERS)]
    moved = 8 * (1 / (1 + 10 ** (8 / 400)) - 0.5)  # a draw of the weaker
    assert ratings == pytest.approx([1004 + moved, 996 - moved])
    assert metrics["games"] == 2 and metrics["exploits"] == 0
    assert agent.player() is agent.members[0]


def test_a_weak_member_becomes_the_strong_one_with_other_numbers():
    agent = make(burn_in=1, mutation_rate=1.0)
    agent.learn(batch_of(agent, [[0, 1, 1]] * 200))
    found = agent.league.lineage
    assert [(each.member, each.parent) for each in found] == [(1, 0)]
    for each in found:
        assert isinstance(each, Exploit) and each.win_probability < 0.3
    child = agent.members[found[-1].member]
    parent = agent.members[found[-1].parent]
    # All but the hyperparameters, the period and the factor within the core among them.
    assert differing(snapshot(child), snapshot(parent)) == {"hyper"}
    for name, value in found[-1].hyper.items():
        np.testing.assert_allclose(child.hyper[name].numpy(), value, rtol=1e-6)
    rows = games(4).reset(seed=0)
    state = child.initial_state(4)
    actions = [each.act(rows, state)[0] for each in (child, parent)]
    np.testing.assert_array_equal(*actions)
    # It is a copy: the parent's next update leaves the child as it is.
    before = snapshot(child)
    number = found[-1].parent
    batch = batch_of(agent)
    rows = {k: v for k, v in batch.items() if k.startswith(f"{number}/")}
    agent.members[number].learn({k.partition("/")[2]: v for k, v in rows.items()})
    assert differing(before, snapshot(child)) == set()


def test_a_member_with_nan_is_made_anew_from_a_healthy_one(caplog):
    agent = make()
    batch = batch_of(agent, [])
    for key in batch:
        if key == "1/reward" or key == "1/info/events":
            batch[key] = np.full_like(batch[key], np.nan)
    agent.league.ratings = np.array([1000.0, 1500.0])
    metrics = agent.learn(batch)
    assert math.isfinite(metrics["loss"]) and "member1/loss" not in metrics
    (made,) = agent.league.lineage
    assert (made.member, made.parent) == (1, 0)
    weights = snapshot(agent.members[1])
    assert all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.slow
def test_where_all_have_nan_it_says_so():
    agent = make()
    batch = batch_of(agent)
    for key in batch:
        if key.endswith("info/events"):
            batch[key] = np.full_like(batch[key], np.nan)
    with pytest.raises(ArithmeticError, match="none to copy"):
        agent.learn(batch)


def test_the_best_member_plays_where_rows_are_of_one_team(agent):
    agent._ratings.assign([900.0, 1000.0])
    step = games(8).reset(seed=0)
    mine = driver.take_rows(step, np.flatnonzero(step.info["team"] == 0))
    _, after = agent.act(mine, agent.initial_state(4))
    assert after[MEMBER].tolist() == [1] * 4
    assert agent.player() is agent.members[1]
    agent._ratings.assign(agent.league.ratings)


def test_larger_teams_take_as_many_members():
    agent = make(population=5)
    step = games(8, team_size=2).reset(seed=0)
    agent.observe(step, agent.initial_state(8))
    _, after = agent.act(step, agent.initial_state(8))
    assert all(len(set(game)) == 4 for game in after[MEMBER].reshape(-1, 4).tolist())


def test_a_run_resumes_bit_for_bit_and_its_best_member_is_loaded(tmp_path):
    def run(logdir, steps, **more):
        return registry.train(
            "ftw",
            env="ctf:small",
            env_options="length=15,win_reward=true,team_size=1",
            preset="debug",
            population=2,
            prediction_scale=0.0,
            pixel_scale=0.0,
            hierarchy=False,
            num_envs=8,
            burn_in=2,
            exploit_below=0.5,
            elo_step=32.0,
            log_every=120,
            save_every=240,
            env_steps=steps,
            logdir=str(logdir),
            **more,
        )

    whole = run(tmp_path / "whole", 720)
    run(tmp_path / "parts", 240)
    parts = run(tmp_path / "parts", 720)
    assert differing(snapshot(whole), snapshot(parts)) == set()
    np.testing.assert_equal(parts.league.get_state(), whole.league.get_state())
    assert whole.league.played > 0
    player = registry.load(tmp_path / "whole")
    assert not isinstance(player, Population)
    assert player.env_steps == 720
    weights = snapshot(player)
    for name in player.acting_names():
        np.testing.assert_array_equal(weights[name], snapshot(whole.player())[name])
    again = registry.load(tmp_path / "whole", learn=True)
    assert isinstance(again, Population)
    again.close()


def test_actors_play_the_leagues_games_and_the_learner_rates_them():
    made = training.settings(
        "ftw",
        "debug",
        env="ctf:small",
        env_options="length=15,win_reward=true,team_size=1",
        population=2,
        pixel_scale=0.0,
        hierarchy=False,
        num_envs=4,
        burn_in=10_000,
    )
    agent = registry.build("ftw", games(2).spaces, made.config, 0, None)
    pool = actors.LocalPool(made, 2)
    events = list(actors.run(agent, pool, until=4 * 15 * 4, seed=0, max_lag=2))
    assert agent.league.played >= 4
    assert len(events) >= 12 and all(math.isfinite(e.metrics["loss"]) for e in events)


def test_populations_need_teams():
    with pytest.raises(ValueError, match="no teams"):
        registry.make(
            "ftw",
            envs.make("zoo:Catch-v0").spaces,
            "debug",
            population=2,
            rewards="env",
            pixel_scale=0.0,
        )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"population": 1, "exploits": "on"}, "nobody to copy"),
        ({"population": 0}, "population"),
        ({"population": 2, "exploit_below": 1.5}, "probability"),
        ({"population": 2, "mutation_rate": 1.1}, "probability"),
    ],
)
def test_settings_that_make_no_league_are_refused(given, error):
    with pytest.raises(ValueError, match=error):
        make(**given)


def test_the_folder_of_a_run_names_its_population():
    made = training.settings("ftw", "ctf", population=4)
    assert made.run.logdir == "runs/ftw/ctf-small/ctf-population4/seed0"
    assert training.settings("ftw", "ctf").run.logdir.endswith("/ctf/seed0")


def test_exploits_can_be_turned_off():
    agent = make(burn_in=1, exploits="off")
    for _ in range(500):
        agent.league.report([0, 1], 1)
    assert agent.league.exploits() == []


@pytest.mark.slow
def test_the_hierarchys_steps_are_repeated_as_well():
    agent = make(hierarchy=True, prediction_scale=0.3)
    metrics = [found[-1] for found in turns(agent, LENGTH + 1) if found[-1]]
    for each in metrics:
        seen = [each[k] for k in each if k.endswith("/importance")]
        np.testing.assert_allclose(seen, 1.0, atol=1e-5)


@pytest.mark.slow
def test_update_is_that_of_all_members():
    agent, twin = make(), make()
    batch = batch_of(agent)
    found = agent.update(batch)
    losses = [twin.members[i].update(_rows(batch, i))["loss"] for i in range(MEMBERS)]
    np.testing.assert_allclose(found["loss"], np.mean(losses), rtol=1e-6)
    assert found["0/loss"].dtype == tf.float32


def _rows(batch, member):
    prefix = f"{member}/"
    return {k.removeprefix(prefix): v for k, v in batch.items() if k.startswith(prefix)}

"""Actors and a learner: the same class here and in Ray's processes, with weights of bounded age."""

import itertools

import numpy as np
import pytest

from agents import actors, fleet, registry, training
from agents.logger import read_metrics
from envs import counting


def chosen(tmp_path, **more):
    values = {"env": "zoo:Counting-v0", "eval_every": 0, "video_every": 0}
    return training.settings(
        "impala", preset="debug", logdir=str(tmp_path / "run"), **values | more
    )


def learner(settings):
    games = training.make_envs(settings.run)
    return registry.build("impala", games.spaces, settings.config, 0, None)


def learn(agent, pool, max_lag, windows):
    """The first events of learning, whatever `until` says."""
    events = actors.run(agent, pool, until=10**9, seed=3, max_lag=max_lag)
    return list(itertools.islice(events, windows))


class Slow(actors.LocalPool):
    """A pool whose actor 0 is never ready first; remembers the age of what was learned from."""

    def __init__(self, settings, size, agent):
        super().__init__(settings, size)
        self._agent = agent
        self.waited_for = []

    def wait(self, actor):
        self.waited_for.append(actor)
        if actor is None:
            actor = next((i for i in self._asked if i), 0)
        return super().wait(actor)


def test_windows_are_of_the_environments_and_of_the_weights_that_acted(tmp_path):
    settings = chosen(tmp_path, learning_rate="0.05", rule="adam")
    agent, actor = learner(settings), actors.Actor(settings, 0)
    actor.start(7)
    weights = actors.acting_weights(agent)
    importance = []
    for version in range(4):
        window = actor.collect(version, weights)
        assert window.version == version
        rows = {k: v for k, v in window.batch.items() if not k.startswith("start/")}
        counting.check_rows(rows)
        assert window.env_steps == (~window.batch["is_first"][1:]).sum()
        importance.append(agent.learn(window.batch)["importance"])
    # The learner goes on, and the actor's weights are the first ones.
    assert importance[0] == pytest.approx(1, abs=1e-5)
    assert max(abs(each - 1) for each in importance) > 1e-4


def test_with_one_actor_and_fresh_weights_learning_is_off_policy_by_one_update(
    tmp_path,
):
    settings = chosen(tmp_path)
    agent = learner(settings)
    events = learn(agent, actors.LocalPool(settings, 1), 1, 6)
    assert [event.metrics["lag"] for event in events] == [0, 1, 1, 1, 1, 1]
    assert agent.updates == 6
    assert agent.env_steps > 30
    assert any(event.episodes for event in events)


@pytest.mark.parametrize("max_lag", [3, 4, 6])
def test_weights_are_never_older_than_allowed_though_an_actor_is_slow(
    tmp_path, max_lag
):
    settings = chosen(tmp_path)
    agent = learner(settings)
    pool = Slow(settings, 3, agent)
    events = learn(agent, pool, max_lag, 20)
    lags = [event.metrics["lag"] for event in events]
    assert max(lags) <= max_lag
    assert 0 in pool.waited_for  # the slow one had to be waited for


def test_weights_younger_than_the_actors_allow_are_refused(tmp_path):
    settings = chosen(tmp_path)
    pool = actors.LocalPool(settings, 3)
    with pytest.raises(
        ValueError, match="max_lag=2 came, but 3 actors need at least 3"
    ):
        learn(learner(settings), pool, 2, 1)


def test_every_actor_has_episodes_of_its_own(tmp_path):
    settings = chosen(tmp_path)
    seen = []
    for number in range(2):
        actor = actors.Actor(settings, number)
        actor.start(3)
        window = actor.collect(0, actors.acting_weights(learner(settings)))
        seen.append(window.batch["observation/vector"])
    assert np.any(seen[0] != seen[1])


def test_starting_anew_begins_with_new_episodes_and_an_empty_window(tmp_path):
    settings = chosen(tmp_path)
    actor, weights = actors.Actor(settings, 0), actors.acting_weights(learner(settings))
    found = []
    for _ in range(2):
        actor.start(3)
        found.append(actor.collect(0, weights).batch)
    for key, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][key], err_msg=key)
    assert found[0]["is_first"][0].all()


def test_an_agent_with_a_replay_is_refused(tmp_path):
    settings = training.settings(
        "dreamerv2",
        preset="debug",
        env="zoo:Catch-v0",
        actors=2,
        logdir=str(tmp_path),
    )
    with pytest.raises(ValueError, match="actors=2 came, but dreamerv2 learns from"):
        training.train(settings)


# By default tests/agents/ftw/test_cluster_ray.py starts the same processes on Ray.
@pytest.mark.slow
def test_a_run_with_rays_actors_learns_resumes_and_survives_the_death_of_one(tmp_path):
    settings = chosen(tmp_path, actors=2, env_steps=400, save_every=200)
    pools = []

    class Watched(actors.RayPool):
        """Kills an actor once it has collected something."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.said, self._say = [], lambda text: self.said.append(text)
            self._windows = 0
            pools.append(self)

        def wait(self, actor):
            self._windows += 1
            if self._windows == 5:
                self._fleet.kill("actor 0")
            return super().wait(actor)

    original, actors.RayPool = actors.RayPool, Watched
    try:
        agent = training.train(settings)
    finally:
        actors.RayPool = original
    assert agent.env_steps >= 400 and agent.updates > 30
    assert pools[0].said == ["actor 0 died and is started anew"]
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert all(0 <= line["lag"] <= 4 for line in lines if "lag" in line)
    assert any("return" in line for line in lines)
    longer = chosen(tmp_path, actors=1, env_steps=500, save_every=200)
    again = training.train(longer)
    assert again.updates > agent.updates and again.env_steps >= 500


def test_a_process_with_other_code_is_refused_with_both_values():
    here = fleet.origin()
    assert here.keys() == {"zoo", "commit", "tensorflow", "python"}
    fleet.refuse_other_origin(here, dict(here), "actor 1")
    other = here | {"tensorflow": "2.15.0", "commit": ""}
    with pytest.raises(ValueError, match="actor 1 runs other code") as refused:
        fleet.refuse_other_origin(here, other, "actor 1")
    assert f"tensorflow 2.15.0 there, {here['tensorflow']} here" in str(refused.value)
    assert "commit unknown there" in str(refused.value)
    assert "python" not in str(refused.value)


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    import ray

    ray.shutdown()  # what an earlier test started
    # Not 'auto', which takes any cluster of this machine.
    settings = chosen(tmp_path, actors=1, ray_address="127.0.0.1:9")
    with pytest.raises(ConnectionError, match="no cluster answers there") as refused:
        training.train(settings)
    assert "\n" not in str(refused.value)

"""Populations on real nets, and on Ray: one machine by default, two of which one is lost in the weekly run."""

import math

import numpy as np
import pytest
from ray import exceptions as ray_exceptions
from ray.exceptions import AuthenticationError

from agents import actors, registry, training
from agents.checkpoint import Checkpoints
from agents.ftw import cluster
from agents.logger import read_metrics
from tests.agents.ftw.stand_ins import FragileFleet, World
from tests.agents.weights import differing, snapshot

SMALL = {"pixel_scale": 0.0, "prediction_scale": 0.0, "hierarchy": False}
RAY = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
MEMORY = {"object_store_memory": 200_000_000}
PROCESSES = ("member 0", "member 1", "arena 0", "arena 1")


def chosen(**more):
    values = {"env_options": "length=15,win_reward=true,team_size=1", "num_envs": 4}
    values |= {"population": 2, "arenas": 1, "burn_in": 10_000} | SMALL
    return training.settings("ftw", "debug", env="ctf:small", **values | more)


class RecordingFleet(FragileFleet):
    """Keeps the rows that each member is given."""

    def __init__(self):
        super().__init__()
        self.rows = {}

    def call(self, who, method, *args, returns=1):
        if method == "study":
            self.rows[who] = args[0].value
        return super().call(who, method, *args, returns=returns)


def test_a_member_elsewhere_learns_what_it_would_learn_here():
    settings, recording = chosen(), RecordingFleet()
    spaces = training.make_envs(settings.run).spaces
    population = registry.build("ftw", spaces, settings.config, 0, None)
    made = cluster.Cluster(population, settings, recording)
    next(made.run(until=10**6, seed=3))
    for number, member in enumerate(population.members):
        metrics = member.learn(recording.rows[f"member {number}"])
        assert metrics["importance"] == pytest.approx(1, abs=1e-5)
        there = recording.there(f"member {number}")
        assert differing(snapshot(member), snapshot(there)) == set()
        # The arena's copies are as old as their window.
        copy = recording.there("arena 0")._agent.members[number]
        assert "encoder" in differing(snapshot(copy), snapshot(there))
    made.settle()
    states = [member.get_state() for member in population.members]
    assert [state["env_steps"] for state in states] == [10, 10]
    assert made.usage()["member 1"].cpu > 0


@pytest.fixture
def ray():
    """Ray on this machine with room for three processes."""
    import ray

    ray.shutdown()  # what another test started
    ray.init(address="local", num_cpus=3, **MEMORY, **RAY)
    yield ray
    ray.shutdown()


class Watched(cluster.Cluster):
    """Calls `Watched.before(number of the window, itself)`, and remembers what was said."""

    said: list[str]
    before = staticmethod(lambda window, made: None)

    def __init__(self, population, settings, fleet, say):
        Watched.said = []
        super().__init__(population, settings, fleet, Watched.said.append)
        self._windows = 0

    def run(self, until, seed):
        for event in super().run(until, seed):
            self._windows += 1
            Watched.before(self._windows, self)
            yield event


@pytest.fixture
def watched(monkeypatch):
    """A cluster to look into."""
    monkeypatch.setattr(cluster, "Cluster", Watched)
    monkeypatch.setattr(Watched, "before", staticmethod(lambda window, made: None))
    return Watched


def test_a_population_trains_on_ray(ray, tmp_path):
    settings = chosen(env_steps=100, save_every=60, log_every=20, logdir=str(tmp_path))
    agent = training.train(settings)
    assert agent.env_steps >= 100 and agent.league.played >= 2
    assert all(member.updates >= 4 for member in agent.members)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert all(0 <= line["lag"] <= 2 for line in lines)
    losses = [line["member1/loss"] for line in lines if "member1/loss" in line]
    assert losses and all(map(math.isfinite, losses))
    assert {"member0/elo", "games", "updates"} <= lines[-1].keys()
    saved = []
    Checkpoints(tmp_path / "checkpoints").restore(saved.append)
    np.testing.assert_equal(saved[0]["agent"], agent.get_state())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_on_ray_members_and_arenas_may_die_and_the_league_resumes(
    ray, tmp_path, watched
):
    def kill(window, made):
        if window in (8, 14):
            made._fleet.kill("member 1" if window == 8 else "arena 0")

    watched.before = staticmethod(kill)
    run = {"save_every": 200, "logdir": str(tmp_path / "run"), "burn_in": 4}
    run |= {"elo_step": 32.0, "exploit_below": 0.5, "mutation_rate": 0.5}
    agent = training.train(chosen(env_steps=400, **run))
    assert watched.said[-2:] == [
        "member 1 died and is started anew from its last update",
        "arena 0 died and is started anew; its games are lost",
    ]
    assert agent.env_steps >= 400 and agent.members[0].updates >= 18
    before, state = agent.league.played, agent.league.get_state()
    seen = []

    def look(window, made):
        if window == 1:
            seen.append([member.updates for member in made._population.members])

    watched.before = staticmethod(look)
    again = training.train(chosen(env_steps=600, **run))
    assert seen == [[member.updates for member in agent.members]]
    assert again.env_steps >= 600 and again.league.played > before
    lineage = again.league.get_state()["lineage"]
    assert len(lineage) >= len(state["lineage"])
    for one, other in zip(lineage, state["lineage"], strict=False):
        np.testing.assert_equal(one, other)
    # The same run goes on in one process, and its best member is loaded.
    assert registry.load(tmp_path / "run").env_steps == again.env_steps
    here = training.train(chosen(env_steps=700, **run | {"arenas": 0}))
    assert here.members[0].updates > again.members[0].updates


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_two_machines_one_is_lost_and_training_goes_on(tmp_path, watched):
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    head = {"num_cpus": 4, "include_dashboard": False} | MEMORY
    nodes = Cluster(initialize_head=True, head_node_args=head)
    other = nodes.add_node(num_cpus=4, **MEMORY)
    machines = []

    def lose(window, made):
        if window == 8:
            machines.extend(
                made._fleet.get(made._fleet.call(each, "machine")[0])
                for each in PROCESSES
            )
            nodes.remove_node(other, allow_graceful=False)

    watched.before = staticmethod(lose)
    try:
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        logdir = str(tmp_path / "run")
        more = {"arenas": 2, "env_steps": 800, "save_every": 400, "logdir": logdir}
        more |= {
            "lstm_units": 128
        }  # what is small lies with the driver, not with a machine
        agent = training.train(chosen(ray_address=nodes.address, **more))
    finally:
        ray.shutdown()
        nodes.shutdown()
    gone = [p for p, m in zip(PROCESSES, machines, strict=True) if m == other.node_id]
    assert 0 < len(gone) < 4
    dead = [text for text in watched.said if " died and is started anew" in text]
    assert sorted(text.partition(" died")[0] for text in dead) == sorted(gone)
    for text in dead:
        assert text.endswith("the last save" if "member" in text else "games are lost")
    assert agent.env_steps >= 800
    assert all(member.updates >= 20 for member in agent.members)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"population": 1}, r"arenas=1 came, but this is a single agent"),
        ({"actors": 2}, r"actors=2 and arenas=1 came; give one"),
        ({"arenas": 0, "gpus_per_member": 0.5}, r"gpus_per_member=0.5 came without"),
        ({"arenas": 4, "max_lag": 3}, r"max_lag=3 came, but 4 arenas need at least 4"),
    ],
)
def test_settings_that_contradict_each_other_are_one_sentence(given, error):
    settings = chosen(**given)
    single = settings.config.population == 1
    agent = registry.make("ftw", _spaces(), "debug", **SMALL) if single else _here()
    with pytest.raises(ValueError, match=error) as refused:
        actors.make_workers(agent, settings, print)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "raised", "said"),
    [
        ("127.0.0.1:9", None, "no cluster answers there"),
        (
            "auto",
            ConnectionError("none\nand more"),
            r"no cluster answers there \(none\)",
        ),
        ("auto", AuthenticationError("InvalidAuthToken\nand more"), "wants a token"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_sentence(
    address, raised, said, monkeypatch
):
    class NoCluster:
        is_initialized = staticmethod(lambda: False)
        exceptions = ray_exceptions

        def init(self, **_):
            raise raised

    # The real one would take any cluster of this machine for 'auto'.
    monkeypatch.setattr("agents.fleet.require", lambda *_: NoCluster())
    settings = chosen(ray_address=address)
    with pytest.raises(ConnectionError, match=said) as refused:
        actors.make_workers(_here(), settings, print)
    assert str(refused.value).startswith(f"ray_address={address} came, but")
    assert "\n" not in str(refused.value)


def test_a_machine_without_room_is_one_sentence(monkeypatch):
    class OneProcessor:
        is_initialized = staticmethod(lambda: True)
        cluster_resources = staticmethod(lambda: {"CPU": 1.0})

    monkeypatch.setattr("agents.fleet.require", lambda *_: OneProcessor)
    settings = chosen(gpus_per_member=0.5)
    with pytest.raises(TimeoutError, match="there is no room") as refused:
        actors.make_workers(_here(), settings, print)
    assert "3 CPUs of 1 that there are, 1 GPUs of 0" in str(refused.value)


def _here():
    return World(members=2, arenas=1).population


def _spaces():
    return training.make_envs(chosen().run).spaces

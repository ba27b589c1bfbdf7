"""A population whose members and arenas are processes: who calls whom, what is lost when somebody dies, and Ray itself."""

import numpy as np
import pytest

from agents import fleet
from tests.agents.ftw.stand_ins import STEPS, LateFleet, LossyFleet, World


def test_every_member_learns_from_its_rows_of_every_window():
    world = World(members=3, arenas=2)
    events = world.run(20)
    assert len(events) == 20
    assert world.population.env_steps == 20 * STEPS
    assert world.population.updates == 20
    world.cluster.settle()
    assert [member.updates for member in world.members()] == [20] * 3
    assert [member.updates for member in world.population.members] == [20] * 3
    assert world.cluster.row_bytes == 20 * 100
    losses = [event.metrics["loss"] for event in events if "loss" in event.metrics]
    assert losses == sorted(losses) and len(losses) >= 17
    assert {"member0/loss", "member2/elo", "games", "lag"} <= events[-1].metrics.keys()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("arenas", "max_lag"), [(1, 1), (1, 3), (3, 3), (3, 7)])
def test_weights_are_never_older_than_allowed(late, arenas, max_lag):
    world = World(arenas=arenas, max_lag=max_lag, fleet=LateFleet() if late else None)
    events = world.run(40)
    world.cluster.settle()
    assert 0 < max(world.lags) <= max_lag
    assert len(world.lags) == 40 * 3
    reported = [event.metrics["lag"] for event in events]
    assert np.mean(reported) == pytest.approx(np.mean(world.lags))


def test_only_weights_that_changed_are_sent():
    world = World(members=4, arenas=1, max_lag=2)
    world.run(6)
    assert world.sent[:2] == [4, 0]  # no update was made between these
    world.run(2)
    assert world.sent[7] == 4  # the arena has new games, and gets all
    assert world.cluster.weight_bytes == 8 * sum(world.sent)


def test_a_weak_member_becomes_the_strong_one_once_with_the_leagues_numbers():
    world = World(members=2, arenas=1, burn_in=50, mutation_rate=1.0)
    world.results = [[], [[0, 1, 1]] * 60]
    events = world.run(8)
    world.cluster.settle()
    (made,) = world.population.league.lineage
    assert (made.member, made.parent) == (1, 0)
    strong, weak = world.members()
    assert strong.line == [0] and weak.line == [0, 1]
    assert weak.hyper is world.population.league.hyper[1]
    assert weak.updates <= strong.updates == 8
    assert events[-1].metrics["exploits"] == 1
    # Who copies a copy gets what that became.
    world.population.league.lineage.clear()
    league = world.population.league
    made = [
        league._exploit(*each, 0.1, np.random.default_rng(0))
        for each in ((0, 1), (1, 0))
    ]
    world.cluster._evolve(made)
    world.cluster.settle()
    assert strong.line == [0, 1, 0] and weak.line == [0, 1, 0, 1]


def test_a_member_that_cannot_go_on_copies_one_that_can(caplog):
    world = World(members=3, arenas=2)
    world.broken = {2}
    world.population.league.ratings = np.array([1000.0, 1100.0, 1200.0])
    world.run(5, before=lambda window: world.broken.clear() if window == 2 else None)
    world.cluster.settle()
    lineage = world.population.league.lineage
    assert {(each.member, each.parent) for each in lineage} == {(2, 1)}
    assert len(lineage) == 1  # updates that were under way tell nothing of the copy
    assert world.members()[2].line == [1, 2]
    assert "member 2: loss" in caplog.text


def test_where_none_can_go_on_it_says_so():
    world = World(members=3, arenas=1)
    world.broken = {0, 1, 2}
    with pytest.raises(ArithmeticError, match="none to copy"):
        world.run(50)


def test_an_arena_that_dies_loses_its_games_alone():
    world = World(members=2, arenas=2)

    def before(window):
        if window == 5:
            world.fleet.kill("arena 1")

    world.run(12, before, seed=7)
    world.cluster.settle()
    assert world.said == ["arena 1 died and is started anew; its games are lost"]
    assert world.starts == [(0, 7), (1, 7), (1, 8)]
    assert [member.updates for member in world.members()] == [12, 12]


def test_a_member_that_dies_goes_on_from_its_last_update():
    world = World(members=2, arenas=1, max_lag=3)
    before = []

    def kill(window):
        if window == 6:
            before.append(world.cluster._crew.learners[1].made)
            world.fleet.kill("member 1")

    world.run(12, kill)
    world.cluster.settle()
    assert world.said == ["member 1 died and is started anew from its last update"]
    healthy, dead = world.members()
    assert healthy.updates == 12
    # What it had been given, and had not learned from, is lost: no more.
    assert 12 - 3 <= dead.updates < 12 and before[0] >= 3
    assert world.population.members[1].updates == dead.updates


def test_a_member_whose_machine_is_gone_goes_on_from_the_last_save():
    world = World(members=2, arenas=2)
    world.run(4)
    world.cluster.settle()

    def lose(window):
        if window == 8:
            for who in ("member 1", "arena 0"):
                world.fleet.kill(who)
                world.fleet.lose(who)

    world.run(12, lose)
    world.cluster.settle()
    said = "; ".join(world.said)
    assert "member 1 died and is started anew from the last save" in said
    assert "arena 0 died" in said
    healthy, dead = world.members()
    assert 4 < dead.updates < healthy.updates <= 16
    assert dead.hyper == world.population.league.hyper[1]


def test_a_copy_is_made_though_the_child_or_its_parent_dies_meanwhile():
    for victim in (0, 1):
        world = World(members=2, arenas=1)
        world.run(3)
        world.cluster.settle()
        league = world.population.league
        world.cluster._evolve([league._exploit(1, 0, 0.1, np.random.default_rng(0))])
        world.fleet.kill(f"member {victim}")
        world.fleet.lose(f"member {victim}")
        world.run(3)
        world.cluster.settle()
        assert world.members()[1].line == [0, 1], victim
        assert world.members()[1].hyper is league.hyper[1]


def test_weights_that_are_gone_are_given_again():
    world = World(members=2, arenas=1)

    def lose(window):
        if window == 3:
            world.fleet.lose("member 0")

    world.run(8, lose)
    world.cluster.settle()
    assert not any("died" in text for text in world.said)
    assert world.members()[1].updates == 8
    assert world.members()[0].updates >= 7


def test_rows_that_are_gone_are_not_learned_from():
    world = World(members=2, arenas=1, fleet=LossyFleet())
    world.run(8)
    world.cluster.settle()
    assert world.said == ["rows of member 0 are lost: its machine is gone"]
    assert [member.updates for member in world.members()] == [7, 8]


def test_a_process_that_dies_again_and_again_ends_the_run():
    world = World(members=2, arenas=1)
    start = world.fleet.start

    def dead(who, *arguments, **more):
        start(who, *arguments, **more)
        if who == "member 1":
            world.fleet._there[who].restore = _die

    world.fleet.start = dead
    with pytest.raises(RuntimeError, match=r"member 1 died 11 times in a row.*no room"):
        world.run(8, lambda window: world.fleet.kill("member 1"))


def _die(*_):
    raise fleet.Died("no room")


def test_a_process_with_other_code_does_not_join(monkeypatch):
    monkeypatch.setattr(
        "tests.agents.ftw.stand_ins.StandInArena.origin",
        lambda self: fleet.origin() | {"commit": "abc" * self.number},
    )
    commit = fleet.origin()["commit"]
    with pytest.raises(ValueError, match=f"commit unknown there, {commit}") as refused:
        World(members=2, arenas=2)
    assert "arena 0 runs other code" in str(refused.value)

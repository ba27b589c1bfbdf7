"""Melting Pot's capture the flag: what its engine tells is FTW's 13 events, and it is a game of two teams."""

import collections
import importlib.util
import random
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

import envs
from envs import meltingpot
from envs.ctf_rules import EVENTS
from envs.errors import MissingError

NAME = "meltingpot:paintball__capture_the_flag"
LENGTH = 12


def told(name: str, **said: Any) -> tuple[str, list[Any]]:
    """An event as the engine tells it."""
    flat = [part for key, value in said.items() for part in (key.encode(), value)]
    return name, [b"dict", *flat]


def named(row: np.ndarray) -> dict[str, int]:
    return {name: int(n) for name, n in zip(EVENTS, row, strict=True) if n}


def test_a_capture_is_told_to_all_as_theirs() -> None:
    found = meltingpot.counts([told("flag_captured", player_index=3, team="red")], 4)
    assert [named(row) for row in found] == [
        {"teammate_captured": 1},
        {"opponents_captured": 1},
        {"captured": 1},
        {"opponents_captured": 1},
    ]


def test_a_tag_knows_whether_the_flag_was_carried() -> None:
    found = meltingpot.counts(
        [
            told("zap", source=np.array(1.0), target=np.array(2.0)),
            told("zap", source=3, target=4),
            told("zapped_flag_carrier", player_index=3),
            told("zap", source=3, target=2),
        ],
        4,
    )
    assert [named(row) for row in found] == [
        {"tagged_other": 1},
        {"was_tagged_without_flag": 2},
        {"tagged_carrier": 1, "tagged_other": 1},
        {"was_tagged_with_flag": 1},
    ]


def test_each_of_the_13_events_can_be_told_and_others_are_not() -> None:
    everything = [
        told("AvatarStarted"),
        told("zap", source=1, target=2),
        told("zapped_flag_carrier", player_index=1),
        told("zap", source=2, target=1),
        *(told(name, player_index=1, team="red") for name in meltingpot._FLAG),
    ]
    found = meltingpot.counts(everything, 4)
    assert (found.sum(0) > 0).all()
    # Every event of a player is his team's and the opponents': the identities of the built-in game.
    for what in ("captured", "picked_up", "returned"):
        total = {p: found[:, EVENTS.index(p + what)].sum() for p in PREFIXES}
        assert total["teammate_"] == total[""]
        assert total["opponents_"] == 2 * total[""]


PREFIXES = ("", "teammate_", "opponents_")


class Engine:
    """Stands in for the engine: moments of LENGTH steps, a capture by player 0 at the last one."""

    def __init__(self, roles: list[str]):
        self.players, self.now, self.first = len(roles), 0, random.random()

    def reset(self) -> Any:
        self.now = 0
        return self._moment()

    def step(self, actions: list[int]) -> Any:
        assert len(actions) == self.players and all(type(a) is int for a in actions)
        self.now += 1
        return self._moment()

    def events(self) -> list[Any]:
        captured = told("flag_captured", player_index=1, team="red")
        return [captured] if self.now == LENGTH else []

    def close(self) -> None:
        pass

    def _moment(self) -> Any:
        at_end = self.now == LENGTH
        red = 1.0 if at_end else 0.0
        picture = np.full((88, 88, 3), int(200 * self.first), np.uint8)
        picture[:2] = picture[:, :2] = 255
        seen = {
            "RGB": picture,
            "READY_TO_SHOOT": np.float64(-3.0),
            "WORLD.RGB": np.zeros((184, 184, 3), np.uint8),
        }
        moment = collections.namedtuple("moment", "observation reward last")
        rewards = [np.array(red if p % 2 == 0 else -red) for p in range(self.players)]
        return moment([seen] * self.players, rewards, lambda: at_end)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    substrate = SimpleNamespace(build=lambda name, roles: Engine(roles))
    monkeypatch.setattr(meltingpot, "find", lambda: substrate)
    objects = ModuleType("game_object_utils")

    walls = np.random.RandomState()

    def from_map(random: Any = walls) -> None:
        """Stands in for what draws the walls."""

    objects.get_game_objects_from_map = from_map  # type: ignore[attr-defined]
    for name in ("meltingpot", "meltingpot.utils", "meltingpot.utils.substrates"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(
        sys.modules["meltingpot.utils.substrates"],
        "game_object_utils",
        objects,
        raising=False,
    )


@pytest.mark.usefixtures("engine")
def test_it_is_a_parallel_env_of_red_and_blue() -> None:
    env = meltingpot.Paintball(team_size=3, render_mode="rgb_array")
    parallel_api_test(env, num_cycles=2 * LENGTH)
    assert env.teams["red_3"] == 0 and env.teams["blue_1"] == 1
    seen = env.reset(seed=1)[0]["red_1"]
    assert seen["image"].shape == (84, 84, 3) and not (seen["image"] == 255).any()
    assert seen["vector"] == [-1]
    picture = env.render()
    assert picture is not None and picture.shape == (368, 368, 3)


@pytest.mark.usefixtures("engine")
def test_its_rows_are_one_per_player_and_the_captures_decide() -> None:
    env = envs.make(NAME, 8)
    step = env.reset(0)
    for _ in range(LENGTH):
        assert not step.is_last.any()
        step = env.step(np.zeros(8, np.int32))
    assert step.is_last.all()
    assert step.info["outcome"].tolist() == [1, 1, -1, -1] * 2
    captured = step.info["events"][:, EVENTS.index("captured")]
    assert captured.tolist() == [1, 0, 0, 0] * 2


@pytest.mark.usefixtures("engine")
def test_a_seed_seeds_the_engine_and_nothing_else() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    env = meltingpot.Paintball()
    first = env.reset(seed=3)[0]["red_1"]["image"]
    assert random.random() == expected
    np.testing.assert_array_equal(env.reset(seed=3)[0]["red_1"]["image"], first)
    assert (env.reset(seed=5)[0]["red_1"]["image"] != first).any()


def test_without_melting_pot_one_sentence_says_where_to_read_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "meltingpot", None)
    with pytest.raises(MissingError, match=r"not installed .* BUILD.md"):
        envs.make(NAME, 4)


@pytest.mark.usefixtures("engine")
def test_wrong_names_teams_and_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"near names.*paintball__capture_the_flag"):
        envs.make("meltingpot:capture_the_flag", 4)
    with pytest.raises(ValueError, match="team_size=5 came; expected 1 to 4"):
        envs.make(NAME, 4, team_size=5)
    with pytest.raises(ValueError, match="4"):
        envs.make(NAME, 6)


if importlib.util.find_spec("meltingpot"):  # which no registry has in one piece

    def test_the_engine_itself_plays() -> None:
        parallel_api_test(meltingpot.Paintball(), num_cycles=40)
        env = envs.make(NAME, 4)
        step = env.reset(0)
        for _ in range(1000):
            step = env.step(
                np.random.default_rng(0).integers(9, size=4, dtype=np.int32)
            )
        assert step.is_last.all()

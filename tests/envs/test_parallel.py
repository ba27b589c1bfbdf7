"""Any pettingzoo ParallelEnv of two teams becomes rows, and what it must tell is checked."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from pettingzoo.utils import BaseParallelWrapper
from pettingzoo.utils.conversions import parallel_to_aec, parallel_wrapper_fn

import envs
from envs import EnvError
from envs.catch import Catch
from examples.team_game import Rope
from tests.envs.rows import play, play_rows, random_action, to_rows

NAME = "examples.team_game:Rope"
HERE = "tests.envs.test_parallel"
ROWS = ["ann", "cem", "bob", "dee"]  # team 0 first


class Faulty(Rope):
    """Breaks one rule of what a game of two teams must tell."""

    def __init__(self, attributes: Any = None, events: Any = None, info: Any = None):
        super().__init__()
        for key, value in (attributes or {}).items():
            setattr(self, key, value)
        self._events, self._more = events, info or {}

    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        for info in result[4].values():
            info.update(self._more)
            if self._events is not None:
                info["events"] = self._events
            if self._events == "missing":
                del info["events"]
        return result


def other_kind() -> gymnasium.Env:
    return Catch()


class Teamless(Rope):
    teams: Any = None


wrapped = parallel_wrapper_fn(lambda: parallel_to_aec(Teamless()))


def rope_factory(tired: bool = False) -> Any:
    return BaseParallelWrapper(Rope())


def test_the_example_passes_the_tests_of_pettingzoo() -> None:
    parallel_api_test(Rope(), num_cycles=50)
    parallel_seed_test(Rope, num_cycles=50)


@pytest.mark.parametrize("name", [NAME, f"{HERE}:rope_factory"])
def test_a_game_of_some_thirty_lines_gives_the_rows_that_playing_it_by_hand_gives(
    name: str,
) -> None:
    made = envs.make(name, 4)
    assert made.spaces.action == gymnasium.spaces.Discrete(2)
    assert made.spaces.info["events"].shape == (2,)
    rows = play_rows(made, 11, 80)
    env, rng = Rope(), np.random.default_rng(1)
    seed = envs.seeding.row_seeds(11, 1)[0]
    seen, _ = env.reset(seed=seed)
    playing, returns = set(ROWS), dict.fromkeys(ROWS, 0.0)
    for time in range(81):
        if time:
            action = random_action(made, rng)
            if not playing:
                seen, _ = env.reset()
                playing, returns = set(ROWS), dict.fromkeys(ROWS, 0.0)
                assert rows["is_first"][time].all()
                assert not rows["info/events"][time].any()
                continue
            sent = {a: int(action[ROWS.index(a)]) for a in playing}
            seen, reward, ended, cut, infos = env.step(sent)
            for row, agent in enumerate(ROWS):
                assert rows["is_first"][time, row] == (agent not in playing)
                if agent not in playing:
                    assert rows["reward"][time, row] == 0
                    continue
                returns[agent] += reward[agent]
                got = {key: value[time, row] for key, value in rows.items()}
                np.testing.assert_array_equal(got["observation/vector"], seen[agent])
                np.testing.assert_array_equal(
                    got["info/events"], infos[agent]["events"]
                )
                assert got["action"] == sent[agent]
                assert got["reward"] == reward[agent]
                assert got["is_last"] == (ended[agent] or cut[agent])
                assert got["discount"] == 1 - ended[agent]
            playing -= {a for a in playing if ended[a] or cut[a]}
            difference = returns["ann"] + returns["cem"] - returns["bob"]
            sign = np.sign(difference - returns["dee"]) * (not playing)
            np.testing.assert_array_equal(
                rows["info/outcome"][time], sign * np.array([1, 1, -1, -1])
            )
    assert rows["is_last"].sum() >= 12
    waiting = rows["is_first"] & ~rows["is_first"].all(1, keepdims=True)
    assert waiting.sum() > 5  # some leave early


def test_teams_stand_together_and_games_are_independent() -> None:
    many = play_rows(envs.make(NAME, 12), 0, 50)
    np.testing.assert_array_equal(many["info/team"][0], [0, 0, 1, 1] * 3)
    same = play_rows(envs.make(NAME, 12), 0, 50)
    for key, value in many.items():
        np.testing.assert_array_equal(value, same[key], err_msg=key)
    first, second = many["info/events"][:20, :4], many["info/events"][:20, 4:8]
    assert (first != second).any()


def test_a_check_of_the_environment_says_how_many_rows_a_game_has() -> None:
    with pytest.raises(envs.RowsError, match="got 6; expected a multiple of the 4"):
        envs.make(NAME, 6)
    assert envs.describe(NAME)["frames_per_step"] == 1
    with pytest.raises(TypeError, match=r"unknown option 'time_limit'.*known options"):
        envs.make(NAME, 4, time_limit=3)
    with pytest.raises(ValueError, match="makes all its rows itself"):
        envs.make(NAME, 4, parallel="process")


class Wide(Rope):
    """Lets one agent see more than the others."""

    def observation_space(self, agent: Any) -> Any:
        wide = gymnasium.spaces.Box(-60, 60, (4,), np.float32)
        return wide if agent == "dee" else super().observation_space(agent)


class Strong(Rope):
    """Lets one agent do more than the others."""

    def action_space(self, agent: Any) -> Any:
        more = gymnasium.spaces.Discrete(3)
        return more if agent == "dee" else super().action_space(agent)


class TurnBased(Rope):
    """Looks like an AECEnv."""

    def agent_iter(self) -> Any:
        return iter(self.agents)


class Raises(Rope):
    """Cannot begin."""

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        raise KeyError("the cause")


@pytest.mark.parametrize(
    ("name", "attributes", "text"),
    [
        ("Faulty", {"teams": None}, "does not say who plays with whom: got teams=None"),
        ("Faulty", {"teams": {"ann": 0, "bob": 1, "cem": 0}}, r"got none for \['dee'\]"),
        (
            "Faulty",
            {"teams": {"ann": 0, "bob": 0, "cem": 0, "dee": 1}},
            "teams: got 3 of team 0, 1 of team 1; expected two teams, 0 and 1, of one size",
        ),
        (
            "Faulty",
            {"teams": {"ann": 0, "bob": 1, "cem": 2, "dee": 3}},
            "got 1 of team 0, 1 of team 1, 1 of team 2, 1 of team 3; expected two teams",
        ),
        (
            "Faulty",
            {"possible_agents": ["ann", "bob", "cem"]},
            "got 2 of team 0, 1 of team 1; expected two teams",
        ),
        ("Faulty", {"event_names": ()}, "does not say which events there are: got events=None"),
        ("Wide", None, r"observation_space: got Box\(.*'ann' and Box\(.*for 'dee'; expected one"),
        ("Strong", None, r"action_space: got Discrete\(2\) for 'ann' and Discrete\(3\) for 'dee'"),
        ("TurnBased", None, "it is a turn-based AECEnv; expected a ParallelEnv"),
    ],
)  # fmt: skip
def test_what_is_no_game_of_two_equal_teams_is_refused_with_one_sentence(
    name: str, attributes: Any, text: str
) -> None:
    kwargs = {} if attributes is None else {"attributes": attributes}
    with pytest.raises(ValueError, match=f"^{HERE}:{name}: .*{text}") as caught:
        envs.make(f"{HERE}:{name}", 4, kwargs=kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"events": "missing"}, "got none; expected 2 counts, of pulled, slipped"),
        ({"events": [1]}, r"got an array of shape \(1,\); expected 2 counts, of pulled"),
        ({"events": 3}, r"got an array of shape \(\); expected 2 counts"),
        ({"events": ["a", "b"]}, r"got \['a', 'b'\]; expected 2 counts"),
        ({"events": [0, 0.5]}, "got 0.5 for slipped; events are counted, so expected a whole"),
        ({"events": [0, -1]}, "got -1.0 for slipped; events are counted"),
        ({"events": [float("nan"), 0]}, "got nan for pulled; events are counted"),
        ({"events": [float("inf"), 0]}, "got inf for pulled; events are counted"),
        ({"events": {"puled": 1}}, r"got the unknown event 'puled'; near names .*\['pulled', 'slipped'\]"),
        ({"info": {"outcome": 3}}, r"infos\['ann'\]\['outcome'\]: got 3; expected 1, 0 or -1"),
    ],
)  # fmt: skip
def test_events_that_cannot_be_counted_are_named_with_one_sentence(
    kwargs: dict[str, Any], text: str
) -> None:
    made = envs.make(f"{HERE}:Faulty", 4, kwargs=kwargs)
    made.reset(0)
    with pytest.raises(EnvError, match=f"^{HERE}:Faulty, step [0-9]+: .*{text}") as got:
        for _ in range(21):
            made.step(np.ones(4, np.int32))
    assert "\n" not in str(got.value)


def test_events_may_come_by_name_and_an_outcome_may_be_told() -> None:
    kwargs = {"events": {"slipped": 2}, "info": {"outcome": 0}}
    rows = to_rows(play(envs.make(f"{HERE}:Faulty", 4, kwargs=kwargs), 0, 21))
    playing = ~rows["is_first"]
    np.testing.assert_array_equal(
        rows["info/events"][playing], [[0, 2]] * playing.sum()
    )
    assert not rows["info/outcome"].any()


class Unnamed(Rope):
    """Has no names for its events; those of reset say how many there are."""

    event_names = ()

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        seen, infos = super().reset(seed, options)
        return seen, {agent: {"events": [0, 0]} for agent in infos}


def test_events_without_names_are_counted_at_the_reset() -> None:
    unnamed = play_rows(envs.make(f"{HERE}:Unnamed", 4), 0, 30)
    named = play_rows(envs.make(NAME, 4), 0, 30)
    np.testing.assert_array_equal(unnamed["info/events"], named["info/events"])


class Vanishes(Rope):
    """Drops an agent without a word."""

    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        self.agents = [agent for agent in self.agents if agent != "cem"]
        return result


class Late(Rope):
    """Begins without one of its agents."""

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        result = super().reset(seed, options)
        self.agents.remove("dee")
        return result


class Silent(Rope):
    """Forgets a reward."""

    def step(self, actions: Any) -> Any:
        result = super().step(actions)
        del result[1]["bob"]
        return result


class Wild(Rope):
    """Leaves its bounds."""

    def observe(self) -> Any:
        return {agent: value + 99 for agent, value in super().observe().items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Vanishes", r"the agents \['cem'\] are gone from `agents`"),
        ("Late", r"reset: got the agents \['ann', 'bob', 'cem'\]; expected all of"),
        ("Silent", r"rewards: got \['ann', 'cem', 'dee'\]; expected a dict with every"),
        ("Wild", r"agent 'ann': observation 'vector': got 99.0 at index"),
    ],
)
def test_an_environment_that_breaks_its_word_later_is_named(
    name: str, text: str
) -> None:
    made = envs.make(f"{HERE}:{name}", 4)
    with pytest.raises(EnvError, match=text) as caught:
        made.reset(0)
        made.step(np.zeros(4, np.int32))
    assert "\n" not in str(caught.value)


def test_an_environment_that_raises_arrives_with_its_traceback() -> None:
    with pytest.raises(EnvError, match=r"first reset raised(.|\n)*the cause"):
        envs.make(f"{HERE}:Raises", 4)
    made: Any = envs.make(NAME, 4)
    made.reset()
    made.game._envs[0].step = None
    with pytest.raises(EnvError, match=r"step raised(.|\n)*TypeError"):
        made.step(np.zeros(4, np.int32))
    made.close()


def test_functions_that_make_other_environments_still_do() -> None:
    made = envs.make("tests.envs.rows:one_catch", 2)
    assert made.reset().observation["image"].shape == (2, 10, 5, 1)
    made = envs.make(f"{HERE}:other_kind", 2)  # beside pettingzoo's names
    assert made.reset().observation["image"].shape == (2, 10, 5, 1)
    with pytest.raises(EnvError, match="constructor raised"):
        envs.make(f"{HERE}:rope_factory", 4, kwargs={"level": 1})


def test_pettingzoos_own_factories_are_recognised_and_told_what_is_missing() -> None:
    with pytest.raises(ValueError, match="does not say who plays with whom"):
        envs.make(f"{HERE}:wrapped", 2)

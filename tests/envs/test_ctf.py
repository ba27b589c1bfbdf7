"""Capture the flag as rows: what is true of every game, and how games are made."""

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs import ctf_map, ctf_teams
from envs.ctf import CaptureTheFlag
from envs.ctf_config import PRESETS, CtfConfig
from envs.ctf_render import sentences
from envs.ctf_rules import EVENTS
from tests.envs.rows import play_rows

E = {name: index for index, name in enumerate(EVENTS)}
CONFIGS = st.builds(
    CtfConfig,
    size=st.sampled_from([9, 11, 15]),
    team_size=st.integers(1, 4),
    length=st.integers(1, 80),
    out_steps=st.integers(1, 10),
    factored=st.booleans(),
)


def some_actions(game: CaptureTheFlag, rng: np.random.Generator) -> np.ndarray:
    """Returns actions of which a third are random, the others those of scripted teams."""
    rows = np.arange(game.num_envs)
    action = ctf_teams.make("random")(game, rows, rng)
    names = rng.choice(["random", "attacker", "balanced"], len(rows))
    for name in ("attacker", "balanced"):
        chosen = rows[names == name]
        action[chosen] = ctf_teams.make(name)(game, chosen, rng)
    return action


@settings(max_examples=25, deadline=None)
@given(CONFIGS, st.integers(0, 2**31))
def test_what_must_hold_at_every_step_holds(config: CtfConfig, seed: int) -> None:
    games, size = 3, config.size
    game = CaptureTheFlag(games * config.players, config)
    rng, no_row = np.random.default_rng(seed), np.zeros(game.num_envs, bool)
    game.reset(seed)
    base, spawn, _ = ctf_map.places(size, config.team_size)
    pairs = list(itertools.combinations(range(config.players), 2))
    team = np.repeat([0, 1], config.team_size)
    for step in range(config.length):
        score, carriers = game.state.score.copy(), game.state.carrier.copy()
        turn = game.step(some_actions(game, rng), no_row)
        state, events = game.state, turn.info["events"].reshape(games, -1, 13)
        # At most one carrier per flag: an opponent, in play, who is where the flag is.
        for flag in (0, 1):
            carried = state.carrier[:, flag] >= 0
            who = state.carrier[carried, flag]
            assert (team[who] != flag).all() and not state.out[carried, who].any()
            np.testing.assert_array_equal(
                state.place[carried, who], state.flag[carried, flag]
            )
        # A capture comes with a point, by who carried, with both flags home after it.
        captures = events[..., E["captured"]].reshape(games, 2, -1).sum(2)
        np.testing.assert_array_equal(state.score - score, captures)
        for game_, side in np.argwhere(captures):
            assert (state.flag[game_] == base).all()
            assert (state.carrier[game_] == -1).all()
            who = events[game_, :, E["captured"]].argmax()
            had = carriers[game_, 1 - side] == who
            assert had or events[game_, who, E["picked_up"]]
        _check_event_identities(events, team)
        # Nobody stands in a wall, and two share a tile only where one of them comes back.
        for game_, (one, other) in itertools.product(range(games), pairs):
            tile = state.place[game_, one]
            if (
                tile == state.place[game_, other]
                and not state.out[game_, [one, other]].any()
            ):
                assert tile in spawn[[one, other]]
        assert not np.take_along_axis(state.walls, state.place, 1).any()
        assert (state.out <= config.out_steps).all() and (state.cooldown <= 4).all()
        is_over = step + 1 == config.length
        assert (turn.terminated == is_over).all() and not turn.truncated.any()


def _check_event_identities(events: np.ndarray, team: np.ndarray) -> None:
    """Asserts what the 13 events of a step, [games, P, 13], say of each other."""
    for what in ("captured", "picked_up", "returned"):
        own = events[..., E[what]]
        for side in (0, 1):
            mine, others = own[:, team == side], own[:, team != side]
            mates = mine.sum(1, keepdims=True) - mine
            told = events[:, team == side]
            np.testing.assert_array_equal(told[..., E[f"teammate_{what}"]], mates)
            by_others = np.broadcast_to(others.sum(1, keepdims=True), mine.shape)
            np.testing.assert_array_equal(told[..., E[f"opponents_{what}"]], by_others)
    for side in (0, 1):
        for victim, tagger in (
            ("was_tagged_with_flag", "tagged_carrier"),
            ("was_tagged_without_flag", "tagged_other"),
        ):
            victims = events[:, team == side, E[victim]].sum(1)
            tags = events[:, team != side, E[tagger]].sum(1)
            assert ((tags > 0) == (victims > 0)).all() and (tags >= victims).all()


def test_flags_are_captured_only_while_the_own_one_is_at_home() -> None:
    config = CtfConfig(length=400)
    game, rng = CaptureTheFlag(64 * 4, config), np.random.default_rng(0)
    no_row, rows = np.zeros(256, bool), np.arange(256)
    base, captures, waits = ctf_map.places(9, 2).base, 0, 0
    game.reset(0)
    for _ in range(200):
        was_away = (game.state.flag != base) | (game.state.carrier >= 0)
        turn = game.step(ctf_teams.make("attacker")(game, rows, rng), no_row)
        events = turn.info["events"].reshape(64, 2, 2, 13).sum(2)
        captured, returned = events[..., E["captured"]], events[..., E["returned"]]
        assert not (captured.astype(bool) & was_away & (returned == 0)).any()
        captures += captured.sum()
        state = game.state
        for side in (0, 1):
            carrier = state.carrier[:, 1 - side]
            on_base = state.place[np.arange(64), carrier] == base[side]
            waits += ((carrier >= 0) & on_base).sum()
    assert captures > 50 and waits > 50


def test_a_seed_makes_the_same_games_and_other_seeds_other_ones() -> None:
    one, same, other = (
        play_rows(envs.make("ctf:small", 8, length=20), seed, 60) for seed in (5, 5, 6)
    )
    for key, value in one.items():
        np.testing.assert_array_equal(value, same[key], err_msg=key)
    assert (one["observation/image"] != other["observation/image"]).any()


def test_games_do_not_depend_on_how_many_there_are_and_every_game_has_a_new_map() -> (
    None
):
    few, many = CaptureTheFlag(8, CtfConfig(15)), CaptureTheFlag(64, CtfConfig(15))
    few.reset(3)
    many.reset(3)
    np.testing.assert_array_equal(few.state.walls, many.state.walls[:2])
    maps = {each.tobytes() for each in many.state.walls}
    many.reset(None)
    maps |= {each.tobytes() for each in many.state.walls}
    assert len(maps) == 32


def test_players_of_a_game_end_together_and_the_next_step_begins_a_new_one() -> None:
    rows = play_rows(envs.make("ctf:medium", 12, team_size=3, length=7), 0, 24)
    first, last = rows["is_first"], rows["is_last"]
    np.testing.assert_array_equal(np.flatnonzero(first.all(1)), [0, 8, 16, 24])
    np.testing.assert_array_equal(np.flatnonzero(last.all(1)), [7, 15, 23])
    assert first.any(1).sum() == 4 and last.any(1).sum() == 3
    np.testing.assert_array_equal(rows["discount"], 1 - last)
    assert not rows["info/events"][first].any()
    np.testing.assert_array_equal(rows["info/team"][0], [0, 0, 0, 1, 1, 1] * 2)


@pytest.mark.parametrize("win_reward", [False, True])
def test_the_outcome_is_the_sign_of_the_captures_and_on_request_the_reward(
    win_reward: bool,
) -> None:
    config = CtfConfig(length=60, win_reward=win_reward)
    game, rng = CaptureTheFlag(40 * 4, config), np.random.default_rng(0)
    rows, no_row = np.arange(160), np.zeros(160, bool)
    blue = rows[rows % 4 < 2]
    game.reset(0)
    captures, action = np.zeros((40, 4)), np.zeros(160, np.int32)
    for step in range(60):
        action[blue] = ctf_teams.make("attacker")(game, blue, rng)
        turn = game.step(action, no_row)
        captures += turn.info["events"].reshape(40, 4, 13)[..., E["captured"]]
        if step < 59:
            assert not turn.info["outcome"].any() and not turn.reward.any()
    won = np.sign(captures[:, :2].sum(1) - captures[:, 2:].sum(1))
    assert set(won) >= {0, 1} or (won == 1).all()
    outcome = turn.info["outcome"].reshape(40, 4)
    np.testing.assert_array_equal(outcome, won[:, None] * [1, 1, -1, -1])
    np.testing.assert_array_equal(turn.reward, turn.info["outcome"] * win_reward)


@pytest.mark.parametrize(
    ("name", "size", "length"),
    [("small", 9, 150), ("medium", 11, 200), ("large", 15, 300)],
)
def test_three_boards_have_names(name: str, size: int, length: int) -> None:
    assert (PRESETS[name].size, PRESETS[name].length) == (size, length)
    made = envs.make(f"ctf:{name}", 4)
    step = made.reset()
    assert step.observation["image"].shape == (4, 11, 11, 7)
    assert step.observation["vector"].shape == (4, 6)
    assert made.spaces.info["events"].shape == (13,)
    assert made.spaces.action == gymnasium.spaces.Discrete(8)
    assert envs.Spaces.from_json(made.spaces.to_json()) == made.spaces


def test_pictures_and_factored_actions_are_options() -> None:
    text = "rgb=true,factored=true,team_size=1,size=11,length=9,out_steps=2"
    options = envs.parse_options("ctf:small", text)
    made = envs.make("ctf:small", 6, **options)
    assert made.spaces.action == gymnasium.spaces.MultiDiscrete([3, 3, 3, 2])
    rows = play_rows(made, 0, 20)
    assert rows["observation/image"].shape == (21, 6, 84, 84, 3)
    assert rows["action"].shape == (21, 6, 4) and rows["is_last"].sum() == 2 * 6


def test_words_for_the_actions_and_all_options_are_told() -> None:
    found = envs.describe("ctf:small", team_size=3)
    assert found["action_meanings"][0] == "noop" and len(found["action_meanings"]) == 8
    assert found["options"]["team_size"] == 3 and found["options"]["rgb"] is False
    assert envs.describe("ctf:small", factored=True)["action_meanings"] == []


@pytest.mark.parametrize(
    ("name", "rows", "options", "error", "text"),
    [
        ("smal", 4, {}, ValueError, r"unknown environment 'ctf:smal'.*\['small'\]"),
        ("small", 6, {}, envs.RowsError, "got 6; expected a multiple of the 4 players"),
        ("small", 1, {}, ValueError, "num_envs counts rows, players x games: got 1"),
        ("small", 4, {"siz": 9}, TypeError, "did you mean 'size'"),
        ("small", 4, {"size": 10}, ValueError, r"size=10 came; expected one of \(9, 11"),
        ("small", 10, {"team_size": 5}, ValueError, "team_size=5 came; expected 1 to 4"),
        ("small", 4, {"team_size": 0}, ValueError, "team_size=0 came; expected 1 to 4"),
        ("small", 4, {"length": 0}, ValueError, "length=0 came; expected at least 1"),
        ("small", 4, {"out_steps": 0}, ValueError, "out_steps=0 came; expected at"),
        ("small", 4, {"parallel": "process"}, ValueError, "makes all its rows itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused_with_one_sentence(
    name: str, rows: int, options: dict[str, Any], error: type, text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        envs.make(f"ctf:{name}", rows, **options)
    assert "\n" not in str(caught.value)


def test_the_picture_for_people_shows_the_first_game_and_tells_its_events() -> None:
    made: Any = envs.make("ctf:large", 8)
    made.reset()
    before = made.render()
    assert before.shape == (480, 740, 3) and before.dtype == np.uint8
    game, rng = made.game, np.random.default_rng(0)
    while len(game._told) < 3:
        made.step(ctf_teams.make("attacker")(game, np.arange(8), rng))
    after = made.render()
    assert (before[:, :480] != after[:, :480]).any()
    assert (before[130:, 480:] == before[-1, -1]).all()  # nothing to tell yet
    assert (after[130:, 480:] != before[-1, -1]).any()
    made.reset()
    assert len(game._told) == 0


@pytest.mark.parametrize("size", [9, 11, 15])
def test_pictures_for_people_have_even_sides_as_films_want(size: int) -> None:
    game = CaptureTheFlag(8, CtfConfig(size, team_size=4))
    height, width, _ = game.render().shape
    assert height % 2 == width % 2 == 0 and 460 <= height <= 480


def test_events_are_told_in_words_with_step_and_player() -> None:
    events = np.zeros((4, 13))
    events[1, E["picked_up"]] = events[0, E["teammate_picked_up"]] = 1
    events[2, E["was_tagged_with_flag"]] = events[1, E["tagged_carrier"]] = 1
    assert sentences(31, events) == [
        "31 Red 1 is tagged, drops the flag",
        "31 Blue 2 has the flag",
    ]

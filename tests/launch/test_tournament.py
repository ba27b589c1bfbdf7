"""Tournaments: everybody plays everybody, resumably."""

import csv
import itertools
import json

import pytest

from agents import ratings, registry, score
from agents.matches import Tally
from launch import tournament_table


@pytest.fixture
def command(launch):
    return launch("tournament")


def test_a_tournament_grows_and_plays_no_pair_twice(command, ftw_run, tmp_path):
    some = (f"--players=ftw={ftw_run},random", "--output=out", "--games=4")
    said = command(*some, "--together=2", "--video=videos")
    assert "Elo" in said
    assert (tmp_path / "videos" / "ftw-random.mp4").stat().st_size > 1000
    first = json.loads((tmp_path / "out" / "score.json").read_text())
    more = (f"--players=ftw={ftw_run},attacker,random", *some[1:])
    command(*more, "--together=2", "--notes=Six games.", "--ship=ftw")
    assert registry.load(tmp_path / "out" / "policy").env_steps == 80
    made = score.read(tmp_path / "out")
    assert made["table"].keys() == {"ftw", "attacker", "random"}
    assert made["ratings"]["random"] == {"elo": 500.0, "interval": [500.0, 500.0]}
    assert made["players"]["ftw"]["env_steps"] == 80
    assert made["players"]["random"] == {"scripted": "random"}
    assert first["matches"][0] in made["matches"]
    lines = (tmp_path / "out" / "games.jsonl").read_text().splitlines()
    assert len(lines) == 3  # one of the first command, two of the second
    page = (tmp_path / "out" / "table.md").read_text()
    assert "Six games." in page and "launch.tournament" in page
    with open(tmp_path / "out" / "table.csv") as file:
        assert [row["games"] for row in csv.DictReader(file)] == ["4", "4", "4"]
    assert "played otherwise" in command(*more, "--seed=3", ok=False)


def test_the_table_says_both_sides_of_every_match():
    results = {
        ("a", "b"): Tally(30, 6, 4),
        ("a", "c"): Tally(40, 0, 0),
        ("b", "c"): Tally(10, 10, 20),
    }
    made = tournament_table.content(results, {"c": 500.0})
    assert made["table"]["a"] == {"b": 0.75, "c": 1.0}
    assert made["table"]["c"] == {"a": 0.0, "b": 0.5}
    assert list(made["table"]) == list(made["ratings"]) and next(iter(made["table"])) == "a"  # fmt: skip
    assert {n: r["elo"] for n, r in made["ratings"].items()} == pytest.approx(
        ratings.fit(results, {"c": 500.0}), abs=0.05
    )
    for name in "abc":
        low, high = made["ratings"][name]["interval"]
        assert low <= made["ratings"][name]["elo"] <= high
    shares = [(m["win_rate"], m["drawn"], m["points"]) for m in made["matches"]]
    assert shares == [(0.75, 6, 0.825), (1.0, 0, 1.0), (0.25, 10, 0.375)]


def test_a_picture_of_many_players_is_drawn(tmp_path):
    names = ["a team with a long name", *"bcdefg"]
    pairs = itertools.combinations(names, 2)
    results = {pair: Tally(3 + i % 3, 2, 5 - i % 3) for i, pair in enumerate(pairs)}
    path = tournament_table.draw(
        tournament_table.content(results, {}), tmp_path / "out.png"
    )
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--players=random"], "at least two players"),
        (["--players=random,attacker"], "only scripted teams came"),
        (["--players=random,x=random,x=attacker"], "every name once"),
        (["--players=a={run},randon"], "neither a scripted team (random"),
        (
            ["--players=a={run},random", "--anchor=b=500"],
            "expected one of a, random",
        ),
        (["--players=a={run},random", "--ship=random"], "name of a run that plays"),
        (["--players=a={run}@80,random", "--ship=a"], "with its newest save"),
        (
            ["--players=a={run},random", "--anchor=random=x"],
            "expected PLAYER=NUMBER",
        ),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, ftw_run, arguments, said):
    given = [each.format(run=ftw_run) for each in arguments]
    text = command(*given, "--output=out", ok=False)
    assert said in text and "Traceback" not in text

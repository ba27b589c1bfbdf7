"""Reports over Atari scores: rows, intervals, games, the published table, pictures, and bad input in a sentence."""

import json

import numpy as np
import pytest
from matplotlib import image

from launch import normalized

RESULT = {
    "agent": "dreamerv2",
    "preset": "atari_small",
    "frames_per_step": 4,
    "command": "c",
    "commit": "x",
    "versions": {},
    "hardware": "h",
    "wall_hours": 1.0,
    "cpu_hours": 1.0,
    "random": 0.0,
    "bar": None,
    "met": None,
    "notes": "",
}
OURS, BARE = "dreamerv2 atari_small", "dreamerv2 atari_small no_layer_norm"


@pytest.fixture
def command(launch):
    return launch("report")


def write(folder, env, finals, **more):
    folder.mkdir()
    seeds = [
        {"seed": i, "env_steps": 1, "curve": [], "final": final}
        for i, final in enumerate(finals)
    ]
    content = {"name": folder.name, "env": env, "seeds": seeds, "mean": 0.0}
    (folder / "score.json").write_text(json.dumps(RESULT | content | more))


def write_three(tmp_path):
    write(tmp_path / "pong", "atari:Pong", [-20.7, 14.6, 14.6])
    write(tmp_path / "boxing", "atari:Boxing", [0.1, 0.1, 12.1])
    write(tmp_path / "bare", "atari:Boxing", [12.1], ablate=["no_layer_norm"])


def test_the_published_table_is_printed_as_json(command):
    found = json.loads(command("--published", "--format=json", only_stdout=True))
    assert found == {"published": normalized.published_table()}


def test_our_games_are_summed_up_beside_the_published_ones(command, tmp_path):
    write_three(tmp_path)
    write(tmp_path / "catch", "zoo:Catch-v0", [1.0])
    given = ("--scores=*", "--format=json", "--reps=200")
    found = json.loads(command(*given, only_stdout=True))
    rows = found["rows"]
    assert rows.keys() == {OURS, BARE}
    row = rows[OURS]
    assert row["gamer mean"] == pytest.approx((2 / 3 + 1 / 3) / 2, abs=0.01)
    assert (row["games"], row["runs"]) == (2, 6)
    # Of 0 0 0 1 1 1 the middle half is 0 0 1 1, weighted; half a gamer is missing on average.
    assert row["gamer IQM"] == pytest.approx(0.5, abs=0.01)
    assert row["gamer gap"] == pytest.approx(0.5, abs=0.01)
    for low, high in row["intervals"].values():
        assert 0 <= low < 0.5 < high <= 1
    assert len(row["intervals"]) == 4 and row["note"] == ""
    assert rows[BARE]["intervals"] == {}
    assert "one run of each game" in rows[BARE]["note"]
    boxing = found["games"]["atari:Boxing"]
    assert boxing["record"] == 100 and boxing["published, 200M frames"] > 90
    assert boxing[OURS] == pytest.approx(np.mean([0.1, 0.1, 12.1]))
    assert found["normalised"]["atari:Boxing"] == {OURS: [0, 0, 1], BARE: [1]}
    assert found["notes"][0] == f"{BARE} has 1 of 2 games: Pong missing."
    assert "--common_games" in found["notes"][1]
    # The same numbers again: rliable's generator is seeded.
    assert json.loads(command(*given, only_stdout=True)) == found


def test_common_games_compare_rows_on_what_all_have(command, tmp_path):
    write_three(tmp_path)
    given = ("--scores=*", "--published", "--common_games", "--format=json")
    found = json.loads(command(*given, "--reps=100", only_stdout=True))
    assert "notes" not in found and list(found["games"]) == ["atari:Boxing"]
    assert found["rows"][OURS]["games"] == found["rows"][BARE]["games"] == 1
    # The paper's boxing is 92.3, and IMPALA's is not known.
    dreamer = found["published"]["DreamerV2"]
    assert dreamer["gamer median"] == pytest.approx((92.28 - 0.1) / 12, abs=0.01)
    assert "IMPALA" not in found["published"] and len(found["published"]) == 6


def test_pictures_and_numbers_are_written_beside_each_other(command, tmp_path):
    write_three(tmp_path)
    text = command("--scores=*", "--published", "--reps=100", "--output=out/pictures")
    for number in ("2.15", "42.26", "0.44", "0.28", "2.64", "31.71", "0.43", "16.72"):
        assert number in text
    assert "Calculating" not in text
    assert "Alien, Amidar, Assault, Asterix, Asteroids, Atlantis and 47" in text
    folder = tmp_path / "out" / "pictures"
    for name in ("aggregates", "profiles", "games"):
        pixels = image.imread(folder / f"{name}.png")
        assert pixels.shape[1] == 960 and pixels[..., :3].std() > 0.05
    profiles = json.loads((folder / "report.json").read_text())["profiles"]
    fraction = profiles["rows"][OURS]["fraction"]
    at = dict(zip(profiles["thresholds"], fraction, strict=True))
    assert max(at.values()) == 1 and at[max(at)] == 0
    halfway = min(at, key=lambda threshold: abs(threshold - 0.5))
    assert at[halfway] == 0.5
    low, high = (profiles["rows"][OURS][end] for end in ("low", "high"))
    assert np.all(np.array(low) <= fraction) and np.all(fraction <= np.array(high))
    assert profiles["rows"][BARE]["low"] is None
    assert set(profiles["published"]) == set(normalized.published_runs())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--scores, --published, or --logdirs with --html is needed"),
        (["--scores=nowhere/*"], "nothing matches 'nowhere/*'"),
        (["--scores=pong,"], "an empty pattern came"),
        (["--scores=empty"], "no folder that matches 'empty' has a score.json"),
        (["--scores=catch"], "none of 1 results is of an Atari game"),
        (["--scores=catch", "--html=x.html", "--output=y"], "none of 1 results is"),
        (
            ["--scores=odd"],
            "odd/score.json: no levels are known for 'atari:Pongg'. Did you mean 'atari:Pong'",
        ),
        (["--scores=pong,again"], "atari:Pong comes twice"),
        (["--scores=damaged"], "Make it again with python -m launch.score"),
        (["--scores=nan"], "nan/score.json: the final return of seed 1 is nan"),
        (
            ["--scores=pong,bare", "--common_games"],
            "no game is in every row: dreamerv2 atari_small has Pong; dreamerv2 atari_small no_layer_norm has Boxing",
        ),
        (["--logdirs=pong"], "--logdirs goes with --html"),
        (["--logdirs=pong", "--html=x.html"], "none of 1 folders is a run"),
        (["--logdirs=nowhere", "--html=x.html"], "no folder matches 'nowhere'"),
        (["--published", "--html=x"], "the page is to end in .html"),
        (["--logdirs=p", "--html=x.html", "--output=y"], "--output is for Atari"),
        (
            ["--published", "--html=x.html", "--evaluations=pong/score.json"],
            "pong/score.json is no result of python -m launch.evaluate --json",
        ),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, tmp_path, arguments, said):
    write(tmp_path / "catch", "zoo:Catch-v0", [1.0])
    write(tmp_path / "odd", "atari:Pongg", [1.0])
    write(tmp_path / "pong", "atari:Pong", [1.0])
    write(tmp_path / "again", "atari:Pong", [2.0])
    write(tmp_path / "bare", "atari:Boxing", [1.0], ablate=["no_layer_norm"])
    write(tmp_path / "nan", "atari:Pong", [1.0, np.nan])
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "score.json").write_text("{")
    text = command(*arguments, ok=False)
    assert said in text and "Traceback" not in text
    assert len(text.strip().splitlines()) == 1

"""Reports over Atari scores: rows, intervals, games, and the published table as JSON."""

import json

import numpy as np
import pytest

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


def test_the_published_table_is_printed_as_json(command):
    found = json.loads(command("--published", "--format=json", only_stdout=True))
    assert found == {"published": normalized.published_table()}


def test_our_games_are_summed_up_beside_the_published_ones(command, tmp_path):
    write(tmp_path / "pong", "atari:Pong", [-20.7, 14.6, 14.6])
    write(tmp_path / "boxing", "atari:Boxing", [0.1, 0.1, 12.1])
    write(tmp_path / "bare", "atari:Boxing", [12.1], ablate=["no_layer_norm"])
    write(tmp_path / "catch", "zoo:Catch-v0", [1.0])
    given = ("--scores=*", "--format=json", "--reps=200")
    found = json.loads(command(*given, only_stdout=True))
    rows = found["rows"]
    assert rows.keys() == {
        "dreamerv2 atari_small",
        "dreamerv2 atari_small no_layer_norm",
    }
    row = rows["dreamerv2 atari_small"]
    assert row["gamer mean"] == pytest.approx((2 / 3 + 1 / 3) / 2, abs=0.01)
    assert (row["games"], row["runs"]) == (2, 6)
    # Of 0 0 0 1 1 1 the middle half is 0 0 1 1, weighted.
    assert row["gamer IQM"] == pytest.approx(0.5, abs=0.01)
    low, high = row["interval"]
    assert 0 <= low < 0.5 < high <= 1
    assert rows["dreamerv2 atari_small no_layer_norm"]["interval"] is None
    boxing = found["games"]["atari:Boxing"]
    assert boxing["record"] == 100 and boxing["published, 200M frames"] > 90
    assert boxing["dreamerv2 atari_small"] == pytest.approx(np.mean([0.1, 0.1, 12.1]))
    text = command("--scores=*", "--published", "--reps=200")
    assert "IMPALA" in text and "atari:Pong" in text and "16.72" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--scores or --published is needed"),
        (["--scores=nowhere/*"], "nothing matches 'nowhere/*'"),
        (["--scores=catch"], "none of 1 results is of an Atari game"),
        (["--scores=odd"], "no levels are known for 'atari:Pongg'. Did you mean"),
        (["--scores=pong,again"], "atari:Pong comes twice"),
        (["--scores=damaged"], "score.json is damaged"),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, tmp_path, arguments, said):
    write(tmp_path / "catch", "zoo:Catch-v0", [1.0])
    write(tmp_path / "odd", "atari:Pongg", [1.0])
    write(tmp_path / "pong", "atari:Pong", [1.0])
    write(tmp_path / "again", "atari:Pong", [2.0])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "score.json").write_text("{")
    text = command(*arguments, ok=False)
    assert said in text and "Traceback" not in text

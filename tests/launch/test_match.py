"""Matches, and what an agent knows of its game, as commands."""

import json

import pytest

from envs import ctf_facts


@pytest.fixture
def command(launch):
    return launch("match")


def test_a_run_plays_scripted_teams_and_its_earlier_self(command, ftw_run, tmp_path):
    said = command(
        f"--logdir={ftw_run}",
        f"--against=random,{ftw_run}@40",
        *("--games=4", "--together=2", "--json=out.json", "--video=videos"),
    )
    made = json.loads((tmp_path / "out.json").read_text())
    assert set(made["matches"]) == {"random", f"{ftw_run}@40"}
    for each in made["matches"].values():
        assert each["won"] + each["drawn"] + each["lost"] == each["games"] == 4
        low, high = each["interval"]
        assert 0 <= low <= each["win_rate"] <= high <= 1
    assert (tmp_path / "videos" / "random.mp4").stat().st_size > 1000
    assert "random" in said and "95 % interval" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--logdir is needed"),
        (["--against=randon"], "neither a scripted team (random"),
        (["--against={run}@41"], "41"),
        (["--env=zoo:Catch-v0"], "unknown option 'length'"),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, ftw_run, arguments, said):
    given = [f"--logdir={ftw_run}"] if arguments else []
    given += [each.format(run=ftw_run) for each in arguments]
    text = command(*given, ok=False)
    assert said in text and "Traceback" not in text


def test_what_is_known_is_told_for_every_save_and_a_new_net(launch, ftw_run, tmp_path):
    said = launch("knowledge")(f"--logdir={ftw_run}", "--games=4", "--output=out")
    made = json.loads((tmp_path / "out" / "knowledge.json").read_text())
    assert list(made["knowledge"]) == ["0", "40", "80"]
    for known in made["knowledge"].values():
        assert known.keys() == set(ctf_facts.FACTS)
        assert all(value is None or 0 <= value <= 1 for value in known.values())
    assert (tmp_path / "out" / "knowledge.png").stat().st_size > 5000
    assert "an opponent is near" in said

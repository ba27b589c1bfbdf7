import json
import math

import pytest

from agents import score
from agents.checkpoint import DamagedError


def write_run(folder, **more):
    config = {
        "agent": "dreamerv2",
        "preset": "catch",
        "ablate": ["no_layer_norm"],
        "config": {"deter": 3},
        "run": {"env": "zoo:Catch-v0", "seed": 4},
    }
    (folder / "config.json").write_text(json.dumps(config | more))
    rows = [
        {"env_steps": 10, "frames": 40, "time": 1.0, "return": -1.0},
        {"env_steps": 20, "frames": 80, "time": 36.0, "return": None},
        {"env_steps": 30, "frames": 120, "time": 72.0, "cpu_time": 144.0}
        | {"return": 0.5},
    ]
    lines = [json.dumps(row | {"updates": 0}) + "\n" for row in rows]
    (folder / "metrics.jsonl").write_text("".join(lines))


EVALUATED = {"mean": 0.7, "env_steps": 30, "standard_error": 0.1}
GIVEN = {"random": -0.6, "bar": 0.5}


@pytest.fixture
def content(tmp_path):
    write_run(tmp_path)
    seed = score.seed_result(tmp_path, EVALUATED)
    other = dict(seed, seed=5, final=0.2)
    return score.score("demo", tmp_path, "make demo", [seed, other], **GIVEN)


def test_a_seed_has_its_curve_its_final_score_and_what_it_took(tmp_path):
    write_run(tmp_path)
    seed = score.seed_result(tmp_path, EVALUATED)
    assert seed["curve"] == [[10, -1.0], [30, 0.5]]
    assert (seed["seed"], seed["env_steps"], seed["final"]) == (4, 30, 0.7)
    assert (seed["hours"], seed["cpu_hours"]) == (0.02, 0.04)


def test_a_score_holds_every_field_of_the_format_and_judges_the_mean_over_seeds(
    content, tmp_path
):
    fields = "name agent env preset command commit versions hardware wall_hours cpu_hours seeds random bar met notes"
    assert set(fields.split()) <= set(content)
    assert content["met"] is False and content["mean"] == 0.45
    assert content["frames_per_step"] == 4 and content["ablate"] == ["no_layer_norm"]
    assert (content["wall_hours"], content["cpu_hours"]) == (0.04, 0.08)
    one = content["seeds"][:1]
    assert score.score("demo", tmp_path, "c", one, **GIVEN)["met"] is True
    no_bar = score.score("demo", tmp_path, "c", one, random=0, bar=None)
    assert no_bar["met"] is None and no_bar["interval"] is None


def test_a_score_names_what_the_run_was_made_with_not_what_scores_it(tmp_path):
    write_run(
        tmp_path,
        commit="abc",
        hardware="an abacus",
        versions={"python": "2"},
        device="beads",
    )
    seed = score.seed_result(tmp_path, EVALUATED)
    content = score.score("demo", tmp_path, "c", [seed], **GIVEN)
    assert (content["commit"], content["hardware"]) == ("abc", "an abacus, beads")
    assert content["versions"] == {"python": "2"}


def test_hours_that_a_seed_does_not_know_are_not_guessed(content, tmp_path):
    seeds = [dict(seed, cpu_hours=None) for seed in content["seeds"]]
    again = score.score("demo", tmp_path, "c", seeds, **GIVEN)
    assert again["cpu_hours"] is None and again["wall_hours"] == 0.04


def test_the_interval_is_students_t():
    # t of 2 and of 9 degrees of freedom at 0.975, from printed tables
    for finals, t in (([1.0, 2.0, 6.0], 4.303), (list(range(10)), 2.262)):
        n, mean = len(finals), sum(finals) / len(finals)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in finals) / (n - 1))
        half = t * deviation / math.sqrt(n)
        low, high = score.interval(finals)
        assert low == pytest.approx(mean - half, abs=2e-3)
        assert high == pytest.approx(mean + half, abs=2e-3)


def test_what_is_written_is_read_again_with_a_point_of_a_curve_on_one_line(
    content, tmp_path
):
    score.write(tmp_path / "score.json", content)
    assert score.read(tmp_path) == score.read(tmp_path / "score.json") == content
    assert "\n        [30, 0.5]\n" in (tmp_path / "score.json").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("env"), "'env' is missing"),
        (lambda c: c.update(random="low"), "'random' is 'low', expected int or float"),
        (lambda c: c.update(mean=True), "'mean' is True, expected int or float"),
        (lambda c: c.update(seeds={}), "'seeds' is {}, expected list"),
        (lambda c: c.update(seeds=[]), "'seeds' is empty"),
        (lambda c: c["seeds"].append(3), r"seeds[2] holds a int, not an object"),
        (lambda c: c["seeds"][1].pop("final"), "'seeds[1].final' is missing"),
        (lambda c: c["seeds"][0].update(seed=0.5), "'seeds[0].seed' is 0.5"),
        (lambda c: c["seeds"][0]["curve"].append([1, "a"]), "'seeds[0].curve' holds"),
    ],
)
def test_a_damaged_score_is_one_sentence_that_names_file_and_key(
    content, tmp_path, change, said
):
    change(content)
    path = tmp_path / "score.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DamagedError) as raised:
        score.read(path)
    assert str(path) in str(raised.value) and said in str(raised.value)


def test_a_cut_score_file_and_one_that_is_not_there_are_named(content, tmp_path):
    path = tmp_path / "score.json"
    path.write_text(json.dumps(content)[:200])
    with pytest.raises(DamagedError, match=r"score\.json is damaged: it is no JSON"):
        score.read(path)
    with pytest.raises(FileNotFoundError, match=r"no score file .*score\.json"):
        (tmp_path / "empty").mkdir()
        score.read(tmp_path / "empty")


def test_a_run_without_metrics_is_no_result(tmp_path):
    write_run(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(DamagedError, match="has no curve to show"):
        score.seed_result(tmp_path, EVALUATED)


def test_a_run_that_went_on_under_another_commit_names_both(monkeypatch):
    monkeypatch.setattr(score, "commit", lambda: "new")
    assert score.origin()["commit"] == "new"
    assert score.origin("old")["commit"] == "old, new"
    assert score.origin("old, new")["commit"] == "old, new"
    monkeypatch.setattr(score, "commit", lambda: "")
    assert score.origin("old")["commit"] == "old"


def test_the_versions_and_the_machine_are_named():
    assert score.versions()["tensorflow"]
    assert "cores" in score.hardware()


def test_every_score_of_the_repository_can_be_read(repository):
    paths = list((repository / "scores").glob("*/*/score.json"))
    assert paths
    for path in paths:
        content = score.read(path)
        assert content["name"] == path.parent.name or content["name"] == "demo"
        assert content["agent"] == path.parent.parent.name


def test_a_table_has_rows_and_reference_in_place_of_seeds(content, tmp_path):
    table = {"table": {"row": {"column": 1.0}}, "reference": {"row": {"column": 2.0}}}
    made = {k: v for k, v in content.items() if k != "seeds"} | table
    (tmp_path / "score.json").write_text(json.dumps(made))
    assert score.read(tmp_path) == made
    (tmp_path / "score.json").write_text(json.dumps(made | {"reference": 3}))
    with pytest.raises(DamagedError, match="'reference' is 3, expected dict"):
        score.read(tmp_path)

import json

from agents import score


def write_run(folder):
    config = {
        "agent": "dreamerv2",
        "preset": "catch",
        "config": {"deter": 3},
        "run": {"env": "zoo:Catch-v0", "seed": 4},
    }
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"env_steps": 10, "frames": 10, "updates": 0, "time": 1.0, "return": -1.0},
        {"env_steps": 20, "frames": 20, "updates": 1, "time": 36.0, "return": None},
        {"env_steps": 30, "frames": 30, "updates": 2, "time": 72.0, "return": 0.5},
    ]
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "metrics.jsonl").write_text("".join(lines))


def test_a_score_holds_every_field_of_the_format_and_judges_the_mean_over_seeds(
    tmp_path,
):
    write_run(tmp_path)
    seed = score.seed_result(tmp_path, final=0.7)
    assert seed["curve"] == [[10, -1.0], [30, 0.5]]
    assert (seed["seed"], seed["env_steps"], seed["hours"]) == (4, 30, 0.02)
    other = dict(seed, seed=5, final=0.2)
    given = {"random": -0.6, "bar": 0.5, "wall_hours": 1.0, "cpu_hours": 2.0}
    content = score.score("demo", tmp_path, "make demo", [seed, other], **given)
    fields = "name agent env preset command commit versions hardware wall_hours cpu_hours seeds random bar met notes"
    assert set(fields.split()) <= set(content)
    assert content["met"] is False
    assert score.score("demo", tmp_path, "make demo", [seed], **given)["met"] is True
    json.dumps(content)


def test_the_versions_and_the_machine_are_named():
    assert score.versions()["tensorflow"]
    assert "cores" in score.hardware()

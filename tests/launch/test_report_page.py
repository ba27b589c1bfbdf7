"""The page of a report: whole, self-contained, escaped, for agents and models, with whatever runs left behind."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from scipy import stats

from agents import video
from launch import atari_scores, evaluation_files, html_report, run_files
from launch.html_report import Content

EVIL = "<script>alert('$x_1')</script>"
VOID = {"img", "meta"}
RESULT = {
    "agent": "dreamerv2",
    "preset": "minatar",
    "frames_per_step": 1,
    "command": "python -m launch.dreamerv2 --x='<b>'",
    "commit": "abc",
    "versions": {"python": "3.11"},
    "hardware": "two cores",
    "wall_hours": 1.0,
    "cpu_hours": None,
    "random": 0.5,
    "bar": 3.0,
    "met": True,
    "notes": EVIL,
}
EVALUATION = {"env": "zoo:Catch-v0", "env_steps": 900, "episodes": 2, "mean": 0.5}
EVALUATION |= {"mode": "greedy", "returns": [0.0, 1.0], "standard_error": 0.5}


class Page(HTMLParser):
    """What a browser would see: elements and their attributes, the text, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self._open = [], "", []
        self.feed(text)
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def sources(self):
        return [a["src"] for _, a in self.elements if "src" in a]


def write_run(folder, preset="small", seed=0, returns=(0.0, 1.0), **settings):
    folder.mkdir(parents=True)
    with open(folder / "metrics.jsonl", "w") as file:
        for i, ret in enumerate(returns, 1):
            steps = {"env_steps": 100 * i, "frames": 400 * i, "updates": i, "time": 36}
            scalars = {"return": ret, "odd_scalar": 2.0 * i, "eval_return": ret + 1}
            file.write(json.dumps(steps | scalars) + "\n")
    run = {"env": "zoo:Catch-v0", "seed": seed, "env_steps": 1000, "logdir": "x"}
    saved = {"agent": "an_agent", "preset": preset, "ablate": [], "run": run}
    saved |= {"config": {"batch_size": 16} | settings, "command": "python -m launch.x"}
    (folder / "config.json").write_text(json.dumps(saved))
    return folder


def write_model(folder):
    folder.mkdir(parents=True)
    lines = [json.dumps({"updates": i, "time": 1.0, "loss": 9.0 - i}) for i in (1, 2)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    saved = {"model": "a_model", "run": {"updates": 5, "seed": 0}, "config": {}}
    (folder / "config.json").write_text(json.dumps(saved))
    (folder / "results.json").write_text(json.dumps({"test_nll": 98.76}))
    (folder / "pictures").mkdir()
    imageio.imwrite(folder / "pictures" / "samples.png", np.zeros((8, 8), np.uint8))
    return folder


def write_videos(folder, *names):
    for name in names:
        frames = np.random.default_rng(0).integers(255, size=(3, 16, 16, 3))
        video.write_video(folder / "videos" / name, frames.astype(np.uint8))


def write_score(folder, **more):
    folder.mkdir(parents=True)
    seeds = [
        {"seed": i, "env_steps": 9, "curve": [[1, 0.0], [9, 1.0]], "final": 1.0 + i}
        for i in range(3)
    ]
    content = {"name": folder.name, "env": "zoo:Catch-v0", "seeds": seeds, "mean": 2.0}
    (folder / "score.json").write_text(json.dumps(RESULT | content | more))


def build(logdirs=(), scores="", evaluations="", atari=None, megabytes=20.0):
    runs, left_out = run_files.read(logdirs) if logdirs else ([], [])
    results = atari_scores.find(scores) if scores else []
    more = evaluation_files.find(evaluations) if evaluations else []
    content = Content(runs, results, more, atari or {}, left_out, megabytes)
    text = html_report.build(content)
    return Page(text), text


def sections(page):
    return {a["id"] for a in page.all("section")}


def check_alone(page, text):
    """Nothing is fetched: no address, no script, only data URIs and links into the page, and each decodes."""
    assert not re.search(r"//\w", re.sub(r'="data:[^"]*"', "", text))
    assert not page.all("script") and not page.all("link") and "@import" not in text
    assert all("url(#" in each for each in re.findall(r"url\([^)]*", text))
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "xlink:href"):
                assert value[0] == "#" and value[1:] in identities
    for source in page.sources():
        kind, _, data = source.partition(";base64,")
        assert kind in ("data:video/mp4", "data:image/gif", "data:image/png")
        assert base64.b64decode(data, validate=True)


@pytest.fixture
def everything(tmp_path):
    runs = tmp_path / "runs" / "an_agent" / "env"
    logdirs = [
        write_run(runs / preset / f"seed{seed}", preset, seed, (0, ret), lr=lr)
        for preset, lr in (("small", 0.1), (EVIL.replace("/", "|"), 0.2))
        for seed, ret in ((0, 1.0), (1, 3.0))
    ]
    write_videos(logdirs[0], "episode-5.gif", "episode-40.gif", "dream_image-40.gif")
    write_videos(logdirs[1], "episode-30.mp4")
    group = {"label": "grouped", "env": "zoo:Catch-v0", "runs": 2, "mean": 0.5}
    group |= {"interval": [0.1, 0.9], "lowest": 0.4, "highest": 0.6}
    evaluated = {"results": [EVALUATION | {"logdir": "far"}], "groups": [group]}
    (tmp_path / "many.json").write_text(json.dumps(evaluated))
    (logdirs[0] / "evaluation.json").write_text(json.dumps(EVALUATION))
    (logdirs[0] / "other.json").write_text("[1, 2")
    logdirs.append(write_model(tmp_path / "runs/a_model/task/lr1/seed0"))
    write_score(tmp_path / "scores" / "one")
    table = {"table": {"row": {"a": 1.25}}, "reference": {"row": {"a": 1.5}}}
    write_score(tmp_path / "scores" / "cells", **table)
    return tmp_path, logdirs


def test_a_page_of_runs_results_and_models_holds_all_of_it_and_needs_nothing(
    everything,
):
    folder, logdirs = everything
    (folder / "empty").mkdir()
    scores, evaluations = f"{folder}/scores/*", f"{folder}/many.json"
    page, text = build([*logdirs, folder / "empty"], scores, evaluations)
    check_alone(page, text)
    links = {a["href"][1:] for a in page.all("a")}
    assert sections(page) == links
    wanted = "runs results curves videos evaluations settings scalars origins"
    assert links == set(wanted.split())
    assert f"{folder / 'empty'} has no metrics.jsonl and was left out." in page.text
    # Every string is text, and dollars are no formulas.
    assert "<script" not in text and EVIL in page.text
    assert "python -m launch.dreamerv2 --x='<b>'" in page.text
    # Evaluations wherever they are, and tables beside what was published.
    for part in ("grouped", "0.50 (0.10 to 0.90)", "98.76", "1.25 / 1.50", "far"):
        assert part in page.text
    assert "odd_scalar" in page.text and "a_model" in page.text
    assert "2 of 5 updates" in page.text
    # The newest video of each name: two of seed 0, one of seed 1, and the model's picture.
    assert len(page.sources()) == 4
    assert "Episode at step 40, seed 0" in page.text and "step 5," not in page.text
    for row in ("truth", "model", "error"):
        assert row in [t.strip() for t in re.findall(r"<dt>(.*?)</dt>", text)]
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("aria-label") for a in page.all("svg") + page.all("video"))
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1


def test_settings_that_differ_stand_apart_from_all_of_them(everything):
    _, logdirs = everything
    page, _ = build(logdirs[:4])
    start = page.text.index("Settings that differ")
    differing, every = page.text[start:].split("All 4 settings")
    assert "lr" in differing and "batch_size" not in differing
    assert "lr" in every and "batch_size" in every
    assert "seed" not in differing and "logdir" not in every.split("How the runs")[0]


def test_means_over_seeds_have_the_interval_of_student(everything):
    _, logdirs = everything
    page, _ = build(logdirs[:2])
    low, high = stats.t.interval(0.95, 1, loc=2.0, scale=stats.sem([1.0, 3.0]))
    assert f"2.00 ({low:.2f} to {high:.2f})" in page.text
    assert "no seeds of one experiment" not in page.text
    page, _ = build(logdirs[:1])
    assert "videos" in sections(page) and "Settings that differ" not in page.text


def test_seeds_that_differ_in_a_setting_are_told(tmp_path):
    runs = tmp_path / "runs" / "an_agent" / "env" / "small"
    logdirs = [write_run(runs / f"seed{i}", seed=i, depth=i) for i in range(2)]
    page, _ = build(logdirs)
    assert "an_agent small on zoo:Catch-v0 differ in depth" in page.text


def test_what_is_too_large_is_named_and_first_seeds_come_first(everything):
    _, logdirs = everything
    sizes = [p.stat().st_size for p in (logdirs[0] / "videos").glob("*-40.gif")]
    page, text = build(logdirs[:2], megabytes=(sum(sizes) + 1) / 1e6)
    assert len(page.sources()) == 2 and "Left out for their size" in page.text
    assert str(Path("seed1/videos/episode-30.mp4")) in page.text
    assert "--media_mb=" in page.text
    check_alone(page, text)


def test_runs_that_have_only_begun_or_lost_their_settings_are_shown(tmp_path):
    begun = write_run(tmp_path / "begun", returns=())
    bare = write_run(tmp_path / "bare")
    (bare / "config.json").write_text("{")
    page, text = build([begun, bare])
    check_alone(page, text)
    assert "begun" in page.text and "not recorded" in page.text
    page, _ = build([begun])
    assert "No run has logged anything" in page.text


def test_the_launcher_writes_the_page_of_runs_and_atari_scores(launch, everything):
    folder, logdirs = everything
    write_score(folder / "pong", env="atari:Pong", preset="atari_small")
    text = launch("report")(
        f"--logdirs={logdirs[0]},{logdirs[2]}",
        "--scores=pong,scores/one",
        "--published",
        "--reps=100",
        "--html=out/page.html",
    )
    assert "Wrote out/page.html" in text and "42.26" in text
    written = (folder / "out" / "page.html").read_text(encoding="utf-8")
    page = Page(written)
    check_alone(page, written)
    assert "atari" in sections(page)
    for number in ("2.15", "42.26", "0.44", "0.28", "2.64", "31.71", "0.43", "16.72"):
        assert number in page.text
    labels = [a["aria-label"] for a in page.all("svg")]
    assert any("above each gamer-normalised score" in label for label in labels)

import json
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

import envs
from agents import policy, score
from agents.checkpoint import DamagedError
from launch import curves as curves_lib
from launch import figures as plot
from launch.curves import Curve


def draw_runs(logdirs, output, **more):
    return plot.plot_results(logdirs, [], output, **more)


def _run(folder, returns, step=100, **more):
    folder.mkdir(parents=True)
    with open(folder / "metrics.jsonl", "w") as file:
        for i, ret in enumerate(returns, 1):
            counters = {"env_steps": i * step, "frames": 4 * i * step, "time": i * 36.0}
            file.write(json.dumps(counters | {"return": ret} | more) + "\n")
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of files."""
    figures = []
    monkeypatch.setattr(plot, "save", lambda figure, output: figures.append(figure))
    return figures


def _curves(axis):
    return {line.get_label(): line.get_xydata() for line in axis.get_lines()}


def test_runs_share_a_panel_by_environment_and_a_line_by_preset(tmp_path, drawn):
    runs = tmp_path / "runs" / "dreamerv2"
    folders = [
        _run(runs / env / preset / f"seed{seed}", [seed, seed + 2])
        for env in ("minatar:asterix", "atari:Pong")
        for preset in ("small", "large")
        for seed in (0, 1, 5)
    ]
    draw_runs(folders, "x.png", published=False)
    pong, asterix = drawn[0].axes
    assert [pong.get_title("left"), asterix.get_title("left")] == [
        "atari:Pong",
        "minatar:asterix",
    ]
    texts = [text.get_text() for text in pong.get_legend().get_texts()]
    assert texts == ["dreamerv2 large (3 seeds)", "dreamerv2 small (3 seeds)"]
    mean = _curves(pong)["dreamerv2 small (3 seeds)"]
    np.testing.assert_allclose(mean[[0, -1]], [[400, 2], [800, 4]])
    low, high = pong.collections[0].get_datalim(pong.transData).intervaly
    assert (low, high) == (0, 7)


def test_the_mean_stops_where_the_shortest_seed_stopped(tmp_path, drawn):
    long = _run(tmp_path / "a" / "env" / "p" / "seed0", [1, 1, 1, 1])
    short = _run(tmp_path / "a" / "env" / "p" / "seed1", [3, 3])
    draw_runs([long, short], "x.png", x="env_steps")
    mean = _curves(drawn[0].axes[0])["a p (2 seeds)"]
    np.testing.assert_allclose(mean[-1], [200, 2])


def test_lines_without_the_value_are_left_out_and_time_is_in_hours(tmp_path, drawn):
    run = _run(tmp_path / "one", [1.0, None, 3.0])
    draw_runs([run], "x.png", x="time")
    np.testing.assert_allclose(
        _curves(drawn[0].axes[0])["one (1 seed)"], [[0.01, 1], [0.03, 3]]
    )


def test_a_single_record_is_still_to_be_seen(tmp_path, drawn):
    draw_runs([_run(tmp_path / "one", [1.0])], "x.png")
    (line,) = drawn[0].axes[0].get_lines()
    assert line.get_marker() == "o"


def test_smoothing_averages_neighbours():
    curve = Curve(np.arange(300.0), np.tile([0.0, 3.0, 6.0], 100))
    smooth = plot._smooth(curve, 50)
    np.testing.assert_allclose(smooth.y, 3)
    np.testing.assert_allclose(smooth.x, np.arange(300).reshape(50, 6).mean(1))


def test_many_seeds_get_the_interval_of_their_mean():
    values = np.random.default_rng(0).normal(size=(20, 400))
    low, high = plot._band(values)
    inside = np.mean((low < 0) & (high > 0))
    assert 0.85 < inside < 0.99
    assert np.mean(high - low) == pytest.approx(2 * 1.96 / np.sqrt(20), rel=0.1)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_picture_is_written_by_its_ending(tmp_path, suffix):
    path = draw_runs([_run(tmp_path / "r", [1, 2])], tmp_path / f"new/p{suffix}")
    head = path.read_bytes()[:8]
    assert head == b"\x89PNG\r\n\x1a\n" if suffix == ".png" else head[:5] == b"<?xml"


def test_one_curve_is_drawn_with_its_reference_lines(tmp_path, drawn):
    run = _run(tmp_path / "demo", [0.0, 0.5, 0.9])
    lines = {"random": 0.1, "bar": 0.85}
    plot.plot_curve(run / "metrics.jsonl", "x.png", "Catch", lines)
    (axis,) = drawn[0].axes
    assert axis.get_title("left") == "Catch"
    assert [t.get_text() for t in axis.texts] == ["random 0.1", "bar 0.85"]
    heights = [line.get_ydata()[0] for line in axis.get_lines()[-2:]]
    assert heights == [0.1, 0.85]


def test_a_picture_is_wide_enough_for_its_letters(tmp_path):
    run = _run(tmp_path / "r", [1, 2])
    path = plot.plot_curve(run / "metrics.jsonl", tmp_path / "curve.png")
    height, width, _ = matplotlib.image.imread(path).shape
    assert (width, height) == (960, 680)


def test_wrong_requests_say_what_is_there(tmp_path):
    run = _run(tmp_path / "r", [1, 2])
    with pytest.raises(ValueError, match=r"'loss'.*env_steps, frames, return, time"):
        draw_runs([run], "x.png", key="loss")
    with pytest.raises(ValueError, match=r"'steps'.*frames"):
        draw_runs([run], "x.png", x="steps")
    with pytest.raises(ValueError, match=r"x\.pdf.*\.png or \.svg"):
        draw_runs([run], "x.pdf")
    with pytest.raises(FileNotFoundError, match=r"metrics\.jsonl"):
        draw_runs([tmp_path / "empty"], "x.png")
    with pytest.raises(FileNotFoundError, match="No run folders and no score files"):
        draw_runs([], "x.png")


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install latent-agent-zoo\[plots\]"):
        draw_runs([_run(tmp_path / "r", [1, 2])], "x.png")


def test_what_a_run_is_comes_from_its_config_where_it_has_one(tmp_path, drawn):
    run = _run(tmp_path / "runs" / "dreamerv2" / "atari-Pong" / "p" / "seed0", [1, 2])
    mine = _run(tmp_path / "my_run", [1, 2])
    content = {"agent": "dreamerv2", "preset": "small", "ablate": ["no_kl_balancing"]}
    for folder in (run, mine):
        text = json.dumps(content | {"run": {"env": "atari:Pong"}})
        (folder / "config.json").write_text(text)
    draw_runs([run, mine], "x.png", published=False)
    (axis,) = drawn[0].axes
    assert axis.get_title("left") == "atari:Pong"
    labels = [" ".join(t.get_text().split()) for t in axis.get_legend().get_texts()]
    assert labels == ["dreamerv2 small no_kl_balancing (1 seed)", "my_run (1 seed)"]


def _score(folder, env="zoo:Catch-v0", frames_per_step=4, **more):
    folder.mkdir(parents=True)
    seeds = [
        {
            "seed": seed,
            "env_steps": 20,
            "curve": [[10, seed], [20, seed + 1]],
            "final": 1.0,
        }
        for seed in range(3)
    ]
    content = {
        "name": folder.name,
        "agent": "dreamerv2",
        "env": env,
        "preset": "p",
        "frames_per_step": frames_per_step,
        "command": "c",
        "commit": "",
        "versions": {},
        "hardware": "h",
        "wall_hours": 1,
        "cpu_hours": None,
        "seeds": seeds,
        "mean": 1.0,
        "random": -0.6,
        "bar": 0.5,
        "met": True,
        "notes": "",
    }
    score.write(folder / "score.json", content | more)
    return folder


def test_score_files_share_the_panel_of_runs_and_bring_their_levels(tmp_path, drawn):
    run = _run(tmp_path / "runs/dreamerv2/zoo-Catch-v0/catch/seed0", [0.1, 0.2])
    folder = _score(tmp_path / "result")
    for x, last in (("frames", 80), ("env_steps", 20)):
        plot.plot_results([run], [folder], "x.png", x=x)
        (axis,) = drawn.pop().axes
        mean = _curves(axis)["result (3 seeds)"]
        np.testing.assert_allclose(mean[[0, -1]], [[last / 2, 1], [last, 2]])
        assert [t.get_text() for t in axis.texts] == ["random -0.6", "bar 0.5"]
        assert len(axis.get_legend().get_texts()) == 2


def test_score_files_without_levels_or_episodes_are_drawn(tmp_path, drawn):
    folder = _score(tmp_path / "r", random=None, bar=None, met=None)
    content = score.read(folder)
    content["seeds"][2]["curve"] = []
    score.write(folder / "score.json", content)
    plot.plot_results([], [folder], "x.png")
    (axis,) = drawn[0].axes
    assert not axis.texts and "r (2 seeds)" in _curves(axis)


def test_score_files_hold_returns_over_steps_only(tmp_path):
    folder = _score(tmp_path / "r")
    with pytest.raises(ValueError, match="not 'loss' over 'frames'"):
        plot.plot_results([], [folder], "x.png", key="loss")
    with pytest.raises(ValueError, match="not 'return' over 'time'"):
        plot.plot_results([], [folder], "x.png", x="time")
    (folder / "score.json").write_text("{")
    with pytest.raises(DamagedError, match=r"score\.json is damaged"):
        plot.plot_results([], [folder], "x.png")


PONG_200M = 19.55  # the paper's table K.1 prints 20


def test_published_curves_of_the_same_environment_end_just_past_ours(tmp_path, drawn):
    run = _run(tmp_path / "a" / "atari-Pong" / "p" / "seed0", [1, 2], step=300_000)
    label = "Hafner et al. 2021 (8 seeds)"
    plot.plot_results([run], [], "x.png")
    frames, returns = _curves(drawn.pop().axes[0])[label].T
    np.testing.assert_allclose(frames, [1e6, 2e6, 5e6])  # ours end at 2.4 million
    np.testing.assert_allclose(returns[0], -18.27)
    plot.plot_results([run], [], "x.png", x="env_steps")
    steps = _curves(drawn.pop().axes[0])[label][:, 0]
    np.testing.assert_allclose(steps, frames / 4)
    for more in ({"published": False}, {"x": "time"}, {"key": "frames"}):
        plot.plot_results([run], [], "x.png", **more)
        assert label not in _curves(drawn.pop().axes[0])


def test_published_results_cover_55_games_and_are_those_of_the_paper():
    content = json.loads((policy.SCORES / "published.json").read_text())
    assert (policy.SCORES / "published.json").stat().st_size < 500_000
    assert "arXiv 2010.02193" in content["source"]
    games = {
        result["env"]: result
        for result in content["results"]
        if result["env"].startswith("atari:")
    }
    assert len(games) == 55
    assert games["atari:Pong"]["curve"][-1] == [200_000_000, PONG_200M]
    # Table 1: the mean over games of the score normalised by record and clipped is 0.28.
    clipped = [
        min(1.0, (game["curve"][-1][1] - low) / (game["levels"]["record"] - low))
        for game in games.values()
        for low in [game["levels"]["random"]]
    ]
    assert np.mean(clipped) == pytest.approx(0.28, abs=0.005)


def test_published_games_and_tasks_are_environments_of_ours():
    content = json.loads((policy.SCORES / "published.json").read_text())
    for result in content["results"]:
        envs.check_name(result["env"])
        steps, _ = np.array(result["curve"]).T
        assert (np.diff(steps) > 0).all()
    assert curves_lib.read_published("minatar:Breakout-v1", "frames", 1e9) == {}


@pytest.fixture
def command(tmp_path):
    def call(*flags):
        return subprocess.run(
            [sys.executable, "-m", "launch.plot", *flags],
            capture_output=True,
            text=True,
        )

    return call


def test_the_command_draws_patterns_of_folders_and_of_score_files(tmp_path, command):
    for seed in range(2):
        _run(tmp_path / "runs" / "a" / "env" / "p" / f"seed{seed}", [1, 2])
    _score(tmp_path / "scores" / "first")
    _score(tmp_path / "scores" / "second")
    (tmp_path / "scores" / "benchmark").mkdir()
    output = tmp_path / "curve.svg"
    runs = f"--logdirs={tmp_path}/runs/*/*/*/seed*,{tmp_path}/runs/a"
    scores = f"--scores={tmp_path}/scores/*,{tmp_path}/scores/first/score.json"
    done = command(runs, scores, f"--output={output}", "--columns=2")
    assert done.returncode == 0, done.stderr
    assert str(output) in done.stdout and output.exists()


def test_what_matches_nothing_is_one_sentence(tmp_path, command):
    (tmp_path / "scores" / "benchmark").mkdir(parents=True)
    for flags, said in (
        ([f"--logdirs={tmp_path}/no/*"], f"no folder matches '{tmp_path}/no/*'"),
        (
            [f"--scores={tmp_path}/no/*"],
            f"no folder or .json file matches '{tmp_path}/no/*'",
        ),
        (
            [f"--scores={tmp_path}/scores/*"],
            f"no folder that matches '{tmp_path}/scores/*' has a score.json",
        ),
        ([], "--logdirs or --scores is needed: what is to be drawn?"),
    ):
        done = command(*flags)
        assert done.returncode == 1
        assert done.stderr.strip() == f"error: {said}"

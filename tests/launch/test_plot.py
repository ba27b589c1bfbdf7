import json
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from launch import plot


def _run(folder, returns, step=100, **more):
    folder.mkdir(parents=True)
    with open(folder / "metrics.jsonl", "w") as file:
        for i, ret in enumerate(returns, 1):
            counters = {"env_steps": i * step, "frames": 4 * i * step, "time": i * 36.0}
            file.write(json.dumps(counters | {"return": ret} | more) + "\n")
    return folder


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn, instead of files."""
    drawn = []
    monkeypatch.setattr(plot, "_save", lambda figure, output: drawn.append(figure))
    return drawn


def _curves(axis):
    return {line.get_label(): line.get_xydata() for line in axis.get_lines()}


def test_runs_share_a_panel_by_environment_and_a_line_by_preset(tmp_path, figures):
    runs = tmp_path / "runs" / "dreamerv2"
    folders = [
        _run(runs / env / preset / f"seed{seed}", [seed, seed + 2])
        for env in ("minatar:asterix", "atari:Pong")
        for preset in ("small", "large")
        for seed in (0, 1, 5)
    ]
    plot.plot_runs(folders, "x.png")
    pong, asterix = figures[0].axes
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


def test_the_mean_stops_where_the_shortest_seed_stopped(tmp_path, figures):
    long = _run(tmp_path / "a" / "env" / "p" / "seed0", [1, 1, 1, 1])
    short = _run(tmp_path / "a" / "env" / "p" / "seed1", [3, 3])
    plot.plot_runs([long, short], "x.png", x="env_steps")
    mean = _curves(figures[0].axes[0])["a p (2 seeds)"]
    np.testing.assert_allclose(mean[-1], [200, 2])


def test_lines_without_the_value_are_left_out_and_time_is_in_hours(tmp_path, figures):
    run = _run(tmp_path / "one", [1.0, None, 3.0])
    plot.plot_runs([run], "x.png", x="time")
    np.testing.assert_allclose(
        _curves(figures[0].axes[0])["one (1 seed)"], [[0.01, 1], [0.03, 3]]
    )


def test_a_single_record_is_still_to_be_seen(tmp_path, figures):
    plot.plot_runs([_run(tmp_path / "one", [1.0])], "x.png")
    (line,) = figures[0].axes[0].get_lines()
    assert line.get_marker() == "o"


def test_smoothing_averages_neighbours():
    curve = plot.Curve(np.arange(300.0), np.tile([0.0, 3.0, 6.0], 100))
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
    path = plot.plot_runs([_run(tmp_path / "r", [1, 2])], tmp_path / f"new/p{suffix}")
    head = path.read_bytes()[:8]
    assert head == b"\x89PNG\r\n\x1a\n" if suffix == ".png" else head[:5] == b"<?xml"


def test_one_curve_is_drawn_with_its_reference_lines(tmp_path, figures):
    run = _run(tmp_path / "demo", [0.0, 0.5, 0.9])
    lines = {"random": 0.1, "bar": 0.85}
    plot.plot_curve(run / "metrics.jsonl", "x.png", "Catch", lines)
    (axis,) = figures[0].axes
    assert axis.get_title("left") == "Catch"
    assert [t.get_text() for t in axis.texts] == ["random 0.1", "bar 0.85"]
    heights = [line.get_ydata()[0] for line in axis.get_lines()[-2:]]
    assert heights == [0.1, 0.85]


def test_a_picture_is_wide_enough_for_its_letters(tmp_path):
    run = _run(tmp_path / "r", [1, 2])
    path = plot.plot_curve(run / "metrics.jsonl", tmp_path / "curve.png")
    height, width, _ = matplotlib.image.imread(path).shape
    assert (width, height) == (960, 630)


def test_wrong_requests_say_what_is_there(tmp_path):
    run = _run(tmp_path / "r", [1, 2])
    with pytest.raises(ValueError, match=r"'loss'.*env_steps, frames, return, time"):
        plot.plot_runs([run], "x.png", key="loss")
    with pytest.raises(ValueError, match=r"'steps'.*frames"):
        plot.plot_runs([run], "x.png", x="steps")
    with pytest.raises(ValueError, match=r"x\.pdf.*\.png or \.svg"):
        plot.plot_runs([run], "x.pdf")
    with pytest.raises(FileNotFoundError, match=r"metrics\.jsonl"):
        plot.plot_runs([tmp_path / "empty"], "x.png")
    with pytest.raises(FileNotFoundError, match="No run folders"):
        plot.plot_runs([], "x.png")


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install latent-agent-zoo\[plots\]"):
        plot.plot_runs([_run(tmp_path / "r", [1, 2])], "x.png")


def test_the_command_draws_a_pattern_of_folders_or_says_that_none_matches(tmp_path):
    for seed in range(2):
        _run(tmp_path / "runs" / "a" / "env" / "p" / f"seed{seed}", [1, 2])

    def command(*flags):
        return subprocess.run(
            [sys.executable, "-m", "launch.plot", *flags],
            capture_output=True,
            text=True,
        )

    output = tmp_path / "curve.svg"
    done = command(f"--logdirs={tmp_path}/runs/*/*/*/seed*", f"--output={output}")
    assert done.returncode == 0 and str(output) in done.stdout and output.exists()
    none = command(f"--logdirs={tmp_path}/nothing/*")
    assert none.returncode == 1
    assert none.stderr.strip() == f"No folder matches --logdirs='{tmp_path}/nothing/*'."

"""docs/gpu.md says what was measured, and the script that measured it still traces its cases."""

import json
import re

import numpy as np
import pytest


@pytest.fixture(scope="module")
def gpu_times(load_script):
    return load_script("docs/gpu_times.py")


def test_the_page_has_the_measured_times(repository, gpu_times):
    raw = (repository / "scores" / "gpu" / "h200.jsonl").read_text().splitlines()
    measured = [json.loads(line) for line in raw]
    assert {each["case"] for each in measured} == set(gpu_times.CASES)
    assert all(each["finite"] for each in measured)
    page = (repository / "docs" / "gpu.md").read_text()
    rows = re.findall(r"^\| .* \| ([\d.]+) \| (\d+) \| ([\d.]+) \| .* \|$", page, re.M)
    expected = [
        (f"{m['median_ms']:.1f}", f"{m['compile_s']:.0f}", f"{m['peak_gb']:.1f}")
        for m in measured
    ]
    assert sorted(rows) == sorted(expected)


def test_an_update_is_written_with_what_its_parameters_look_like(gpu_times, tmp_path):
    gpu_times.write(tmp_path, "impala-minatar-float32")
    assert (tmp_path / "impala-minatar-float32.hlo.pb").stat().st_size > 100_000
    looks = json.loads((tmp_path / "impala-minatar-float32.json").read_text())
    assert looks[0]["shape"][:2] == [6, 32]  # actions, rows of a window
    assert all(
        np.isfinite([n for n in (x.get("mean"), x.get("std")) if n]).all()
        for x in looks
    )


def test_without_a_part_it_says_how_to_call_it(gpu_times, monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu_times.py"])
    with pytest.raises(SystemExit, match="write FOLDER"):
        gpu_times.main()

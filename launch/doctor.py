"""Examines the installation: `python -m launch.doctor`. Its output belongs in every bug report.

`python -m launch.doctor --disk` says what the runs take on disk instead, and what may be deleted.
It does not import `launch.origin`, which refuses foreign packages: here they are shown.
"""

import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import app, flags
from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape

from launch import disk, section
from launch.owners import NAMES, ZOO, find_origin

_JSON = flags.DEFINE_bool("json", False, "Print one JSON object instead of tables.")
_DISK = flags.DEFINE_bool(
    "disk",
    False,
    "List the runs with their sizes, and what may be deleted; deletes nothing.",
)
_RUNS = flags.DEFINE_string("runs", "runs", "With --disk: the folder of the runs.")

_VARIABLES = (
    "KERAS_BACKEND",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "MUJOCO_GL",
    "SDL_VIDEODRIVER",
    "CUDA_VISIBLE_DEVICES",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_ENABLE_ONEDNN_OPTS",
    "PYTHONPATH",
)
_GIB = 2**30
_PROBE_SECONDS = 300

Report = dict[str, Any]


def cli() -> None:
    """The console script `zoo-doctor`."""
    app.run(main)


def main(argv: list[str]) -> int:
    """Prints the report; returns the exit status, 1 where something needs fixing."""
    if len(argv) > 1:
        raise app.UsageError(f"doctor takes only flags, but got {argv[1:]}.")
    if _DISK.value:
        return _report_disk()
    report = examine()
    if _JSON.value:
        print(json.dumps(report, indent=2))
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 110))
    return int(bool(report["problems"]))


def _report_disk() -> int:
    try:
        report = disk.examine(Path(_RUNS.value))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if _JSON.value:
        print(json.dumps(report, indent=2))
    else:
        disk.show(report, Console(width=None if sys.stdout.isatty() else 80))
    return 0


def examine() -> Report:
    """Collects the facts and what follows from them ('problems' and 'hints')."""
    report: Report = {
        "packages": list_packages(),
        "machine": describe_machine(),
        "tensorflow": probe_tensorflow(),
        "atari_roms": count_roms(),
        "names": {name: _describe_name(name) for name in NAMES},
        "variables": {key: os.environ[key] for key in _VARIABLES if key in os.environ},
    }
    return report | {"problems": find_problems(report), "hints": find_hints(report)}


def list_packages() -> list[dict[str, Any]]:
    """Lists what the distribution asks for, its own version first.

    Returns:
        One dict per requirement: name, version (None where absent), wanted, part ('base' or the extra), fits.
    """
    rows = [_package_row(ZOO, "", "base")]
    for text in metadata.requires(ZOO) or [] if rows[0]["version"] else []:
        requirement = Requirement(text)
        part = _extra_of(requirement)
        if requirement.name != ZOO:
            rows.append(
                _package_row(requirement.name, str(requirement.specifier), part)
            )
    return [*rows, _package_row("tf-agents", "", "tf-agents")]


def _extra_of(requirement: Requirement) -> str:
    """Reads the extra from a marker `extra == "NAME"`."""
    marker = str(requirement.marker or "")
    return marker.split('"')[1] if marker.startswith("extra ==") else "base"


def _package_row(name: str, wanted: str, part: str) -> dict[str, Any]:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = None
    fits = version is None or Requirement(name + wanted).specifier.contains(
        version, prereleases=True
    )
    return {
        "name": name,
        "version": version,
        "wanted": wanted,
        "part": part,
        "fits": fits,
    }


def describe_machine() -> dict[str, Any]:
    """Python, system, processor, memory and disk."""
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "virtual_environment": sys.prefix != sys.base_prefix,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": _gib(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "memory_free_gib": _free_memory(),
        "disk_free_gib": _gib(shutil.disk_usage(Path.cwd()).free),
        "nvidia_driver": Path("/proc/driver/nvidia/version").exists(),
    }


def _gib(size: float) -> float:
    return round(size / _GIB, 1)


def _read_field(path: str, field: str) -> str:
    """Reads the first line 'FIELD : value' of a file of the proc file system; '' where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    values = (line.partition(":")[2] for line in lines if line.startswith(field))
    return next(values, "").strip()


def _processor() -> str:
    model = _read_field("/proc/cpuinfo", "model name") or platform.processor()
    known = _read_field("/proc/cpuinfo", "flags").split()
    units = [
        unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if unit in known
    ]
    return " ".join([model or platform.machine(), *units])


def _free_memory() -> float | None:
    kibibytes = _read_field("/proc/meminfo", "MemAvailable").split()
    return _gib(1024 * int(kibibytes[0])) if kibibytes else None


def probe_tensorflow() -> dict[str, Any]:
    """Runs `launch/probe.py` in a process of its own.

    Returns:
        What it printed, or {'error': the end of what it said when it failed}.
    """
    script = Path(__file__).with_name("probe.py")
    environment = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {_PROBE_SECONDS} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        return {"error": f"exit status {done.returncode}: {lines[-1]}"}
    return json.loads(done.stdout.splitlines()[-1])


def count_roms() -> int | None:
    """Counts the Atari games that ale-py brings; None where it is absent or broken."""
    try:
        return len(importlib.import_module("ale_py.roms").get_all_rom_ids())
    except ImportError:
        return None


def _describe_name(name: str) -> dict[str, Any]:
    origin = find_origin(name)
    return {
        "path": None if origin.path is None else str(origin.path),
        "ours": origin.ours,
        "foreign_owners": origin.foreign_owners,
    }


def find_problems(report: Report) -> list[str]:
    """Says what keeps the zoo from working, each with what to do."""
    return [
        *_package_problems(report["packages"]),
        *_name_problems(report["names"]),
        *_keras_problems(report),
        *_machine_problems(report["machine"]),
    ]


def _package_problems(rows: list[dict[str, Any]]) -> list[str]:
    if rows[0]["version"] is None:
        return [
            f"{ZOO} is not installed in this Python: run `make`, or `pip install -e .` in its folder."
        ]
    missing = [
        f"{row['name']} is missing: reinstall with `pip install {ZOO}`."
        for row in rows
        if row["part"] == "base" and row["version"] is None
    ]
    incomplete = {row["part"] for row in rows if row["version"] is None}
    complete = {"base", *(row["part"] for row in rows)} - (incomplete - {"base"})
    misfits = [
        f"{row['name']} {row['version']} is installed, but {row['wanted']} is needed: "
        f"`pip install '{row['name']}{row['wanted']}'`."
        for row in rows
        if not row["fits"] and row["part"] in complete
    ]
    return missing + misfits


def _name_problems(names: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"The package {name!r} is not ours: {row['path']} (installed by "
        f"{', '.join(row['foreign_owners']) or 'no distribution'}); use a fresh virtual environment, or another "
        "working folder."
        for name, row in names.items()
        if not row["ours"]
    ]


def _keras_problems(report: Report) -> list[str]:
    variables, found = report["variables"], report["tensorflow"]
    problems = []
    if variables.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        problems.append(
            f"KERAS_BACKEND is {variables['KERAS_BACKEND']!r}, but the agents run on TensorFlow: unset it."
        )
    if "error" in found:
        problems.append(
            f"TensorFlow and Keras do not load: {found['error']}. Try `python -c 'import tensorflow, keras'`."
        )
    elif not found["one_keras"]:
        problems.append(
            "tf.keras is not Keras 3, so our layers fail inside its models: unset TF_USE_LEGACY_KERAS."
        )
    return problems


def _machine_problems(machine: dict[str, Any]) -> list[str]:
    if machine["disk_free_gib"] >= 1:
        return []
    return [
        f"Only {machine['disk_free_gib']} GiB of disk are free in this folder: a run needs 1 GiB and more."
    ]


def find_hints(report: Report) -> list[str]:
    """Says what works but might not be what the user wants."""
    machine, installed = report["machine"], _installed(report["packages"])
    hints = []
    if machine["nvidia_driver"] and not report["tensorflow"].get("gpus"):
        hints.append(
            "There is an NVIDIA driver, but TensorFlow sees no GPU: `pip install 'tensorflow[and-cuda]'`."
        )
    if not machine["virtual_environment"]:
        hints.append(
            "This is no virtual environment: other distributions may overwrite `agents` or `envs`."
        )
    if "ale-py" not in installed:
        hints.append(f"Atari is absent: `pip install '{ZOO}[atari]'`.")
    return hints


def _installed(rows: list[dict[str, Any]]) -> set[str]:
    return {row["name"] for row in rows if row["version"]}


def show(report: Report, console: Console) -> None:
    """Prints the report as tables, and the conclusion last."""
    console.print(f"[bold]{ZOO}[/bold]")
    section.show(console, "Machine", _machine_lines(report).items())
    section.show(console, "Packages", _package_lines(report["packages"]).items())
    section.show(console, "Extras", _extra_lines(report).items())
    section.show(
        console,
        "Names",
        [(name, row["path"] or "absent") for name, row in report["names"].items()],
    )
    if report["variables"]:
        section.show(console, "Variables", report["variables"].items())
    _show_conclusion(console, report)


def _machine_lines(report: Report) -> dict[str, str]:
    machine, found = report["machine"], report["tensorflow"]
    free = machine["memory_free_gib"]
    return {
        "python": f"{machine['python']} ({machine['executable']})",
        "system": machine["system"],
        "processor": f"{machine['processor']}, {machine['usable_cores']} of {machine['cores']} cores",
        "memory": f"{machine['memory_gib']} GiB"
        + ("" if free is None else f", {free} free"),
        "disk": f"{machine['disk_free_gib']} GiB free here",
        "devices": _device_line(found),
        "precision": _precision_line(found),
    }


def _device_line(found: dict[str, Any]) -> str:
    if "error" in found:
        return "unknown: TensorFlow does not load"
    gpus = [f"{gpu['name']} (compute {gpu['capability']})" for gpu in found["gpus"]]
    return ", ".join(gpus) or "CPU only"


def _precision_line(found: dict[str, Any]) -> str:
    if "error" in found:
        return "unknown: TensorFlow does not load"
    measured = found["precision"]
    ratio = measured["float32"] / measured["bfloat16"]
    note = " for full-size presets" if measured["advised"] == "bfloat16" else ""
    return f"{measured['advised']} is advised{note}: large matmuls run {ratio:.1f} times as fast in bfloat16"


def _package_lines(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {
        row["name"]: (row["version"] or "absent")
        + (f"  (wanted {row['wanted']})" if not row["fits"] else "")
        for row in rows
        if row["part"] == "base"
    }


def _extra_lines(report: Report) -> dict[str, str]:
    """One line per extra: its distributions with their versions, or which are absent."""
    lines: dict[str, list[str]] = {}
    for row in report["packages"]:
        if row["part"] != "base":
            text = f"{row['name']} {row['version'] or 'absent'}"
            lines.setdefault(row["part"], []).append(text)
    if report["atari_roms"] is not None and "atari" in lines:
        lines["atari"].append(f"{report['atari_roms']} games")
    return {extra: ", ".join(texts) for extra, texts in lines.items()}


def _show_conclusion(console: Console, report: Report) -> None:
    console.print()
    for hint in report["hints"]:
        console.print(f"[yellow]hint[/yellow]  {escape(hint)}")
    for problem in report["problems"]:
        console.print(f"[bold red]FIX[/bold red]   {escape(problem)}")
    if not report["problems"]:
        console.print("[bold green]OK[/bold green]    ready to train.")


if __name__ == "__main__":
    cli()

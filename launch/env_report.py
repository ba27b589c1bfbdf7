"""Prints what `launch.check_env` found, readable from 80 columns on."""

import shlex
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch import section

Report = dict[str, Any]

_SLOW = 0.5  # share of a run's time that its environment may take without a word


def hints(report: Report) -> list[str]:
    """Says what works, but may not be what the user wants."""
    found, replay, cost = [], report["replay"], report["cost"]
    if not report["pictures"]:
        found.append(
            "it renders no picture, so that there will be no videos of episodes: let render_mode be 'rgb_array' "
            "and render() return [H, W, 3] uint8"
        )
    if replay and replay["gb_at_end"] > replay["gb_free_here"]:
        found.append(
            f"the replay grows to {replay['gb_at_end']:.1f} GB, and only {replay['gb_free_here']:.1f} GB are free "
            "here: use --logdir on another disk, or a smaller --replay_capacity"
        )
    if cost and cost["hours"]["environment"] > _SLOW * cost["hours_total"]:
        found.append(
            "the environment takes most of the time: --num_envs=4 --parallel=process steps four at once, each in "
            "a process of its own"
        )
    return found


def show(report: Report, console: Console) -> None:
    """Prints the report as tables, what is wrong, and the command that trains, last."""
    console.print(f"[bold]{escape(report['env'])}[/bold]")
    title = f"{report['trial']['env_steps']:,} random steps"
    section.show(console, title, _trial_lines(report))
    section.show(console, f"What {report['agent']} does with it", _part_lines(report))
    section.show(console, f"Preset {report['preset']}", _preset_lines(report))
    if report["cost"]:
        title = f"Time here for {report['env_steps']:,} steps"
        section.show(console, title, _cost_lines(report["cost"]))
    _conclusion(console, report)


def _trial_lines(report: Report) -> list[tuple[str, str]]:
    seen = report["trial"]
    rows = seen["num_envs"]
    speed = f"{seen['steps_per_s']:,.0f} per second"
    speed += f", {rows} environments together" if rows > 1 else ""
    if report["frames_per_step"] > 1:
        speed += f", {report['frames_per_step']} frames each"
    share = f"; {seen['reward']['share_not_zero']:.1%} are not 0"
    lines = [("steps", speed), ("rewards", _range(seen["reward"]) + share)]
    if seen["episodes"]:
        lines += [
            ("returns", _range(seen["return"])),
            ("episodes", f"{seen['episodes']}, {_range(seen['length'])} steps long"),
            (
                "ends",
                f"{seen['terminated']} terminated, {seen['truncated']} truncated",
            ),
        ]
    else:
        lines.append(("episodes", "none ended"))
    same = "yes" if seen["repeatable"] else "no"
    return [*lines, ("repeatable", f"{same}, with the same seed and actions")]


def _range(numbers: dict[str, float]) -> str:
    low, high, mean = numbers["low"], numbers["high"], numbers["mean"]
    if low == high:
        return f"always {low:.4g}"
    return f"{low:.4g} to {high:.4g}, mean {mean:.3g}"


def _part_lines(report: Report) -> list[tuple[str, str]]:
    lines = []
    for part in report["parts"]:
        key = part["key"].removeprefix("observation/")
        if part["native"] in (None, part["arrives"]):
            lines.append((key, part["arrives"]))
        elif part["key"] == "action":
            lines.append((key, f"{part['native']}; the agent sees {part['arrives']}"))
        else:
            lines.append((key, f"{part['native']}; arrives as {part['arrives']}"))
        lines.append(("", f"goes in {part['goes_in']}; {part['net']}"))
    return lines


def _preset_lines(report: Report) -> list[tuple[str, str]]:
    lines = [("why", reason) for reason in report["reasons"][:1]]
    lines += [("", reason) for reason in report["reasons"][1:]]
    lines.append(("parameters", f"{report['parameters'] / 1e6:.2f} M"))
    lines.append(("env_steps", f"{report['env_steps']:,}"))
    replay = report["replay"]
    if replay:
        lines += [
            (
                "replay",
                f"{_gb(replay['gb_per_million_steps'])} per million steps; {_gb(replay['gb_at_end'])} at the end, "
                f"{_gb(replay['gb_at_capacity'])} when full ({replay['capacity']:,} steps)",
            )
        ]
    return lines


def _gb(size: float) -> str:
    return f"{size:.1f} GB" if size >= 1 else f"{size * 1e3:.1f} MB"


def _cost_lines(cost: Report) -> list[tuple[str, str]]:
    parts, every = cost["hours"], 1 / cost["updates_per_step"]
    lines = [
        ("environment", f"{_time(parts['environment'])}"),
        (
            "acting",
            f"{_time(parts['acting'])}  ({cost['act_s'] * 1e3:.1f} ms per act)",
        ),
        (
            "learning",
            f"{_time(parts['learning'])}  ({_seconds(cost['update_s'])} per update, one per {every:.3g} steps; "
            f"the first takes {cost['first_update_s']:.0f} s)",
        ),
        ("evaluating", f"{_time(parts['evaluating'])}"),
        (
            "together",
            f"{_time(cost['hours_total'])}, and a little for saves and videos",
        ),
    ]
    return lines


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{hours * 60:.1f} minutes"


def _conclusion(console: Console, report: Report) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for warning in report["warnings"]:
        table.add_row("[bold red]warning[/bold red]", escape(warning))
    for hint in report["hints"]:
        table.add_row("[yellow]hint[/yellow]", escape(hint))
    if not report["warnings"]:
        table.add_row("[bold green]OK[/bold green]", "nothing is wrong with it")
    console.print()
    console.print(table)
    console.print("\nStart training:")
    words = shlex.split(report["command"])
    console.print(_folded(words), markup=False, highlight=False, soft_wrap=True)


def _folded(words: list[str], width: int = 78) -> str:
    """Returns a command of several lines where one is too long, ready to be copied."""
    lines = ["  " + " ".join(map(shlex.quote, words[:3]))]
    for word in map(shlex.quote, words[3:]):
        if len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += " " + word
    return "\n".join(lines)

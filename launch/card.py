"""card.md and curve.png: a result for people, from its score.json."""

import pathlib
from collections.abc import Mapping
from typing import Any

from launch import figures


def write(folder: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes both into the folder of a result."""
    figures.plot_results([], [folder], folder / "curve.png")
    (folder / "card.md").write_text(text(content))


def headline(content: Mapping[str, Any]) -> str:
    """Returns the result in one sentence."""
    seeds, random = len(content["seeds"]), content["random"]
    parts = [
        f"{content['env']}: mean return {content['mean']:.2f} over {_seeds(seeds)}"
    ]
    if content["interval"]:
        low, high = content["interval"]
        parts.append(f"95 % interval of the mean {low:.2f} to {high:.2f}")
    parts.append(f"random {random:g}")
    if content["bar"] is not None:
        parts.append(f"bar {content['bar']:g} {'met' if content['met'] else 'missed'}")
    return ", ".join(parts) + "."


def text(content: Mapping[str, Any]) -> str:
    """Returns card.md."""
    parts = [
        f"# {content['name']}",
        f"**{headline(content)}**",
        "![curve](curve.png)",
        _table(content),
        _meaning(content),
        "## Commands",
        f"```\n{chr(10).join(_commands(content))}\n```",
        "## Made with",
        _made_with(content),
        "## Limits",
        _limits(content),
    ]
    return "\n\n".join(parts) + "\n"


def train_commands(content: Mapping[str, Any]) -> list[str]:
    """Returns the training command of every seed."""
    return [f"{content['command']} --seed={seed['seed']}" for seed in content["seeds"]]


def _commands(content: Mapping[str, Any]) -> list[str]:
    lines = [*train_commands(content), content["score_command"]]
    if content["policy"]:
        name = f"{content['agent']}/{content['name']}"
        lines.append(f"python -m launch.evaluate --policy={name} --video=play.gif")
    return lines


def _table(content: Mapping[str, Any]) -> str:
    rows = [
        "| seed | environment steps | final | ± | hours | CPU hours |",
        "|---|---|---|---|---|---|",
    ]
    for seed in content["seeds"]:
        cells = [
            str(seed["seed"]),
            f"{seed['env_steps']:,}",
            f"{seed['final']:.2f}",
            f"{seed['standard_error']:.2f}",
            _hours(seed["hours"]),
            _hours(seed["cpu_hours"]),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _meaning(content: Mapping[str, Any]) -> str:
    how = content["evaluation"]
    lines = [
        f"`final` is the mean return of {how['episodes']} fresh episodes, {how['mode']}, {_seeded(how)}; ± is the standard error over those episodes."
    ]
    if content["interval"]:
        lines.append("The interval is Student's t over the seeds.")
    if content["reference"]:
        lines.append(f"For comparison: {content['reference']}")
    return "\n".join(lines)


def _made_with(content: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{key} {value}" for key, value in content["versions"].items())
    lines = [
        f"- commit {content['commit'] or 'unknown'}",
        f"- {content['hardware']}",
        f"- {_hours(content['wall_hours'])} hours, {_hours(content['cpu_hours'])} CPU hours, over all seeds",
        f"- {versions}",
    ]
    return "\n".join(lines)


def _limits(content: Mapping[str, Any]) -> str:
    seeds, policy = content["seeds"], content["policy"]
    lines = [f"- {content['notes']}"] if content["notes"] else []
    if len(seeds) == 1:
        lines.append("- One seed: another may do better or worse.")
    if any(seed["env_steps"] < content["env_steps"] for seed in seeds):
        lines.append(
            f"- Stopped before the {content['env_steps']:,} steps of the plan."
        )
    if content["left_out"]:
        lines.append(f"- Started too, and not in it: {', '.join(content['left_out'])}.")
    if policy:
        lines.append(
            f"- `policy/` is that of seed {policy['seed']}, the lowest, not the best. Its weights are rounded to "
            f"bfloat16: over the same episodes it has {policy['final']:.2f}."
        )
        if not policy["dreams"]:
            lines.append(
                "- The policy acts but does not dream: its decoder is too large."
            )
    else:
        lines.append("- No policy is shipped: the commands make it.")
    return "\n".join(lines)


def _seeds(number: int) -> str:
    return f"{number} seeds" if number > 1 else "one seed"


def _hours(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _seeded(how: Mapping[str, Any]) -> str:
    if how["seed"] is None:
        return "played after training"
    return f"of the seed {how['seed']}, which no training used"

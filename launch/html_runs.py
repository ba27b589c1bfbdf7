"""What a report says of runs in tables: how far they came, evaluations, settings that differ, what made them."""

import json
from collections.abc import Sequence
from typing import Any

from launch import evaluation_files, run_files
from launch import html_page as page
from launch import html_text as text
from launch.evaluation_files import Evaluations
from launch.html_page import Html
from launch.run_files import Groups, Run

_MADE_WITH = ("command", "commit", "hardware")


def overview(groups: Groups) -> Html:
    """Returns a line per experiment: seeds, progress, returns, evaluations, hours."""
    rows = []
    for (env, label), runs in groups.items():
        key = run_files.headline(runs)
        last = [run_files.last(run, "eval_return") for run in runs]
        late = [run_files.late_mean(run, key) for run in runs] if key else []
        rows.append(
            [
                label,
                env,
                str(len(runs)),
                _progress(runs),
                text.mean(late) + (f" {key}" if key and key != "return" else ""),
                text.mean([each[1] if each else None for each in last]),
                _hours(runs),
            ]
        )
    columns = ["run", "environment", "seeds", "steps done", "return, last tenth", "last evaluation", "hours"]  # fmt: skip
    caption = (
        "Means over seeds, and in brackets the 95 % interval of the mean (Student's t) where there are two seeds or more. "
        "Returns while training, over the last tenth of the steps; evaluations are those that training made."
    )
    return page.join(
        [
            page.table(caption, columns, rows, words=2),
            page.notes(run_files.mixed(groups)),
        ]
    )


def evaluations(runs: Sequence[Run], more: Sequence[Evaluations]) -> Html | None:
    """Returns tables of the evaluations that were found; None where there are none."""
    of_runs = [each for run in runs for each in run_files.json_files(run)]
    parsed = [evaluation_files.parse(path, content) for path, content in of_runs]
    found = [*filter(None, parsed), *more]
    parts = [_entries(found), _groups(found), _while_training(runs)]
    for (path, content), known in zip(of_runs, parsed, strict=True):
        if known is None and path.name == "results.json":
            pairs = {name: text.number(value) for name, value in content.items()}
            parts.append(page.folded(f"{path}", page.definitions(pairs), open_=len(runs) == 1))  # fmt: skip
    there = [part for part in parts if part]
    return page.join(there) if there else None


def settings(groups: Groups) -> Html:
    """Returns the settings that differ between experiments, and all of them, folded."""
    columns = ["setting", *(f"{label}, {env}" for env, label in groups)]
    parts = []
    if len(groups) > 1:
        rows = _setting_rows(run_files.differing(groups))
        caption = (
            "Settings that differ; a dash where an experiment has none of that name."
        )
        parts.append(page.table(caption, columns, rows, words=len(columns)))
    rows = _setting_rows(run_files.all_settings(groups))
    if not rows:
        return page.paragraphs(["No run has a config.json that can be read."])
    every = page.table(
        "Settings as they were resolved; a dash where there is none of that name.",
        columns,
        rows,
        words=len(columns),
    )
    parts.append(page.folded(f"All {len(rows)} settings", every))
    return page.join(parts)


def origins(groups: Groups) -> Html:
    """Returns what each run was made with, folded by run."""
    parts: list[Html] = []
    for (env, label), runs in groups.items():
        for run in runs:
            title = f"{label}, {env}: {run.logdir}"
            parts.append(
                page.folded(title, made_with(run.saved), open_=len(parts) == 0)
            )
    return page.join(parts)


def made_with(saved: dict[str, Any]) -> Html:
    """Returns command, commit, machine and versions as config.json or score.json have them."""
    found = {name: saved.get(name) or "not recorded" for name in _MADE_WITH}
    found["versions"] = text.versions(saved.get("versions"))
    if saved.get("device"):
        found["device"] = saved["device"]
    pairs = {name: page.tag("code", str(value)) for name, value in found.items()}
    return page.definitions(pairs)


def _progress(runs: Sequence[Run]) -> str:
    """'50,000 of 100,000', or from the run least far to the one farthest."""
    done = text.span((min(r.done for r in runs), max(r.done for r in runs)))
    budgets = [run.budget for run in runs if run.budget is not None]
    of = f" of {max(budgets):,}" if len(budgets) == len(runs) else ""
    unit = " updates" if runs[0].counter == "updates" else ""
    return f"{done}{of}{unit}"


def _hours(runs: Sequence[Run]) -> str:
    seconds = [run.records[-1].get("time") for run in runs if run.records]
    return text.number(sum(filter(None, seconds)) / 3600)


def _entries(found: Sequence[Evaluations]) -> Html | None:
    rows = [
        [
            str(each.get("logdir", file.path)),
            each["mode"]
            + (f", {each['env_options']}" if each.get("env_options") else ""),
            f"{each['env_steps']:,}",
            f"{each['episodes']:,}",
            f"{text.number(each['mean'])} ± {text.number(each['standard_error'])}",
            text.span((min(each["returns"]), max(each["returns"])))
            if each["returns"]
            else text.NONE,
            text.number(each.get("seed")),
        ]
        for file in found
        for each in file.entries
    ]
    columns = ["run or file", "mode", "at step", "episodes", "mean ± s.e.", "lowest to highest", "seed"]  # fmt: skip
    caption = "Evaluations by python -m launch.evaluate: fresh episodes, no learning."
    return page.table(caption, columns, rows, words=2) if rows else None


def _groups(found: Sequence[Evaluations]) -> Html | None:
    rows = [
        [
            each["label"],
            each["env"],
            str(each["runs"]),
            text.with_interval(each["mean"], each["interval"]),
            text.span((each["lowest"], each["highest"])),
        ]
        for file in found
        for each in file.groups
    ]
    columns = ["run", "environment", "runs", "mean (95 % interval)", "lowest to highest run"]  # fmt: skip
    caption = "Means over runs of these evaluations; one run has no interval."
    return page.table(caption, columns, rows, words=2) if rows else None


def _while_training(runs: Sequence[Run]) -> Html | None:
    rows = []
    for run in runs:
        last = run_files.last(run, "eval_return")
        if last:
            rows.append([str(run.logdir), f"{last[0]:,}", text.number(last[1])])
    caption = "The newest evaluation that training made."
    columns = ["run", "at step", "mean return"]
    return page.table(caption, columns, rows) if rows else None


def _setting_rows(
    found: dict[str, dict[tuple[str, str], list[Any]]],
) -> list[list[str]]:
    return [
        [name, *(_values(values) for values in by_group.values())]
        for name, by_group in found.items()
    ]


def _values(values: Sequence[Any]) -> str:
    """One value, or those of runs that differ."""
    if not values:
        return text.NONE
    return " / ".join(
        (value or "''") if isinstance(value, str) else json.dumps(value)
        for value in values
    )

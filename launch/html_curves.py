"""The drawings of a report: curves of what runs logged and of results."""

from collections.abc import Callable, Iterator, Sequence

from launch import curves, figures, run_files
from launch import html_page as page
from launch.atari_scores import Result, has_seeds
from launch.curves import Curve, Panel
from launch.html_page import Html
from launch.html_text import number, seeds
from launch.run_files import Groups, Run

_SIZE, _SMALL = (figures.WIDTH, 3.4), (3.6, 2.3)
_MAIN = ("return", "eval_return")


def main(runs: Sequence[Run], results: Sequence[Result]) -> Html:
    """Draws the returns of runs and results by environment; of models on data the loss."""
    drawn = []
    paths = [path for path, content in results if has_seeds(content)]
    for i, key in enumerate(_MAIN):
        logdirs = [run.logdir for run in runs if _points(run, key, "frames") > (i > 0)]
        scores = paths if key == "return" else []
        if logdirs or scores:
            found = curves.panels(logdirs, scores, key, "frames", published=True)
            drawn += [(panel, key, "frames") for panel in found]
    rest = [run for run in runs if not _points(run, "return", "frames")]
    for env, groups in _by_env(rest):
        members = [run for each in groups.values() for run in each]
        if judged_by := run_files.headline(members):
            panel = _panel(env, groups, judged_by)
            drawn.append((panel, judged_by, members[0].axis))
    drawn.sort(key=lambda each: each[0].env)
    drawn = [each for each in drawn if any(each[0].groups.values())]
    if not drawn:
        return page.paragraphs(["No run has logged anything that could be drawn yet."])
    pictures = [_draw(f"m{i}", *each) for i, each in enumerate(drawn)]
    return page.grid(pictures)


def scalars(runs: Sequence[Run], advance: Callable[[], None] = lambda: None) -> Html:
    """Draws everything else that was logged, folded by environment; calls `advance` after each drawing."""
    parts = []
    for i, (env, groups) in enumerate(_by_env(runs)):
        members = [run for each in groups.values() for run in each]
        drawn, everyone = [], _panel("", groups, members[0].counter)
        for j, key in enumerate(run_files.scalars(members)):
            panel = _panel(key, groups, key)
            if any(panel.groups.values()):
                drawn.append(
                    _draw(f"s{i}-{j}", panel, key, members[0].axis, small=True)
                )
            advance()
        title = f"{env or 'runs'}: {len(drawn)} scalars"
        inside = _legend(everyone), page.grid(drawn, small=True)
        parts.append(page.folded(title, *inside))
    return page.join(parts)


def count(runs: Sequence[Run]) -> int:
    """Returns how many drawings `scalars` makes."""
    return sum(
        len(run_files.scalars([run for each in groups.values() for run in each]))
        for _, groups in _by_env(runs)
    )


def _by_env(runs: Sequence[Run]) -> Iterator[tuple[str, Groups]]:
    envs = dict.fromkeys(run.env for run in runs)
    for env in sorted(envs):
        yield env, run_files.group([run for run in runs if run.env == env])


def _panel(title: str, groups: Groups, key: str) -> Panel:
    found = {}
    for (_, label), runs in groups.items():
        lines = [curves.of_records(run.records, key, run.axis) for run in runs]
        found[label] = [line for line in lines if line is not None]
    return Panel(title, found)


def _draw(name: str, panel: Panel, key: str, x: str, small: bool = False) -> Html:
    text = _describe(panel, key, x)
    lines = {_safe(label): lines for label, lines in panel.groups.items()}
    safe = Panel(_safe(panel.env), lines, panel.levels, panel.published)
    figure = figures.blank(*(_SMALL if small else _SIZE))
    axis = figure.subplots()
    figures.draw_panel(axis, safe, key, x)
    if legend := axis.get_legend():
        legend.remove()  # the page has its own, which wraps
    if small:
        axis.set_ylabel("")
        return page.drawing(figure, name, text)
    return page.drawing(figure, name, text, _legend(panel))


def _describe(panel: Panel, key: str, x: str) -> str:
    ends = [
        f"{label} ({seeds(len(lines))}) ends at {number(_end(lines))}"
        for label, lines in sorted(panel.groups.items())
        if lines
    ]
    return f"{key} over {x} of {panel.env}: {'; '.join(ends)}"


def _end(lines: Sequence[Curve]) -> float:
    return float(sum(line.y[-1] for line in lines) / len(lines))


def _legend(panel: Panel) -> Html:
    """Colours and names; groups without a curve have none."""
    entries = []
    for i, (label, lines) in enumerate(sorted(panel.groups.items())):
        if lines:
            colour = f"c{i % len(figures.COLOURS)}"
            entries.append(_entry(colour, f"{label} ({seeds(len(lines))})"))
    entries += [_entry("faint", label) for label in panel.published]
    return page.tag("ul", *entries, class_="legend")


def _entry(variable: str, text: str) -> Html:
    style = f"background: var(--{variable})"
    return page.tag("li", page.tag("span", class_="swatch", style=style), text)


def _points(run: Run, key: str, x: str) -> int:
    curve = curves.of_records(run.records, key, x)
    return 0 if curve is None else len(curve.x)


def _safe(text: str) -> str:
    """A dollar would begin a formula."""
    return text.replace("$", r"\$")

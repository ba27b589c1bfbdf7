"""What a report says of results: a table of all, and Atari games summed up with their drawings."""

from collections.abc import Mapping, Sequence
from typing import Any

from launch import html_page as page
from launch import html_runs, score_figures
from launch import html_text as text
from launch.atari_scores import AGGREGATES, GAP, IQM, Result, has_seeds
from launch.html_page import Html
from launch.normalized import COLUMNS

_NORMALISED = (
    "Gamer-normalised is (return - random) / (gamer - random): 0 is random play, 1 a human gamer. Record-normalised has "
    "the human record in the gamer's place; clipped, every run counts as 1 at most. Runs are averaged first, then games."
)
_PUBLISHED = (
    "Published rows are recomputed from mean returns per game, since returns of runs were not published: they are clipped "
    "after averaging and have no intervals. The row of IMPALA is as printed, for its returns per game are not known."
)


def results(found: Sequence[Result]) -> Html | None:
    """Returns a table of the results, and each one's origin, folded; None where there are none."""
    seeded = [content for _, content in found if has_seeds(content)]
    parts = [_seeded(seeded)] if seeded else []
    parts += [_tabular(content) for _, content in found if not has_seeds(content)]
    made = [_made(result) for result in found]
    if made:
        parts.append(page.folded("How the results were made", *made))
    return page.join(parts) if parts else None


def atari(report: Mapping[str, Any]) -> Html | None:
    """Returns the sums over games and their drawings; None where nothing was summed up."""
    rows, published = report.get("rows", {}), report.get("published", {})
    if not rows and not published:
        return None
    parts = [page.paragraphs([_NORMALISED])]
    if published:
        parts.append(page.paragraphs([_PUBLISHED]))
    few = [f"{label}: {row['note']}." for label, row in rows.items() if row["note"]]
    parts.append(page.notes([*report.get("notes", []), *few]))
    parts.append(_sums(rows | published))
    drawn = [
        page.drawing(figure, f"a{i}", alt)
        for i, (_, figure, alt) in enumerate(pictures(report))
    ]
    parts.append(page.grid(drawn))
    if "games" in report:
        parts.append(_games(report["games"], report["normalised"]))
    return page.join(parts)


def pictures(report: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Returns (name, figure, what is to be seen) of a report on Atari scores."""
    rows, published = report.get("rows", {}), report.get("published", {})
    if not rows and not published:
        return []
    counts = {label: row["runs"] for label, row in rows.items()}
    both = ", ".join([*rows, *published])
    found = [
        (
            "aggregates",
            score_figures.aggregates(rows, published),
            f"Gamer-normalised aggregates with 95 % intervals of {both}; the numbers are in the table.",
        ),
        (
            "profiles",
            score_figures.profiles(report["profiles"], counts),
            f"The fraction of runs above each gamer-normalised score, of {both}.",
        ),
    ]
    if "normalised" in report:
        figure = score_figures.games(report["normalised"], _published(report["games"]))
        alt = "Gamer-normalised scores per game; the numbers are in the table."
        found.append(("games", figure, alt))
    return found


def _made(result: Result) -> Html:
    path, content = result
    texts = [content.get(key) for key in ("notes", "reference")]
    notes = [text for text in texts if isinstance(text, str) and text]
    head = page.tag("h3", content["name"])
    return page.join(
        [head, page.paragraphs([str(path), *notes]), html_runs.made_with(content)]
    )


def _published(games: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Game -> the published return, gamer-normalised."""
    return {
        game: (row["published, 200M frames"] - row["random"])
        / (row["gamer"] - row["random"])
        for game, row in games.items()
    }


def _seeded(contents: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        [
            each["name"],
            " ".join([each["agent"], each["preset"], *each.get("ablate", [])]),
            each["env"],
            str(len(each["seeds"])),
            text.with_interval(each["mean"], each.get("interval")),
            text.number(each["random"]),
            _bar(each),
            text.number(each["wall_hours"]),
        ]
        for each in contents
    ]
    columns = ["result", "agent", "environment", "seeds", "mean (95 % interval)", "random", "bar", "hours"]  # fmt: skip
    caption = (
        "Final returns: the mean over seeds of fresh evaluation episodes, with the 95 % interval of the mean (Student's t) "
        "where there are two seeds or more."
    )
    return page.table(caption, columns, rows, words=3)


def _tabular(content: Mapping[str, Any]) -> Html:
    """A table's rows, ours, and behind a slash the published number."""
    cells, reference = content["table"], content["reference"]
    names = dict.fromkeys(name for row in cells.values() for name in row)
    rows = [
        [label, *(_beside(row.get(n), reference.get(label, {}).get(n)) for n in names)]
        for label, row in cells.items()
    ]
    caption = f"{content['name']}: ours / as published."
    return page.table(caption, ["", *names], rows)


def _beside(ours: Any, theirs: Any) -> str:
    return text.number(ours) + ("" if theirs is None else f" / {text.number(theirs)}")


def _bar(content: Mapping[str, Any]) -> str:
    if content["bar"] is None:
        return text.NONE
    return f"{text.number(content['bar'])} {'met' if content['met'] else 'missed'}"


def _sums(rows: Mapping[str, Any]) -> Html:
    columns = [*COLUMNS, IQM, GAP]
    body = [
        [label, *(_sum(row, name) for name in columns), text.number(row.get("games"))]
        for label, row in rows.items()
    ]
    caption = (
        "Sums over games; in brackets 95 % intervals, bootstrapped over runs within games. "
        "Gap: rliable's optimality gap, how far runs are below a gamer on average."
    )
    return page.table(caption, ["", *columns, "games"], body)


def _sum(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        return text.NONE
    ends = row.get("intervals", {}).get(name) if name in AGGREGATES else None
    value = f"{row[name]:,.2f}"
    return f"{value} ({ends[0]:.2f} to {ends[1]:.2f})" if ends else value


def _games(
    games: Mapping[str, Mapping[str, Any]],
    normalised: Mapping[str, Mapping[str, Sequence[float]]],
) -> Html:
    columns = list(dict.fromkeys(key for row in games.values() for key in row))
    returns = [
        [game, *(text.number(row.get(name)) for name in columns)]
        for game, row in games.items()
    ]
    labels = list(dict.fromkeys(label for row in normalised.values() for label in row))
    scores = [
        [game, *(_runs(row.get(label, [])) for label in labels)]
        for game, row in normalised.items()
    ]
    return page.join(
        [
            page.table("Mean return over seeds, and levels to compare to.", ["game", *columns], returns),
            page.table("Gamer-normalised: the mean over runs, and the lowest to the highest.", ["game", *labels], scores),
        ]
    )  # fmt: skip


def _runs(values: Sequence[float]) -> str:
    if not values:
        return text.NONE
    mean = f"{sum(values) / len(values):.2f}"
    many = len(values) > 1
    return f"{mean} ({min(values):.2f} to {max(values):.2f})" if many else mean

"""A titled list of names and values, as the reports of the launchers print them."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(console: Console, title: str, lines: Iterable[tuple[str, str]]) -> None:
    """Prints an empty line, the title, and a line per pair.

    Args:
        console: Where to.
        title: Stands above, at the left.
        lines: Names and values; markup in them is shown as it is.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold cyan",
        box=None,
        show_header=False,
    )
    table.add_column(style="dim", min_width=18, no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in lines:
        table.add_row(escape(key), escape(value))
    console.print()
    console.print(table)

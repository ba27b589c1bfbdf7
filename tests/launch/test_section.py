"""Lists of names and values on the terminal."""

import io

from rich.console import Console

from launch import section


def test_names_that_look_like_markup_are_shown_as_they_are():
    console = Console(width=80, record=True, file=io.StringIO())
    section.show(console, "Title", [("[key]", "got [0] at index [1]")])
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines[:2] == ["", "Title"]
    assert lines[2].split(maxsplit=1) == ["[key]", "got [0] at index [1]"]

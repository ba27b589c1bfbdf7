"""Parts of a page that stands alone: every text is escaped, every picture lies inside, light and dark."""

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from launch import figures
from launch.html_style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VOID = ("img", "meta")
_KINDS = {
    ".mp4": "video/mp4",
    ".gif": "image/gif",
    ".png": "image/png",
}
_UNWRITTEN = ("Creator", "Date", "Format", "Type")  # of a picture's metadata


class Html(str):
    """Text that is markup already; all other text is escaped where it is put in."""


class Section(NamedTuple):
    """A part of the page with a heading, in the table of contents by its name."""

    name: str
    title: str
    body: Html


def tag(name: str, /, *children: str, **attributes: str | bool | None) -> Html:
    """Returns an element.

    Args:
        name: 'p', 'td', …
        *children: Elements, or text to be escaped.
        **attributes: With '_' for '-'; `class_` is class. True is written without a value; None and False not at all.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Sequence[str]) -> Html:
    """Returns elements and texts one after another, texts escaped."""
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(child)
            for child in children
        )
    )


def page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Returns the document.

    Args:
        title: The page's heading.
        lead: Paragraphs under it.
        sections: Its parts, in order.
    """
    links = [tag("li", tag("a", s.title, href=f"#{s.name}")) for s in sections]
    nav = tag("nav", tag("ol", *links), aria_label="Contents")
    header = tag("header", tag("h1", title), *(tag("p", text) for text in lead), nav)
    parts = [tag("section", tag("h2", s.title), s.body, id=s.name) for s in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    body = tag("body", header, tag("main", *parts))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1
) -> Html:
    """Returns a table in a box of its own, which scrolls where the window is narrow.

    Args:
        caption: What it shows.
        columns: Headings.
        rows: Cells; the first of a row is its heading.
        words: So many columns hold words, to the left; the others hold numbers, to the right.
    """

    def cells(kind: str, texts: Sequence[str], **more: str) -> list[Html]:
        return [
            tag(kind, text, class_=None if i < words else "number", **more)
            for i, text in enumerate(texts)
        ]

    head = tag("thead", tag("tr", *cells("th", columns, scope="col")))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *cells("td", ["", *row[1:]])[1:])
        for row in rows
    ]
    inner = tag("table", head, tag("tbody", *body))
    # The caption is outside the box: it need not scroll.
    box = tag("div", inner, class_="scroll", role="region", tabindex="0", aria_label=caption)  # fmt: skip
    return tag("figure", tag("figcaption", caption), box, class_="table")


def paragraphs(texts: Sequence[str]) -> Html:
    """Returns a paragraph per text."""
    return join([tag("p", text) for text in texts])


def notes(texts: Sequence[str]) -> Html:
    """Returns a box of what a reader has to know, a paragraph per text; nothing of none."""
    return tag("div", paragraphs(texts), class_="note") if texts else Html("")


def folded(summary: str, *children: str, open_: bool = False) -> Html:
    """Returns what opens on a click."""
    return tag("details", tag("summary", summary), *children, open=open_)


def grid(children: Sequence[Html], small: bool = False) -> Html:
    """Lays figures side by side, as many as there is room for."""
    return tag("div", *children, class_="grid small" if small else "grid")


def definitions(pairs: Mapping[str, str]) -> Html:
    """Returns names and what belongs to them."""
    parts = [tag(k, v) for name, text in pairs.items() for k, v in (("dt", name), ("dd", text))]  # fmt: skip
    return tag("dl", *parts)


def media(path: Path, text: str, *caption: str, playing: bool = False) -> Html:
    """Returns a video, GIF or picture, all its bytes in the page.

    Args:
        path: An .mp4, .gif or .png.
        text: What is to be seen, for who cannot see it.
        *caption: Under it.
        playing: Whether a video runs by itself; it can be paused.
    """
    kind = _KINDS[path.suffix]
    source = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    if kind.startswith("video"):
        shown = tag(
            "video", src=source, controls=True, loop=True, muted=True, playsinline=True,
            autoplay=playing, preload="metadata", aria_label=text,
        )  # fmt: skip
    else:
        shown = tag("img", src=source, alt=text)
    return tag("figure", shown, tag("figcaption", *caption))


def drawing(figure: "Figure", name: str, text: str, *caption: str) -> Html:
    """Returns a figure of matplotlib as inline SVG in the page's own colours.

    Args:
        figure: In the style of `launch.figures`.
        name: Letters that no other drawing of the page has.
        text: What is to be seen, for who cannot see it.
        *caption: Under it.
    """
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        unwritten = dict.fromkeys(_UNWRITTEN)
        figure.savefig(file, format="svg", transparent=True, metadata=unwritten)
    svg = _lean(file.getvalue().decode(), name)
    label = html.escape(text)
    drawn = re.sub(
        r'<svg[^>]*?(viewBox="[^"]*")[^>]*>',
        lambda found: f'<svg {found[1]} role="img" aria-label="{label}">',
        svg,
        count=1,
    )
    return tag("figure", Html(drawn), tag("figcaption", *caption) if caption else "")


def _lean(svg: str, name: str) -> str:
    """The element <svg> alone, in variables' colours, without identities that nothing refers to."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"\s*<style type=\"text/css\">.*?</style>", "", svg, flags=re.S)
    used = set(re.findall(r"(?:url\(|xlink:href=\")#([\w.-]+)", svg))
    svg = re.sub(
        r' id="([\w.-]+)"',
        lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "",
        svg,
    )
    svg = re.sub(r"(url\(#|xlink:href=\"#)", rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r"font: (\S+) [^;\"]*", r"font-size: \1", svg)
    colours = {figures.INK: "ink", figures.GRID: "grid", figures.OTHERS: "faint"}
    colours |= {colour: f"c{i}" for i, colour in enumerate(figures.COLOURS)}
    for colour, variable in colours.items():
        svg = svg.replace(colour.lower(), f"var(--{variable})")
    return re.sub(r"\s*\n\s*", "\n", svg)

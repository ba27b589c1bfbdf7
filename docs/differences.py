"""Writes docs/differences.md from the `Differs:` and `Open:` comments of the code: `make differences`.

An entry is a comment, or a paragraph of a docstring, that begins with one of the two words. It is filed under the
symbol that it belongs to and not under a line number, so that edits elsewhere leave the page as it is.
"""

import ast
import io
import pathlib
import re
import tokenize
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "differences.md"
ROOMS = ("agents", "layers", "estimators", "envs")
KINDS = {
    "Differs": "What we do otherwise than the paper or its reference code",
    "Open": "What the paper leaves open, and our choice",
}
_MARKER = re.compile(rf"({'|'.join(KINDS)}): *(.*)")
_INTRODUCTION = """# Where the code departs from the papers

Every departure from a paper is marked `Differs:` in the code and every point that a paper leaves open `Open:`. This page
is made from those comments by `make differences`; edit them, not it.
"""


class Entry(NamedTuple):
    """One remark: 'agents/dreamerv2', 'Open', 'config.PRESETS', the whole text."""

    package: str
    kind: str
    symbol: str
    text: str


def page(root: pathlib.Path = ROOT) -> str:
    """Returns the content of differences.md for the source tree `root`."""
    files = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    entries = [entry for path in files for entry in entries_of(path, root)]
    entries.sort(key=lambda entry: entry[:3])
    lines = [_INTRODUCTION]
    for package, of_package in groupby(entries, lambda entry: entry.package):
        lines.append(f"## {package}\n")
        for kind, of_kind in groupby(of_package, lambda entry: entry.kind):
            lines.append(f"{KINDS[kind]}:\n")
            lines += [f"- `{each.symbol}`: {_escape(each.text)}" for each in of_kind]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def entries_of(path: pathlib.Path, root: pathlib.Path) -> Iterator[Entry]:
    """Yields the remarks of one source file."""
    source = path.read_text()
    tree = ast.parse(source)
    package = path.parent.relative_to(root).as_posix()
    module = "" if path.stem == "__init__" else path.stem
    remarks = sorted([*_in_comments(source), *_in_docstrings(tree)])
    for line, kind, text in remarks:
        names = [module, *_names_at(tree, line)]
        symbol = ".".join(name for name in names if name) or "the package"
        yield Entry(package, kind, symbol.replace(".[", "["), text)


def _in_comments(source: str) -> Iterator[tuple[int, str, str]]:
    """Yields (line, kind, text); comment lines right below one belong to it."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    alone: dict[int, tuple[str, bool]] = {}
    for token in tokens:
        if token.type == tokenize.COMMENT:
            own_line = not token.line[: token.start[1]].strip()
            alone[token.start[0]] = token.string.lstrip("# "), own_line
    for line, (text, own_line) in alone.items():
        if not (found := _MARKER.match(text)):
            continue
        parts, below = [found[2]], line + 1
        while own_line and below in alone and alone[below][1]:
            if _MARKER.match(alone[below][0]):
                break
            parts.append(alone[below][0])
            below += 1
        yield line, found[1], " ".join(parts)


def _in_docstrings(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yields (line, kind, text) of paragraphs that begin with a marker."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
            starts = re.split(rf"\n\s*(?=(?:{'|'.join(KINDS)}):)", paragraph)
            for part in starts:
                if found := _MARKER.match(" ".join(part.split())):
                    yield node.body[0].lineno, found[1], found[2]


def _names_at(scope: ast.Module | ast.ClassDef, line: int) -> list[str]:
    """Names what a line belongs to: the statement around it, else the one that follows it."""
    for node in scope.body:
        if (node.end_lineno or node.lineno) < line:
            continue
        if _is_docstring(node, scope):
            return []
        if isinstance(node, ast.ClassDef) and node.lineno < line:
            return [node.name, *_names_at(node, line)]
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return [node.name]
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return [_target(node), *_key_at(node.value, line)]
        return []
    return []


def _is_docstring(node: ast.stmt, scope: ast.Module | ast.ClassDef) -> bool:
    return node is scope.body[0] and ast.get_docstring(scope) is not None


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _key_at(value: ast.expr | None, line: int) -> list[str]:
    """Names the key of a dict display that a line lies in or before."""
    if not isinstance(value, ast.Dict) or line < value.lineno:
        return []
    for key, content in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and (content.end_lineno or 0) >= line:
            return [f"[{key.value!r}]"]
    return []


def _escape(text: str) -> str:
    return re.sub(r"([*<|$])", r"\\\1", text)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page())
    print(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

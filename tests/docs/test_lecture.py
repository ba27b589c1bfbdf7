"""docs/lecture.md names symbols, tests and commands that exist, and its examples print what it says."""

import ast
import contextlib
import functools
import importlib
import io
import re
import shlex
import subprocess
import sys

import pytest

from agents import registry

PARTS = ("Code", "Test", "See it", "Differences")
ROOMS = ("agents", "layers", "estimators", "envs", "launch")


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "docs" / "lecture.md").read_text()


@pytest.fixture(scope="module")
def slides(text):
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return [section for section in sections if section.startswith("Slide")]


def fenced(text):
    """(language, content) of every fenced block."""
    fence = r"^```(\w*)\n(.*?)^```$"
    return re.findall(fence, text, flags=re.MULTILINE | re.DOTALL)


def prose(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def quoted(text, pattern):
    return [each for each in re.findall(r"`([^`]+)`", text) if re.match(pattern, each)]


def resolve(name):
    """Imports the longest module of a dotted name, then follows the attributes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and not f"{module}.".startswith(f"{error.name}."):
                raise
            continue
        return functools.reduce(getattr, parts[length:], found)
    raise ModuleNotFoundError(name)


def commands(text):
    blocks = [content for language, content in fenced(text) if not language]
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_every_slide_has_all_parts_and_says_what_is_its_code_and_test(slides):
    assert len(slides) >= 14
    for slide in slides:
        title = slide.splitlines()[0]
        assert re.findall(r"^- \*\*(.+?)\*\*:", slide, re.MULTILINE) == list(PARTS), (
            title
        )
        code, test = re.split(r"^- \*\*", slide, flags=re.MULTILINE)[1:3]
        assert quoted(prose(code), r"(agents|layers|estimators)\."), title
        assert quoted(prose(test), r"tests/"), title


def test_every_symbol_can_be_imported(text):
    names = quoted(prose(text), rf"({'|'.join(ROOMS)})(\.\w+)+$")
    assert len(set(names)) > 25
    for name in names:
        resolve(name)


def test_a_symbol_that_does_not_exist_is_noticed():
    with pytest.raises(AttributeError):
        resolve("estimators.returns.lambda_returns")
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        resolve("agents.dreamerv3.agent")


def test_every_test_is_there(text, repository):
    names = quoted(prose(text), r"tests/.*::")
    assert len(set(names)) > 25
    for name in names:
        path, function = name.split("::")
        body = ast.parse((repository / path).read_text()).body
        there = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        assert function in there, name


def test_every_command_names_a_launcher_and_flags_that_exist(text, repository):
    found = commands(text)
    assert len(found) >= 5
    for python, dash_m, module, *arguments in found:
        assert (python, dash_m) == ("python", "-m")
        if module == "pytest":
            check_pytest(arguments, repository)
            continue
        assert (repository / (module.replace(".", "/") + ".py")).is_file(), module
        flags = [each.removeprefix("--").split("=")[0] for each in arguments]
        assert set(flags) <= known_flags(module, repository) | {"help"}, arguments


def test_every_preset_and_ablation_is_known(text):
    found = re.findall(r"launch\.(dreamerv2|ftw|merlin)\b(.*)", text)
    assert {agent for agent, _ in found} == {"dreamerv2", "ftw", "merlin"}
    for agent, flags in found:
        entry = registry.entry(agent)
        presets = re.findall(r"--preset=([\w,]+)", flags)
        assert {each for names in presets for each in names.split(",")} <= set(
            entry.presets
        )
        for names in re.findall(r"--ablate=([\w,]+)", flags):
            entry.ablate(names.split(","))


def test_every_example_prints_what_the_page_shows(text):
    blocks = [block for block in fenced(text) if block[0] in ("python", "text")]
    assert [language for language, _ in blocks[::2]] == ["python"] * (len(blocks) // 2)
    examples = zip(blocks[::2], blocks[1::2], strict=True)
    for (_, code), (language, wanted) in examples:
        assert language == "text"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "lecture.md", "exec"), {})
        assert printed.getvalue() == wanted, code


@functools.cache
def known_flags(module, repository):
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    return set(re.findall(r"^  --(?:\[no\])?(\w+):", done.stdout, re.MULTILINE))


def check_pytest(arguments, repository):
    paths = [each for each in arguments if each.startswith("tests/")]
    assert paths
    for path in paths:
        assert (repository / path).is_file(), path
    if "-k" in arguments:
        wanted = arguments[arguments.index("-k") + 1]
        assert any(wanted in (repository / path).read_text() for path in paths), wanted

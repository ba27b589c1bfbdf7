"""Finds where the five package names come from, and who installed them, without importing them."""

import dataclasses
import importlib.machinery
import importlib.util
from importlib import metadata
from pathlib import Path

NAMES = ("agents", "layers", "estimators", "envs", "launch")
ZOO = "latent-agent-zoo"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where Python finds a package.

    Attributes:
        name: The import name.
        path: Its `__init__.py`, or its folder where it has none, or None where there is no such package.
        ours: Whether it carries this distribution's marker.
    """

    name: str
    path: Path | None
    ours: bool

    @property
    def foreign_owners(self) -> list[str]:
        """The other distributions that installed a file at this path."""
        return [
            name
            for name in sorted(
                set(metadata.packages_distributions().get(self.name, []))
            )
            if name != ZOO and _installed(name, self.path)
        ]


def find_origin(name: str) -> Origin:
    """Looks a package up on the path as `import name` would; runs none of its code."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module that was put into sys.modules by hand
        spec = None
    if spec is None:
        return Origin(name, None, False)
    if spec.has_location and spec.origin:
        return Origin(name, Path(spec.origin), _has_marker(spec))
    folders = list(spec.submodule_search_locations or [])
    return Origin(name, Path(folders[0]) if folders else None, False)


def _has_marker(spec: importlib.machinery.ModuleSpec) -> bool:
    """Whether the code says `__zoo__ = "latent-agent-zoo"`, read from its compiled constants."""
    try:
        code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    except (SyntaxError, ImportError, AttributeError):
        return False
    return code is not None and "__zoo__" in code.co_names and ZOO in code.co_consts


def _installed(distribution: str, path: Path | None) -> bool:
    files = metadata.files(distribution) or []
    return path is not None and any(
        Path(str(file.locate())).resolve() == path.resolve() for file in files
    )

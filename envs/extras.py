"""What to install when an optional suite is missing."""

import importlib
from types import ModuleType

from envs.errors import MissingError


def require(module: str, extra: str, what: str = "this environment") -> ModuleType:
    """Imports a module of an optional suite, which `what` needs.

    Raises:
        MissingError: Saying which extra to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingError(
            f"{what} needs the extra '{extra}': pip install 'latent-agent-zoo[{extra}]'"
        ) from None

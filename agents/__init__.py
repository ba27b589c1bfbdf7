"""The agents, and what users call: make(), load(), save_policy(), train() and evaluate().

Importing it is instant and loads no TensorFlow: the functions come from `agents.registry` when first asked for.
"""

from typing import TYPE_CHECKING, Any

from agents.version import VERSION as __version__

if TYPE_CHECKING:
    from agents.registry import evaluate, load, make, save_policy, train

__all__ = ["__version__", "evaluate", "load", "make", "save_policy", "train"]
__zoo__ = "latent-agent-zoo"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    from agents import registry

    return getattr(registry, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

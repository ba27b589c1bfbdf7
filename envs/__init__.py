"""Environments: one adapter per suite, one way to make them, every step checked."""

import gymnasium

from envs.api import Spaces, Step, VectorEnv
from envs.errors import EnvError
from envs.make import check_name, describe, make, parse_options
from envs.options import format_options

__zoo__ = "latent-agent-zoo"
__all__ = [
    "EnvError",
    "Spaces",
    "Step",
    "VectorEnv",
    "check_name",
    "describe",
    "format_options",
    "make",
    "parse_options",
]

gymnasium.register("zoo/Catch-v0", "envs.catch:Catch")
gymnasium.register("zoo/Counting-v0", "envs.counting:Counting")

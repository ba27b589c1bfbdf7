"""POPGym: small tasks that need memory."""

import gymnasium

from envs.extras import require

PREFIX = "popgym-"


def register() -> list[str]:
    """Registers the tasks with gymnasium and returns their names, without the prefix."""
    require("popgym", "popgym")
    return [
        key.removeprefix(PREFIX) for key in gymnasium.registry if key.startswith(PREFIX)
    ]

"""MinAtar: five small games with symbolic pictures, bool [10, 10, C]."""

from typing import Any

import gymnasium

from envs.extras import require

PREFIX = "MinAtar/"


_WORDS = {
    "n": "noop",
    "l": "left",
    "u": "up",
    "r": "right",
    "d": "down",
    "f": "fire",
}


class FreshStickiness(gymnasium.Wrapper):
    """Forgets the last action on reset.

    MinAtar repeats the previous action with probability 0.1 and keeps it over resets, so that the
    same seed would not give the same episode twice.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets, with no action to repeat."""
        game: Any = self.env.unwrapped
        game.game.last_action = 0
        return self.env.reset(seed=seed, options=options)


def register() -> list[str]:
    """Registers the games with gymnasium and returns their names, without the prefix."""
    module = require("minatar.gym", "minatar")
    names = _names()
    if not names:
        module.register_envs()
    return names or _names()


def make_env(name: str) -> gymnasium.Env:
    """Makes 'Breakout-v1' (its own actions) or 'Breakout-v0' (all six)."""
    register()
    env = gymnasium.make(
        PREFIX + name, render_mode="rgb_array", disable_env_checker=True
    )
    inner: Any = env.unwrapped
    letters = [inner.game.env.action_map[i] for i in inner.action_set]
    inner.action_meanings = [_WORDS[letter] for letter in letters]
    return FreshStickiness(env)


def _names() -> list[str]:
    return [
        key.removeprefix(PREFIX) for key in gymnasium.registry if key.startswith(PREFIX)
    ]

"""Our own vectorised games: stepped with a mask that says which rows to reset."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from envs import actions, images
from envs.api import NativeSpaces, Spaces, Step
from envs.errors import EnvError, describe_exception
from envs.observations import Leaf


class Turn(NamedTuple):
    """What a game returns for its B rows.

    Attributes:
        observation: Key -> [B, ...], by the game's spaces.
        reward: [B] numbers; 0 where is_first.
        terminated: [B] bool, the episode truly ended here.
        truncated: [B] bool, the episode was cut here.
        is_first: [B] bool, the row was just reset, or its player waits: one who left a game of several
            players has is_first rows until the game starts again.
        info: Key -> [B, ...], by the game's spaces.
    """

    observation: dict[str, np.ndarray]
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    is_first: np.ndarray
    info: dict[str, np.ndarray] = {}


@runtime_checkable
class Game(Protocol):
    """A vectorised game of B rows (players x games).

    `render() -> picture` and `action_meanings`, a word per class of a Discrete action, are optional.
    """

    num_envs: int
    spaces: Spaces
    frames_per_step: int

    def reset(self, seed: int | None) -> Turn:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
        """Steps every row with action [B, ...], except those of reset_mask [B].

        They ended on the previous turn. Each of them must come back as is_first: reset now, or
        waiting for the game's other players. Of the others, only a waiting row is is_first.
        """


class ResetMaskEnvs:
    """Makes a `Game` a vector environment, and checks each turn.

    Args:
        name: 'module:Class'.
        game: The game.
        seed: Of the first reset.

    Attributes:
        game: The game, for who must see all of it (scripted players, pictures).

    Raises:
        EnvError: When the game raises or breaks its spaces or the rules of `Game.step`; an EnvError of the game
            itself comes without traceback.
        ValueError: If an action is bad.
    """

    def __init__(self, name: str, game: Game, seed: int = 0):
        self.name = name
        self.num_envs = game.num_envs
        self.spaces = game.spaces
        self.frames_per_step = game.frames_per_step
        self.native = NativeSpaces(
            dict(self.spaces.observation),
            self.spaces.action,
            actions.meanings(game, self.spaces.action),
        )
        self.game = game
        self._seed: int | None = seed
        self._steps = 0
        self._is_first = np.ones(self.num_envs, bool)
        self._is_last: np.ndarray | None = None
        self._leaves = _leaves(self.spaces.observation)
        self._info_leaves = _leaves(self.spaces.info)

    def reset(self, seed: int | None = None) -> Step:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""
        seed, self._seed = self._seed if seed is None else seed, None
        turn = self._call(self.game.reset, seed)
        everyone = np.ones(self.num_envs, bool)
        self._is_first = everyone
        action = actions.zero_action(self.spaces.action, self.num_envs)
        return self._to_step(turn, action, everyone)

    def step(self, action: np.ndarray) -> Step:
        """Steps every row with action [B, ...]; a row that was last is reset instead."""
        if self._is_last is None:
            raise RuntimeError("step before reset: call reset first")
        action = actions.check_action(self.spaces.action, action, self.num_envs)
        self._steps += 1
        turn = self._call(self.game.step, action, self._is_last.copy())
        return self._to_step(turn, action, self._is_last)

    def render(self) -> np.ndarray | None:
        """Returns the game's picture [H, W, 3] uint8, or None where there is none."""
        render = getattr(self.game, "render", None)
        frame = render() if render else None
        return None if frame is None else images.to_picture(frame)

    def close(self) -> None:
        """Closes the game where it has a `close`; may be called twice."""
        getattr(self.game, "close", lambda: None)()

    def _to_step(self, turn: Turn, action: np.ndarray, reset_mask: np.ndarray) -> Step:
        flags = {
            name: self._array(name, getattr(turn, name), "b")
            for name in ("terminated", "truncated", "is_first")
        }
        is_first, terminated = flags["is_first"], flags["terminated"]
        is_last = terminated | flags["truncated"]
        reward = self._array("reward", turn.reward, "iuf").astype(np.float32)
        self._check_rules(is_first, is_last, reward, reset_mask)
        self._is_first, self._is_last = is_first, is_last
        return Step(
            self._read("observation", self._leaves, turn.observation),
            actions.mask_rows(action, is_first),
            reward,
            1 - terminated.astype(np.float32),
            is_first.copy(),
            is_last.copy(),
            self._read("info", self._info_leaves, turn.info),
        )

    def _check_rules(
        self,
        is_first: np.ndarray,
        is_last: np.ndarray,
        reward: np.ndarray,
        reset_mask: np.ndarray,
    ) -> None:
        rules = {
            "a row of the reset mask must come back with is_first": reset_mask
            & ~is_first,
            "only reset or waiting rows may have is_first": is_first
            & ~reset_mask
            & ~self._is_first,
            "a row with is_first must not end": is_first & is_last,
            "a row with is_first must have no reward": is_first & (reward != 0),
        }
        for rule, broken in rules.items():
            if broken.any():
                raise self._broken(f"row {int(np.argmax(broken))}: {rule}")

    def _read(
        self, what: str, leaves: dict[str, Leaf], values: Any
    ) -> dict[str, np.ndarray]:
        if not isinstance(values, dict) or set(values) != set(leaves):
            got = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise self._broken(f"{what}: got {got}; expected the keys {sorted(leaves)}")
        try:
            return {
                key: np.array(leaf.check(values[key], (self.num_envs,)))
                for key, leaf in leaves.items()
            }
        except ValueError as error:
            raise self._broken(str(error)) from None

    def _array(self, name: str, value: Any, kinds: str) -> np.ndarray:
        array = np.array(value)
        good = array.shape == (self.num_envs,) and array.dtype.kind in kinds
        if not good or not np.isfinite(array).all():
            raise self._broken(
                f"{name}: got {value!r}; expected {'bool' if kinds == 'b' else 'finite numbers'} "
                f"of shape {(self.num_envs,)}"
            )
        return array

    def _call(self, function: Any, *args: Any) -> Turn:
        try:
            return function(*args)
        except EnvError as error:
            text = str(error)
        except (Exception, SystemExit):
            text = f"{function.__name__} raised{describe_exception()}"
        raise self._broken(text)

    def _broken(self, text: str) -> EnvError:
        return EnvError(f"{self.name}, step {self._steps}: {text}")


def _leaves(spaces: dict) -> dict[str, Leaf]:
    return {key: Leaf(key, box) for key, box in spaces.items()}

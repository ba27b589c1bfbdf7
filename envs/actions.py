"""Actions at the door: what agents send, checked, and what environments receive."""

import enum
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs.api import Action

TOLERANCE = 1e-5  # what float32 arithmetic may add to an action at its bound


def canonical_space(native: gymnasium.Space) -> Action:
    """Returns the space that agents see for an environment's own action space.

    Args:
        native: Discrete, MultiDiscrete of rank 1, or a float Box with finite bounds.

    Returns:
        Discrete and MultiDiscrete counted from 0, Box flattened to rank 1 in [-1, 1].

    Raises:
        ValueError: If the space is of another kind or a bound is infinite.
    """
    if isinstance(native, spaces.Discrete):
        return spaces.Discrete(int(native.n))
    if isinstance(native, spaces.MultiDiscrete) and native.nvec.ndim == 1:
        return spaces.MultiDiscrete(native.nvec)
    if isinstance(native, spaces.Box) and np.issubdtype(native.dtype, np.floating):
        if not (np.isfinite(native.low).all() and np.isfinite(native.high).all()):
            raise ValueError(
                f"the action space {native} has bounds that are not finite, so actions in [-1, 1] "
                "cannot be rescaled to it: give the Box finite low and high "
                "(gymnasium.wrappers.RescaleAction or ClipAction can help)"
            )
        return spaces.Box(-1.0, 1.0, (int(np.prod(native.shape)),), np.float32)
    raise ValueError(
        f"the action space {native} is not supported: expected Discrete, MultiDiscrete of rank 1, "
        "or Box of floats; wrap the environment with gymnasium.wrappers.TransformAction"
    )


def check_action(space: Action, action: Any, num_envs: int) -> np.ndarray:
    """Checks a batch of actions and returns it as int32 or float32.

    Args:
        space: What `canonical_space` returned.
        action: [B] integers (Discrete), [B, n] integers (MultiDiscrete) or [B, n] floats (Box).
        num_envs: B.

    Returns:
        A new array [B] or [B, n], int32 or float32.

    Raises:
        ValueError: If shape, kind or range are wrong, or an entry is not finite; it names the row.
    """
    action = np.asarray(action)
    is_box = isinstance(space, spaces.Box)
    shape = (num_envs, *_shape(space))
    kind = np.floating if is_box else np.integer
    if action.shape != shape or not np.issubdtype(action.dtype, kind):
        raise ValueError(
            f"got actions of shape {action.shape} and dtype {action.dtype}; expected shape {shape} "
            f"and {'floats' if is_box else 'integers'} for {space}"
        )
    low, high = _bounds(space)
    inside = (action >= low) & (action <= high)  # false for NaN
    if not inside.all():
        row = int(np.argwhere(~inside)[0][0])
        raise ValueError(
            f"got action {action[row].tolist()} in row {row}; expected values in {space}"
        )
    if is_box:
        return np.clip(action, -1, 1).astype(np.float32)
    return action.astype(np.int32)


def zero_action(space: Action, num_envs: int) -> np.ndarray:
    """Returns the action of reset rows: zeros [B] or [B, n], int32 or float32."""
    dtype = np.float32 if isinstance(space, spaces.Box) else np.int32
    return np.zeros((num_envs, *_shape(space)), dtype)


def mask_rows(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns [B, ...] with zeros where mask [B] is set."""
    return np.where(mask.reshape((-1,) + (1,) * (array.ndim - 1)), 0, array).astype(
        array.dtype
    )


def meanings(env: Any, space: gymnasium.Space) -> tuple[str, ...]:
    """Returns a word per class of a Discrete space as the environment has them, or nothing.

    Understood are `get_action_meanings()` (Atari and its kin), `action_meanings`, and an Enum `actions` (MiniGrid).
    """
    if not isinstance(space, spaces.Discrete):
        return ()
    found: Any = getattr(env, "action_meanings", ())
    if callable(getattr(env, "get_action_meanings", None)):
        found = env.get_action_meanings()
    elif isinstance(getattr(env, "actions", None), enum.EnumMeta):
        found = [member.name for member in env.actions]
    words = tuple(str(word) for word in found) if np.iterable(found) else ()
    return words if len(words) == space.n else ()


def to_native(native: gymnasium.Space, action: np.ndarray) -> Any:
    """Turns canonical actions into the environment's own.

    Args:
        native: The environment's action space, of one row.
        action: [...], [..., n]: one row's action or a batch of them.

    Returns:
        The same leading shape in the native dtype: Discrete and MultiDiscrete shifted to their
        `start`, Box rescaled from [-1, 1] to its bounds.
    """
    if isinstance(native, spaces.Discrete):
        return (action + native.start).astype(native.dtype)[()]
    if isinstance(native, spaces.MultiDiscrete):
        return (action + native.start).astype(native.dtype)
    assert isinstance(native, spaces.Box)
    low, high = native.low.astype(np.float64), native.high.astype(np.float64)
    unit = action.reshape(*action.shape[:-1], *native.shape).astype(np.float64)
    scaled = low + (unit + 1) / 2 * (high - low)
    return np.clip(scaled.astype(native.dtype), native.low, native.high)


def _shape(space: Action) -> tuple[int, ...]:
    return tuple(space.shape or ())


def _bounds(space: Action) -> tuple[Any, Any]:
    if isinstance(space, spaces.Discrete):
        return 0, space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return 0, space.nvec - 1
    return -1 - TOLERANCE, 1 + TOLERANCE

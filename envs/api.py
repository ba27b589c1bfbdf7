"""What an environment shows to an agent: Step, Spaces and the vector environment protocol."""

import dataclasses
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np

Action = (
    gymnasium.spaces.Discrete | gymnasium.spaces.MultiDiscrete | gymnasium.spaces.Box
)


class Step(NamedTuple):
    """One time step of B rows, with dm_env's meaning: what arrived, and the action that led to it.

    Attributes:
        observation: Key -> [B, ...], float32, uint8 or bool.
        action: [B] int32 (Discrete), [B, n] int32 (MultiDiscrete) or [B, n] float32 in [-1, 1] (Box): the
            action that led here; zero where `is_first`.
        reward: [B] float32, received on arriving; zero where `is_first`.
        discount: [B] float32, 0 only where the episode truly terminated, else 1.
        is_first: [B] bool, the row was just reset: it is no environment step.
        is_last: [B] bool, the episode ended here, by termination or by truncation.
        info: Key -> [B, ...], arrays that only learners read (game events).
    """

    observation: dict[str, np.ndarray]
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    is_first: np.ndarray
    is_last: np.ndarray
    info: dict[str, np.ndarray] = {}


@dataclasses.dataclass(frozen=True)
class Spaces:
    """The spaces of one row.

    Attributes:
        observation: Key -> Box of rank 1 (a vector) or 3 (an image, channels last); float32, uint8 or bool.
        action: Discrete, MultiDiscrete, or Box of rank 1 rescaled to [-1, 1].
        info: Key -> Box, the arrays of `Step.info`.
        factors: Key -> the classes of the one-hot codes that lie side by side on the last axis, for the keys of
            `observation` that consist of such codes; other keys have no entry.

    Raises:
        ValueError: If factors do not fill the last axis of their key.
    """

    observation: dict[str, gymnasium.spaces.Box]
    action: Action
    info: dict[str, gymnasium.spaces.Box] = dataclasses.field(default_factory=dict)
    factors: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, classes in self.factors.items():
            box = self.observation.get(key)
            if box is None or sum(classes) != box.shape[-1]:
                raise ValueError(
                    f"factors: got {classes} for '{key}', which has the space {box}; expected a key of the "
                    "observation and class counts that add up to its last axis"
                )

    def to_json(self) -> dict[str, Any]:
        """Returns plain dicts, lists and numbers, enough to build the same nets again; 'factors' only where there are any."""
        data: dict[str, Any] = {
            "observation": {
                key: _box_to_json(box) for key, box in self.observation.items()
            },
            "action": _action_to_json(self.action),
            "info": {key: _box_to_json(box) for key, box in self.info.items()},
        }
        if self.factors:
            data["factors"] = {key: list(each) for key, each in self.factors.items()}
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Spaces":
        """Inverts `to_json`; per-element bounds come back as their outermost values."""
        return cls(
            {key: _box_from_json(box) for key, box in data["observation"].items()},
            _action_from_json(data["action"]),
            {key: _box_from_json(box) for key, box in data["info"].items()},
            {key: tuple(each) for key, each in data.get("factors", {}).items()},
        )


class NativeSpaces(NamedTuple):
    """An environment's own spaces of one row, as it declares them.

    Attributes:
        observation: Key -> the space of that part, with the keys of `Spaces.observation`.
        action: The action space.
        action_meanings: A word per class of a Discrete action, where the environment has them.
    """

    observation: dict[str, gymnasium.Space]
    action: gymnasium.Space
    action_meanings: tuple[str, ...] = ()


class VectorEnv(Protocol):
    """B rows stepped together. `envs.make` returns one; agents see nothing else of an environment.

    Attributes:
        name: 'suite:name', as given to `envs.make`.
        num_envs: B, the number of rows (players x games).
        spaces: The spaces of one row.
        frames_per_step: Frames of the emulator or simulator per environment step (the action repeat).
    """

    name: str
    num_envs: int
    spaces: Spaces
    frames_per_step: int

    def reset(self, seed: int | None = None) -> Step:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""

    def step(self, action: np.ndarray) -> Step:
        """Steps every row; a row that was last is reset instead, and its action ignored."""

    def render(self) -> np.ndarray | None:
        """Returns row 0 as an RGB picture [H, W, 3] uint8, or None where there is none."""

    def close(self) -> None:
        """Ends processes and frees the emulators; may be called twice."""


def _box_to_json(box: gymnasium.spaces.Box) -> dict[str, Any]:
    bound = (
        None if box.dtype == bool else [_number(box.low.min()), _number(box.high.max())]
    )
    return {
        "shape": list(box.shape),
        "dtype": np.dtype(box.dtype).name,
        "bounds": bound,
    }


def _number(value: Any) -> float | str:
    return float(value) if np.isfinite(value) else str(float(value))


def _box_from_json(data: dict[str, Any]) -> gymnasium.spaces.Box:
    low, high = (
        (0, 1) if data["bounds"] is None else (float(bound) for bound in data["bounds"])
    )
    return gymnasium.spaces.Box(
        low, high, tuple(data["shape"]), np.dtype(data["dtype"])
    )


def _action_to_json(space: Action) -> dict[str, Any]:
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n)}
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": [int(n) for n in space.nvec]}
    return {"kind": "Box"} | _box_to_json(space)


def _action_from_json(data: dict[str, Any]) -> Action:
    if data["kind"] == "Discrete":
        return gymnasium.spaces.Discrete(data["n"])
    if data["kind"] == "MultiDiscrete":
        return gymnasium.spaces.MultiDiscrete(data["nvec"])
    return _box_from_json(data)

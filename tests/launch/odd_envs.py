"""Environments that a check should complain of, each about one thing; `Fine` is fine."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Fine(gymnasium.Env):
    """Episodes of ten steps; observation and reward are drawn from the environment's own stream."""

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"
    observation_space: gymnasium.Space = spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space: gymnasium.Space = spaces.Discrete(3)

    def __init__(self) -> None:
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self.observe(), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        end = self.ends()
        return self.observe(), self.reward(), end, False, {}

    def render(self) -> np.ndarray:
        return np.zeros((4, 4, 3), np.uint8)

    def observe(self) -> Any:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)

    def reward(self) -> float:
        return float(self.np_random.integers(2))

    def ends(self) -> bool:
        return self.steps == 10


class NoReward(Fine):
    def reward(self) -> float:
        return 0.0


class SameReward(Fine):
    def reward(self) -> float:
        return 1.0

    def step(self, action: int) -> Any:
        observation, reward, end, _, info = super().step(action)
        return observation, reward, False, end, info


class HugeReward(Fine):
    def reward(self) -> float:
        return 5000.0 * super().reward()


class TinyReward(Fine):
    def reward(self) -> float:
        return 1e-5 * super().reward()


class Endless(Fine):
    def ends(self) -> bool:
        return False


class OneStep(Fine):
    def ends(self) -> bool:
        return True


class Still(Fine):
    def observe(self) -> Any:
        return np.full(3, 0.5, np.float32)


class LargeFloats(Fine):
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)

    def observe(self) -> Any:
        return 1000 * super().observe()


class FloatImage(Fine):
    observation_space = spaces.Box(0, 255, (8, 8, 1), np.float32)

    def observe(self) -> Any:
        return self.np_random.uniform(0, 255, (8, 8, 1)).astype(np.float32)


class OwnDice(Fine):
    """Does not seed its generator."""

    dice = np.random.default_rng()

    def observe(self) -> Any:
        return self.dice.uniform(-1, 1, 3).astype(np.float32)


class OwnWorld(Fine):
    """Draws something in its constructor, which no seed of reset repeats."""

    worlds = iter(range(1, 1000))

    def __init__(self) -> None:
        super().__init__()
        self.world = next(self.worlds) / 1000

    def observe(self) -> Any:
        return np.append(super().observe()[:2], np.float32(self.world))


class Blind(Fine):
    render_mode = None  # type: ignore[assignment]


class TextSpace(Fine):
    observation_space = spaces.Dict(
        {"word": spaces.Text(5), "vector": spaces.Box(-1.0, 1.0, (3,), np.float32)}
    )


class TupleAction(Fine):
    action_space = spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2)))


class EndlessAction(Fine):
    action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


class ManyActions(Fine):
    action_space = spaces.MultiDiscrete([2, 3])


class WideImage(Fine):
    observation_space = spaces.Box(0, 255, (20, 100, 3), np.uint8)

    def observe(self) -> Any:
        return self.np_random.integers(0, 256, (20, 100, 3)).astype(np.uint8)


class Raises(Fine):
    def step(self, action: int) -> Any:
        if self.steps == 4:
            raise KeyError("the cause")
        return super().step(action)


class NotANumber(Fine):
    def observe(self) -> Any:
        return np.full(3, np.nan if self.steps == 3 else 0.0, np.float32)


class WrongType(Fine):
    def observe(self) -> Any:
        return np.zeros(3, np.int64)


class NoConstructor(Fine):
    def __init__(self) -> None:
        raise RuntimeError("no licence")

"""The DeepMind Control Suite: from pictures, as its published scores are, or from the state.

Without a GPU's driver OpenGL is drawn by Mesa, whose LLVM and TensorFlow's crash each other when one process
loads both, in either order. So a process that may load TensorFlow never loads OpenGL: pictures are drawn in
worker processes, and names are known here without asking dm_control.
"""

import difflib
import importlib
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs import gl
from envs.errors import MissingError
from envs.extras import require

CAMERAS = {"quadruped": 2}  # the others use 0; published scores have these
SHADOW_PIXELS = 256  # of the shadow map with fast_render; 2048 is the default
PICTURE = 120  # pixels a side, of pictures for people where the agent sees the state
UNBOUNDED = 1e10  # MuJoCo's stand-in for a bound that is not there
TASKS = {
    "acrobot": "swingup swingup_sparse",
    "ball_in_cup": "catch",
    "cartpole": "balance balance_sparse swingup swingup_sparse two_poles three_poles",
    "cheetah": "run",
    "dog": "stand walk trot run fetch",
    "finger": "spin turn_easy turn_hard",
    "fish": "upright swim",
    "hopper": "stand hop",
    "humanoid": "stand walk run run_pure_state",
    "humanoid_CMU": "stand walk run",
    "lqr": "lqr_2_1 lqr_6_2",
    "manipulator": "bring_ball bring_peg insert_ball insert_peg",
    "pendulum": "swingup",
    "point_mass": "easy hard",
    "quadruped": "walk run escape fetch",
    "reacher": "easy hard",
    "stacker": "stack_2 stack_4",
    "swimmer": "swimmer6 swimmer15",
    "walker": "stand walk run",
}


class ControlSuite(gymnasium.Env):
    """One task of dm_control.suite behind gymnasium's interface.

    Rewards are in [0, 1] per simulator step, episodes 1000 simulator steps long and cut by that time
    limit, unless the task itself ends with discount 0 (a termination). The observation is a picture
    [size, size, 3] uint8, or with pixels=False a dict of the task's own keys, each a flat float32 vector.

    Args:
        task: 'domain-task', as `find_task` returns it.
        pixels: Whether the observation is the picture.
        fast_render: Draws without shadows, reflections and smooth edges, 8 to 10 times as fast. Published
            scores have the default look.
        size: Pixels a side.
        camera: Number of the camera; None is 0, and 2 for the quadruped.
        action_repeat: Simulator steps per step; the picture is drawn once, after the last.
        draws: Whether this process may load OpenGL; without it there are no pictures.

    Raises:
        MissingError: If the extra or, for pictures, OpenGL is missing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(
        self,
        task: str,
        pixels: bool = True,
        fast_render: bool = False,
        size: int = 64,
        camera: int | None = None,
        action_repeat: int = 1,
        draws: bool = True,
    ):
        domain, _, name = task.partition("-")
        # The seed of the model, which some tasks draw at random; `reset` seeds the episodes.
        kwargs = {"random": 0}
        self._env = load_suite(draws).load(domain, name, task_kwargs=kwargs)
        self._env.task.random.seed()
        self._pixels = pixels
        self._repeat = action_repeat
        self._camera = CAMERAS.get(domain, 0) if camera is None else camera
        self._fast = fast_render or not pixels
        self._size = size if pixels else PICTURE
        if self._fast:
            _draw_fast(self._env.physics.model.vis, self._size)
        self._picture: np.ndarray | None = None
        fault = gl.fault() if draws else "drawing was turned off"
        if pixels and fault:
            raise MissingError(fault)
        self.render_mode = None if fault else "rgb_array"
        self.action_space = _action_space(self._env.action_spec())
        self.observation_space = self._observation_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        if seed is not None:
            self._env.task.random.seed(seed)
        return self._observe(self._env.reset().observation), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes `action_repeat` simulator steps; rewards are summed, the repeat ends with the episode."""
        reward = 0.0
        for _ in range(self._repeat):
            time_step = self._env.step(action)
            reward += float(time_step.reward)
            if time_step.last():
                break
        terminated = time_step.last() and time_step.discount == 0
        truncated = time_step.last() and not terminated
        observation = self._observe(time_step.observation)
        return observation, reward, bool(terminated), bool(truncated), {}

    def render(self) -> np.ndarray | None:
        """Returns what the agent sees, [size, size, 3] uint8; a larger picture where it sees the state."""
        if self.render_mode is None:
            return None
        return self._draw() if self._picture is None else self._picture

    def close(self) -> None:
        """Frees the simulator and its drawing context."""
        self._env.close()

    def _observe(self, state: dict[str, Any]) -> Any:
        if self._pixels:
            self._picture = self._draw()
            return self._picture.copy()
        return {key: np.ravel(value).astype(np.float32) for key, value in state.items()}

    def _observation_space(self) -> gymnasium.Space:
        if self._pixels:
            return spaces.Box(0, 255, (self._size, self._size, 3), np.uint8)
        sizes = {
            key: int(np.prod(spec.shape))
            for key, spec in self._env.observation_spec().items()
        }
        return spaces.Dict(
            {key: spaces.Box(-np.inf, np.inf, (n,)) for key, n in sizes.items()}
        )

    def _draw(self) -> np.ndarray:
        flags = {"shadow": False, "reflection": False} if self._fast else None
        return self._env.physics.render(
            self._size,
            self._size,
            camera_id=self._camera,
            render_flag_overrides=flags,
        )


def find_task(name: str) -> str:
    """Returns the 'domain-task' of a name, in which hyphens, underscores and case do not matter.

    Raises:
        ValueError: If there is no such task, with the near names.
        MissingError: If dm_control is not installed.
    """
    require("dm_control", "dm-control")
    tasks = [f"{domain}-{task}" for domain in TASKS for task in TASKS[domain].split()]
    known = {_plain(task): task for task in tasks}
    plain = _plain(name)
    if plain in known:
        return known[plain]
    near = [known[key] for key in difflib.get_close_matches(plain, known, 5, 0.5)]
    raise ValueError(
        f"unknown environment {f'dm_control:{name}'!r}; near names: {near or tasks}"
    )


def load_suite(draws: bool) -> ModuleType:
    """Imports dm_control.suite, after OpenGL was chosen for it or, if it draws nothing, hidden from it.

    Raises:
        MissingError: If dm_control is not installed, or MUJOCO_GL names what does not work.
    """
    require("dm_control", "dm-control")
    try:
        with gl.chosen(draws):
            return importlib.import_module("dm_control.suite")
    except Exception as error:
        text = f"dm_control cannot be loaded: {gl.advice(error)}"
    raise MissingError(text)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _action_space(spec: Any) -> spaces.Box:
    low = np.where(spec.minimum <= -UNBOUNDED, -np.inf, spec.minimum)
    high = np.where(spec.maximum >= UNBOUNDED, np.inf, spec.maximum)
    return spaces.Box(low.astype(np.float32), high.astype(np.float32))


def _draw_fast(visual: Any, size: int) -> None:
    visual.quality.offsamples = 0
    visual.quality.shadowsize = SHADOW_PIXELS
    visual.global_.offwidth = visual.global_.offheight = size

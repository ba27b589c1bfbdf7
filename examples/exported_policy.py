"""Plays an exported policy with TensorFlow and gymnasium alone: python examples/exported_policy.py FOLDER

It imports nothing of the project that trained the policy; card.json says how to make the environment. Needed:
pip install tensorflow gymnasium 'ale-py' opencv-python-headless   (the last two for Atari)
"""

import argparse
import json
import pathlib
from typing import Any

import gymnasium
import numpy as np


def make_env(card: dict[str, Any]) -> gymnasium.Env:
    """Makes what the policy was trained in, from the card's `env`: Atari games and what gymnasium has registered."""
    suite, _, name = card["env"]["name"].partition(":")
    options, fixed = card["env"]["options"], card["env"]["fixed"]
    if suite != "atari":
        repeat = options["action_repeat"]
        if suite != "gym" or repeat != 1 or options["time_limit"]:
            raise SystemExit(f"this example does not know how to make {card['env']}")
        return gymnasium.make(name, **(options["kwargs"] or {}))
    import ale_py

    gymnasium.register_envs(ale_py)
    game = "".join(part.capitalize() for part in name.split("_"))
    env = gymnasium.make(
        f"ALE/{game if '_' in name else name}-v5",
        frameskip=1,
        repeat_action_probability=options["sticky"],
        full_action_space=options["full_action_space"],
        max_num_frames_per_episode=options["max_frames"],
    )
    return gymnasium.wrappers.AtariPreprocessing(
        env,
        noop_max=options["noop_max"],
        frame_skip=fixed["frameskip"],
        screen_size=options["size"],
        grayscale_obs=options["grayscale"],
        grayscale_newaxis=True,
    )


class Player:
    """A policy and its state, one row."""

    def __init__(self, folder: str, signature: str, seed: int):
        import tensorflow as tf

        self._tf, self._loaded = tf, tf.saved_model.load(folder)
        self._policy = self._loaded.signatures[signature]
        self.card = json.loads((pathlib.Path(folder) / "card.json").read_text())
        start = self._loaded.signatures["initial_state"]
        self._state = start(batch=tf.constant(1), seed=tf.constant(seed))

    def act(self, observation: Any, reward: float, is_first: bool) -> np.ndarray:
        """Returns the action of this step, [] or [n]."""
        inputs = {"reward": np.float32([reward]), "is_first": np.array([is_first])}
        (name,) = self.card["observation"].values()  # one part: a picture or a vector
        wanted = self.card["inputs"][name]
        shape = (1, *wanted["shape"][1:])
        inputs[name] = np.asarray(observation, wanted["dtype"]).reshape(shape)
        ready = {key: self._tf.constant(value) for key, value in inputs.items()}
        result = self._policy(**ready, **self._state)
        self._state = {key: v for key, v in result.items() if key != "action"}
        return result["action"].numpy()[0]


def to_native(space: gymnasium.Space, action: np.ndarray) -> Any:
    """Policies act in [-1, 1] where the environment has a Box."""
    if isinstance(space, gymnasium.spaces.Box):
        scaled = space.low + (action.reshape(space.shape) + 1) / 2 * (
            space.high - space.low
        )
        return np.clip(scaled, space.low, space.high).astype(space.dtype)
    return action + getattr(space, "start", 0)


def main() -> None:
    """Plays episodes and prints their returns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="what launch.export wrote")
    parser.add_argument("--signature", default="greedy", choices=["greedy", "sample"])
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument(
        "--max_steps", type=int, default=0, help="per episode; 0: no limit"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    player = Player(given.folder, given.signature, given.seed)
    env = make_env(player.card)
    for episode in range(given.episodes):
        observation, _ = env.reset(seed=given.seed if episode == 0 else None)
        reward, total, steps, done = 0.0, 0.0, 0, False
        while not done and not (0 < given.max_steps <= steps):
            action = player.act(observation, reward, is_first=steps == 0)
            observation, reward, terminated, truncated, _ = env.step(
                to_native(env.action_space, action)
            )
            total, steps, done = total + reward, steps + 1, terminated or truncated
        print(f"episode {episode + 1}: return {total:g} in {steps} steps")


if __name__ == "__main__":
    main()

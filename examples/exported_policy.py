"""Plays an exported policy with TensorFlow and gymnasium alone: python examples/exported_policy.py FOLDER

It imports nothing of the project that trained the policy; card.json says how to make the environment. Needed:
pip install tensorflow gymnasium 'ale-py' opencv-python-headless   (the last two for Atari)
"""

import argparse
import difflib
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


def check_inputs(card: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Checks what is about to be fed to `greedy` or `sample`: names, types, shapes [batch, ...] and one batch size.

    TensorFlow itself prints all arrays where a name is wrong, speaks of inner nodes where a shape is, and passes
    over some mistakes.

    Args:
        card: card.json of the policy.
        inputs: Name -> array or tensor.

    Raises:
        ValueError: What came, what was expected and what to do, in one sentence.
    """
    wanted, batch = card["inputs"], {}
    for name in inputs.keys() - wanted.keys():
        near = difflib.get_close_matches(name, wanted, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown input {name!r}: {hint}Known: {', '.join(wanted)}")
    if missing := [name for name in wanted if name not in inputs]:
        raise ValueError(f"these inputs are missing: {', '.join(missing)}")
    for name, spec in wanted.items():
        value, rest = np.asarray(inputs[name]), tuple(spec["shape"][1:])
        expected = ", ".join(map(str, ("batch", *rest)))
        if value.dtype.name != spec["dtype"]:
            raise ValueError(
                f"{name} is of type {value.dtype.name}, {spec['dtype']} is expected: np.asarray({name}, {spec['dtype']!r})"
            )
        if value.ndim != 1 + len(rest) or value.shape[1:] != rest:
            hint = ": add the batch axis, value[None]" if value.shape == rest else ""
            raise ValueError(
                f"{name} has shape {value.shape}, [{expected}] is expected{hint}"
            )
        batch[name] = len(value)
    if len(set(batch.values())) > 1:
        raise ValueError(f"the inputs have different batch sizes: {batch}")


class Player:
    """A policy and its state, one row."""

    def __init__(self, folder: str, signature: str, seed: int):
        import tensorflow as tf

        path = pathlib.Path(folder, "card.json")
        if not path.is_file():
            raise SystemExit(f"{folder} holds no exported policy: it has no card.json")
        self.card = json.loads(path.read_text())
        if len(self.card["observation"]) != 1:
            raise SystemExit(f"this example feeds one part, not {self.card['inputs']}")
        self._tf, self._loaded = tf, tf.saved_model.load(folder)
        self._policy = self._loaded.signatures[signature]
        start = self._loaded.signatures["initial_state"]
        self._state = start(batch=tf.constant(1), seed=tf.constant(seed))

    def act(self, observation: Any, reward: float, is_first: bool) -> np.ndarray:
        """Returns the action of this step, [] or [n]."""
        inputs = {"reward": np.float32([reward]), "is_first": np.array([is_first])}
        (name,) = self.card["observation"].values()  # a picture or a vector
        spec = self.card["inputs"][name]
        value = np.asarray(observation, spec["dtype"])
        if value.size == np.prod(spec["shape"][1:]):  # a matrix goes in as a vector
            value = value.reshape(spec["shape"][1:])
        inputs[name] = value[None]
        check_inputs(self.card, {**inputs, **self._state})
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

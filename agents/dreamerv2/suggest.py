"""Which preset suits an environment, and what DreamerV2 does with each of its spaces."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from agents.api import Spaces
from agents.suggestion import Part, Seen, Suggestion

LARGE = (64, 64)  # pixels of an image that takes the strided convolutions
SUITES = {
    "crafter": "crafter",
    "minatar": "minatar",
    "minigrid": "minigrid",
    "popgym": "minatar",
    "zoo": "catch",
}
MODEST_REWARD = 10.0  # beyond it the unit-normal reward loss outweighs the others
SATURATED = 2.0  # tanh(2) = 0.96: larger rewards look alike


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset for an environment: by its suite, else by its observations and actions.

    Args:
        env: 'suite:name'.
        look: Returns the environment's spaces; called where the suite does not decide.
        has_gpu: Whether there is a GPU; called for images of 64x64.
    """
    suite = env.split(":")[0]
    if suite in SUITES:
        return Suggestion(
            SUITES[suite], (f"the preset made for {suite}: environments",)
        )
    if suite == "atari":
        return _large_images(has_gpu, "Atari")
    return _by_spaces(suite, look(), has_gpu)


def _by_spaces(suite: str, spaces: Spaces, has_gpu: Callable[[], bool]) -> Suggestion:
    shapes = [box.shape for box in spaces.observation.values()]
    images = [shape[:2] for shape in shapes if len(shape) == 3]
    if isinstance(spaces.action, gymnasium.spaces.Box):
        why = "continuous actions: gradients through the learned dynamics"
        repeat = "each action is held for 2 frames; --action_repeat=1 for every frame"
        if LARGE in images:
            return Suggestion("dmc_vision", (why, "images of 64x64 pixels", repeat))
        if suite == "dm_control":
            return Suggestion("dmc_state", (why, "no image of 64x64 pixels", repeat))
        small = "no image of 64x64 pixels: nets that two cores train in an hour"
        factor = "rewards are multiplied by 0.1; --reward_factor sets it"
        return Suggestion("pendulum", (why, small, factor))
    if LARGE in images:
        return _large_images(has_gpu, "discrete actions and images of 64x64 pixels")
    kind = "small images" if images else "vectors alone"
    why = f"discrete actions and {kind}: nets that two cores train in hours"
    return Suggestion("minatar", (why,))


def _large_images(has_gpu: Callable[[], bool], what: str) -> Suggestion:
    if has_gpu():
        return Suggestion("atari", (what, "a GPU is here: the full size, 22 M"))
    why = "no GPU here: a fifth of the parameters (4.5 M instead of 22 M)"
    return Suggestion("atari_small", (what, why))


def explain(agent: Any) -> list[Part]:
    """Returns what a built DreamerV2 does with each key, and with the action."""
    config, encoder = agent.config, agent.world.encoder
    parts = []
    for ((height, width), keys), net in zip(
        encoder.groups, encoder.image_nets, strict=True
    ):
        channels = sum(agent.spaces.observation[key].shape[-1] for key in keys)
        shape = (None, height, width, channels)
        text = _image_net(net, shape) + _together(keys)
        parts += [_observation(agent, key, text) for key in keys]
    text = f"MLP of {config.mlp_layers} x {config.mlp_units} units"
    text += _together(encoder.vectors)
    parts += [_observation(agent, key, text) for key in encoder.vectors]
    return [*parts, _action(agent)]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns settings that do not fit what was seen, each with the flag that would."""
    config, advice = agent.config, []
    if seen.terminated and not config.predict_discount:
        advice.append(
            f"{seen.terminated} episode(s) terminated, and this preset does not predict "
            "ends: add --predict_discount"
        )
    reach = max(abs(seen.reward_low), abs(seen.reward_high))
    learned, modest = (
        reach * config.reward_factor,
        f"--reward_factor={1 / max(reach, 1e-9):.1g}",
    )
    if config.reward_transform == "tanh" and learned > SATURATED:
        advice.append(
            f"this preset learns from tanh({config.reward_factor:g} x reward), and rewards reach {reach:g}: all "
            f"large ones look alike; add {modest} or --reward_transform=identity"
        )
    if config.reward_transform == "identity" and learned > MODEST_REWARD:
        advice.append(
            f"this preset learns from {config.reward_factor:g} x reward, and rewards reach {reach:g}: add {modest}"
        )
    return advice


def _observation(agent: Any, key: str, net: str) -> Part:
    dtype = agent.spaces.observation[key].dtype
    goes_in = "as it is"
    if dtype == np.uint8:
        goes_in = "as x / 255 - 0.5"
    elif dtype == np.bool_:
        goes_in = "as 0 and 1"
    return Part(f"observation/{key}", goes_in, net)


def _image_net(net: Any, shape: tuple[int | None, ...]) -> str:
    first = net.convs[0]
    channels = "-".join(str(conv.filters) for conv in net.convs)
    (size, _), (stride, _) = first.kernel_size, first.strides
    features = net.compute_output_shape(shape)[-1]
    return (
        f"{len(net.convs)} convolutions {size}x{size} of stride {stride}, {channels} channels, "
        f"{features:,} features"
    )


def _together(keys: list[str]) -> str:
    return f" ({' and '.join(keys)} together)" if len(keys) > 1 else ""


def _action(agent: Any) -> Part:
    space = agent.spaces.action
    gradient = agent.behavior.gradient
    if isinstance(space, gymnasium.spaces.Discrete):
        return Part(
            "action",
            f"as a one-hot of {space.n}",
            f"categorical actor, {gradient} gradient",
        )
    return Part("action", "as it is", f"truncated normal actor, {gradient} gradient")

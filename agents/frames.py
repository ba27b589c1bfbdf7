"""Pictures that a random player sees, as data; kept in a file, so that they are collected once."""

import math
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

import envs
from agents import random_policy
from agents.api import State
from agents.checkpoint import DamagedError
from agents.datasets import Images
from agents.status import Status

TRAIN_ROWS = 8
ROWS = (
    TRAIN_ROWS + 2
)  # environments side by side; the last two are for validation and test
EVERY = 4  # steps between two pictures of one environment
_SPLITS = ("train", "valid", "test")


Check = Callable[[tuple[int, ...]], None]


def load(
    env: str,
    folder: pathlib.Path,
    count: int,
    size: int,
    grayscale: bool,
    seed: int,
    check: Check = lambda shape: None,
) -> Images:
    """Returns pictures of random play; collects them where the folder has none, with a bar.

    Every fourth step of ten environments side by side, by uniform actions: eight for training, one for validation and
    one for test pictures, a tenth of `count` each; no two of these share an episode.

    Args:
        env: 'suite:name', as `envs.make` takes it.
        folder: Keeps the file; made if missing.
        count: Pictures for training.
        size: Pixels a side; environments of smaller pictures keep theirs.
        grayscale: One channel instead of three.
        seed: Of environments and actions.
        check: Called with the pictures' shape [H, W, C] before the first is taken; may raise.

    Raises:
        ValueError: If the environment shows no pictures of such a kind, or its name is unknown.
        DamagedError: If the file is not what it should be.
        OSError: If it cannot be written.
    """
    envs.check_name(env)
    path = folder / file_name(env, count, size, grayscale, seed)
    if not path.exists():
        _collect(env, path, count, size, grayscale, seed, check)
    return _read(path, f"random play of {env}, seed {seed}")


def file_name(env: str, count: int, size: int, grayscale: bool, seed: int) -> str:
    """Returns the name of the file that keeps such pictures."""
    plain = "".join(c if c.isalnum() else "-" for c in env)
    kind = "gray" if grayscale else "rgb"
    return f"frames-{plain}-{size}-{kind}-{count}-seed{seed}.npz"


def _collect(
    env: str,
    path: pathlib.Path,
    count: int,
    size: int,
    grayscale: bool,
    seed: int,
    check: Check,
) -> None:
    rounds = math.ceil(count / TRAIN_ROWS)
    few = max(1, count // 10)
    pictures = []
    with Status(rounds * ROWS, frames_per_step=0) as status:
        status.phase("collecting pictures", total=rounds * ROWS)
        for picture in _play(env, size, grayscale, seed, rounds, check):
            pictures.append(picture)
            status.update(0, 0, done=len(pictures) * ROWS)
    whole = np.stack(pictures)  # [rounds, ROWS, H, W, C]
    train = whole[:, :TRAIN_ROWS].reshape(-1, *whole.shape[2:])[:count]
    valid, test = whole[:few, -2], whole[:few, -1]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    with draft.open("wb") as file:
        np.savez_compressed(file, train=train, valid=valid, test=test)
    draft.replace(path)


def _play(
    env: str, size: int, grayscale: bool, seed: int, rounds: int, check: Check
) -> Iterator[np.ndarray]:
    """Yields [ROWS, H, W, C] so many times."""
    try:
        games = envs.make(env, ROWS, seed, size=size, grayscale=grayscale)
    except TypeError as error:
        raise ValueError(
            f"{env} gives no pictures of a chosen size and in gray, as they are collected here: {error}"
        ) from None
    try:
        key = _picture(env, games.spaces)
        check(games.spaces.observation[key].shape)
        step = games.reset()
        state: State = {"seed": np.tile(np.array([seed, 0], np.int32), (ROWS, 1))}
        for _ in range(rounds):
            for _ in range(EVERY):
                action, state = random_policy.act(games.spaces.action, state)
                step = games.step(action)
            yield np.array(step.observation[key])
    finally:
        games.close()


def _picture(env: str, spaces: envs.Spaces) -> str:
    for key, box in spaces.observation.items():
        if len(box.shape) == 3 and box.dtype == np.uint8:
            return key
    shown = ", ".join(f"{k} {list(b.shape)}" for k, b in spaces.observation.items())
    raise ValueError(
        f"{env} shows no pictures of bytes: its observation is {shown}; give an environment that does, "
        "such as atari:Pong, or mnist"
    )


def _read(path: pathlib.Path, source: str) -> Images:
    try:
        with np.load(path, allow_pickle=False) as archive:
            train, valid, test = (archive[split] for split in _SPLITS)
    except Exception as error:  # NumPy raises whatever its parsers stumble over
        raise DamagedError(
            f"{path} was cut short or changed ({error!r}): remove it, and the pictures are collected anew"
        ) from error
    return Images(train, valid, test, source, levels=256)

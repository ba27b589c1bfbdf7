"""Cases of `launch.benchmark --suite=ctf`: agent steps per CPU second of capture the flag, observations included."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import envs
from launch.measures import Row, measured

_WANTED = 15_000.0  # agent steps per CPU second of 64 games of 2v2
_STEPS = 30  # of all games, per repeat


def _case(name: str, games: int, wanted: float | None, **options: Any) -> Callable:
    def case(repeats: int) -> list[Row]:
        rows = 2 * options.get("team_size", 2) * games
        made = envs.make(name, rows, **options)
        rng = np.random.default_rng(0)
        actions = rng.integers(8, size=(repeats * _STEPS, rows), dtype=np.int32)
        made.reset()
        start = time.process_time()
        for action in actions:
            made.step(action)
        seconds = time.process_time() - start
        found = len(actions) * rows / seconds
        title = "/".join([name, str(games), *options])
        return [measured(title, found, "agent steps/CPU s", "higher", wanted)]

    return case


ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CASES: dict[str, Callable[[int], list[Row]]] = {
    "small": _case("ctf:small", 64, _WANTED),
    "large": _case("ctf:large", 64, _WANTED),
    "large_rgb": _case("ctf:large", 64, _WANTED, rgb=True),
    "one_game": _case("ctf:small", 1, None),
    "parallel_env": _case("envs.ctf_parallel:CaptureTheFlag", 1, None),
}

"""What benchmark suites share: rows of one form, CPU seconds, peak memory, and what the machine itself does."""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Row = dict[str, Any]


def measured(
    name: str,
    value: float,
    unit: str,
    better: str = "lower",
    reference: float | None = None,
) -> Row:
    """Returns a row of a suite's result."""
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "better": better,
        "reference": reference,
    }


def machine_case(repeats: int) -> list[Row]:
    """Matrix products as large as the world model's."""
    import tensorflow as tf

    rows = []
    for name in ("float32", "bfloat16"):
        left = tf.ones((12_000, 1624), name)
        right = tf.ones((1624, 400), name)
        product = tf.function(tf.matmul)
        cpu, _ = times(functools.partial(_product, product, left, right), repeats)
        gflop = 2 * 12_000 * 1624 * 400 / 1e9
        reference = 110.0 if name == "float32" else 536.0
        rows.append(
            measured(f"matmul/{name}", gflop / cpu, "GFLOP/CPU s", "higher", reference)
        )
    return rows


def _product(product: Callable, left: Any, right: Any) -> Any:
    return product(left, right).numpy().shape


def times(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Returns the median CPU and wall seconds of a call, two warm-up calls apart."""
    for _ in range(2):
        function()
    cpu, wall = [], []
    for _ in range(repeats):
        cpu_start, start = time.process_time(), time.perf_counter()
        function()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - start)
    return float(np.median(cpu)), float(np.median(wall))

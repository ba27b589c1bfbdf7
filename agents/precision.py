"""Which compute type suits this machine."""

import functools
import time

import tensorflow as tf

KERAS_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def choose(precision: str) -> str:
    """Returns 'float32' or 'bfloat16'.

    'auto' takes bfloat16 on GPUs, and on CPUs whose matrix product is at least 1.5 times as fast in it.
    float16 is never used: on CPUs it is hundreds of times slower, and it needs loss scaling.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if bfloat16_speedup() >= 1.5 else "float32"


@functools.cache
def bfloat16_speedup(size: int = 512, repeats: int = 20) -> float:
    """Measures how many times faster a [size, size] matrix product is in bfloat16; inf on a GPU."""
    if tf.config.list_logical_devices("GPU"):
        return float("inf")
    seconds = []
    for dtype in (tf.float32, tf.bfloat16):
        matrix = tf.ones((size, size), dtype)
        tf.matmul(matrix, matrix)
        start = time.perf_counter()
        for _ in range(repeats):
            result = tf.matmul(matrix, matrix)
        result.numpy()
        seconds.append(time.perf_counter() - start)
    return seconds[0] / seconds[1]

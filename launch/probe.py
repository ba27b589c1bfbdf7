"""A process that loads TensorFlow and prints what it can do here as JSON; `launch.doctor` starts it.

TensorFlow may abort on a processor or a driver it does not know: then only this process dies. It imports nothing of
ours, so that it runs whoever owns our names.
"""

import json
import time
from typing import Any


def main() -> None:
    """Prints one JSON object: devices, threads, Keras, precision."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    report = {
        "gpus": [describe_gpu(tf, gpu) for gpu in gpus],
        "cuda": tf.sysconfig.get_build_info().get("cuda_version"),
        "one_keras": tf.keras.layers.Layer is keras.layers.Layer,
        "precision": measure_precision(tf, size=4096 if gpus else 1024),
    }
    print(json.dumps(report))


def describe_gpu(tf: Any, gpu: Any) -> dict[str, str]:
    """Reads a physical device's model and compute capability."""
    details = tf.config.experimental.get_device_details(gpu)
    capability = ".".join(map(str, details.get("compute_capability", ["unknown"])))
    return {"name": details.get("device_name", gpu.name), "capability": capability}


def measure_precision(tf: Any, size: int) -> dict[str, Any]:
    """Times a [size, size] matmul in both precisions; takes well under two seconds.

    Returns:
        Seconds in `float32` and `bfloat16`, and `advised`: bfloat16 from 1.5 times the speed.
    """
    seconds = {
        dtype: matmul_seconds(tf, size, dtype) for dtype in ("float32", "bfloat16")
    }
    faster = seconds["float32"] >= 1.5 * seconds["bfloat16"]
    return {"size": size, **seconds, "advised": "bfloat16" if faster else "float32"}


def matmul_seconds(tf: Any, size: int, dtype: str, repeats: int = 4) -> float:
    """Best of some repeats; the first, which picks kernels, counts only if it is the best."""
    matrix = tf.cast(tf.random.stateless_uniform([size, size], (0, 0)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[0]))
    product()  # traces
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()

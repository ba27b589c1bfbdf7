"""The probe's reading of GPUs and timings, on stand-ins for TensorFlow."""

from types import SimpleNamespace

import pytest

from launch import probe


def tensorflow_with(details):
    experimental = SimpleNamespace(get_device_details=lambda gpu: details)
    return SimpleNamespace(config=SimpleNamespace(experimental=experimental))


def test_a_gpu_is_described_by_its_model_and_compute_capability():
    tf = tensorflow_with({"device_name": "NVIDIA X", "compute_capability": (9, 0)})
    gpu = SimpleNamespace(name="/physical_device:GPU:0")
    assert probe.describe_gpu(tf, gpu) == {"name": "NVIDIA X", "capability": "9.0"}


def test_a_gpu_that_tells_nothing_is_described_by_its_name():
    gpu = SimpleNamespace(name="/physical_device:GPU:0")
    found = probe.describe_gpu(tensorflow_with({}), gpu)
    assert found == {"name": "/physical_device:GPU:0", "capability": "unknown"}


@pytest.mark.parametrize(
    "bfloat16, advised", [(1.0, "bfloat16"), (1.9, "bfloat16"), (2.1, "float32")]
)
def test_bfloat16_is_advised_from_one_and_a_half_times_the_speed(
    monkeypatch, bfloat16, advised
):
    seconds = {"float32": 3.0, "bfloat16": bfloat16}
    monkeypatch.setattr(probe, "matmul_seconds", lambda tf, size, dtype: seconds[dtype])
    found = probe.measure_precision(None, size=8)
    assert found == {"size": 8, **seconds, "advised": advised}

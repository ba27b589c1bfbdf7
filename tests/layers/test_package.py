import os
import subprocess
import sys

import pytest

import layers


def run_python(code, **environment):
    clean = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
    )


def test_importing_the_package_loads_no_tensorflow():
    done = run_python("import sys, layers; print('tensorflow' in sys.modules)")
    assert done.stdout.strip() == "False"


def test_tf_keras_is_keras_after_the_import():
    code = """
import layers; layers.MLP
import os, keras, tensorflow as tf
print(tf.keras.layers.Layer is keras.layers.Layer, 'TF_USE_LEGACY_KERAS' in os.environ)
"""
    assert run_python(code).stdout.split() == ["True", "False"]


def test_another_backend_in_the_environment_is_refused_in_one_sentence():
    done = run_python("import layers", KERAS_BACKEND="jax")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: These layers need the TensorFlow backend")
    assert "unset KERAS_BACKEND" in last and "'jax'" in last


def test_another_backend_that_keras_already_runs_on_is_refused():
    code = """
import sys, types
keras = types.ModuleType('keras')
keras.backend = types.SimpleNamespace(backend=lambda: 'torch')
sys.modules['keras'] = keras
import layers
"""
    assert "'torch' was chosen" in run_python(code).stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Transformer'"):
        layers.Transformer  # noqa: B018

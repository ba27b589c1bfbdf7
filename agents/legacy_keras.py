"""Keras 2 as `tf.keras`, which TF-Agents' own networks are written for; ours are Keras 3 whatever `tf.keras` is."""

import os
import sys

VARIABLE = "TF_USE_LEGACY_KERAS"


def prefer() -> None:
    """Chooses Keras 2 where TensorFlow, which settles it, is not imported yet."""
    if "tensorflow" not in sys.modules:
        os.environ[VARIABLE] = "1"


def require() -> None:
    """Raises ImportError where the package tf_keras is missing or `tf.keras` is Keras 3."""
    try:
        import tf_keras  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "the package tf_keras is missing: install the extra 'tf-agents'"
        ) from error
    if os.environ.get(VARIABLE) not in ("1", "true", "True"):
        raise ImportError(
            "TF-Agents' networks need Keras 2 as tf.keras, and here TensorFlow was imported with Keras 3: set "
            f"{VARIABLE}=1 before it is, in a process of their own"
        )

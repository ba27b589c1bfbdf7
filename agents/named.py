"""Nested named tuples of tensors as one dict, by joined names."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def flatten(state: Any, prefix: str = "") -> dict[str, tf.Tensor]:
    """Returns the tensors of nested named tuples by their names joined by '_', in the order of `tf.nest.flatten`."""
    found: dict[str, tf.Tensor] = {}
    for name, part in state._asdict().items():
        if isinstance(part, tuple):
            found |= flatten(part, f"{prefix}{name}_") if part else {}
        else:
            found[prefix + name] = part
    return found


def unflatten(template: Any, fields: Mapping[str, tf.Tensor], prefix: str = "") -> Any:
    """Inverts `flatten`.

    Args:
        template: Nested named tuples of the same names.
        fields: prefix + name -> tensor; others are passed over.
        prefix: Before every name.
    """
    names = [prefix + name for name in flatten(template)]
    return tf.nest.pack_sequence_as(template, [fields[name] for name in names])

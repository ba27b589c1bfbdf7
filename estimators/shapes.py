"""Static shape checks that add nothing to a graph."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def check(**tensors: tuple[Any, Sequence[str]]) -> None:
    """Checks ranks, and that equally named dimensions are equal wherever both are known.

    Args:
        **tensors: name=(tensor, dimension names), as reward=(reward, "TB").

    Raises:
        ValueError: If a rank or a dimension differs; the message names the tensor.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for name, (tensor, dims) in tensors.items():
        shape = tf.TensorShape(tensor.shape)
        if shape.rank is None:
            continue
        if shape.rank != len(dims):
            raise ValueError(
                f"{name} has shape {tuple(shape)}, expected rank {len(dims)}: "
                f"[{', '.join(dims)}]."
            )
        for dim, size in zip(dims, shape, strict=True):
            if size is None:
                continue
            known, owner = sizes.setdefault(dim, (size, name))
            if known != size:
                raise ValueError(
                    f"{name} has shape {tuple(shape)} with {dim} = {size}, but "
                    f"{owner} has {dim} = {known}; pass both with the same {dim}."
                )


def check_same(**tensors: Any) -> None:
    """Checks that the static shapes of all tensors are compatible.

    Raises:
        ValueError: If two shapes differ; the message names both tensors.
    """
    (first, reference), *others = tensors.items()
    expected = tf.TensorShape(reference.shape)
    for name, tensor in others:
        if not expected.is_compatible_with(tensor.shape):
            raise ValueError(
                f"{name} has shape {tensor.shape}, but {first} has {expected}; "
                "pass both with the same shape."
            )

"""Observations at the door: checked against their space, and turned into a dict of boxes."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs import images

TOLERANCE = 1e-5  # relative to the bound, for rounding in an environment's arithmetic


class OneHotBox(spaces.Box):
    """A Box of one-hot codes that lie side by side on the last axis.

    An environment that codes what it shows by itself says so with it; checked are the bounds, 0 and 1, alone.

    Args:
        shape: [..., the sum of classes].
        classes: Of each code.
        dtype: Bool, uint8 or float32.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: tuple[int, ...], dtype: Any = np.bool_
    ):
        super().__init__(0, 1, shape, dtype)
        self.classes = classes


class ObservationMap:
    """Checks observations of one space and turns them into what `Step` carries.

    A bare Box of rank 3 or 2 is `image`, of rank 1 or 0 `vector`; Discrete and MultiDiscrete are
    one-hot float32 (`vector`), MultiBinary is bool. Dict spaces keep their keys, nested ones as
    'outer/inner', tuples by position. Floats become float32; uint8 and bool stay; other integers
    become float32.

    Args:
        space: The environment's own observation space, of one row.
        size: Images of at least 32 pixels a side become size x size; None leaves them.
        grayscale: Images of 3 channels become their luminance.
        check_bounds: Whether leaving the bounds of the space is an error.

    Attributes:
        spaces: Key -> the Box of what comes out.
        factors: Key -> the classes of the one-hot codes side by side on the last axis, where there are such.

    Raises:
        ValueError: If a part of the space is of a kind that has no array.
    """

    def __init__(
        self,
        space: gymnasium.Space,
        size: int | None = 64,
        grayscale: bool = False,
        check_bounds: bool = True,
    ):
        self.space = space
        self.spaces: dict[str, spaces.Box] = {}
        self.factors: dict[str, tuple[int, ...]] = {}
        self._leaves: dict[str, Leaf] = {}
        self._grayscale = grayscale
        for key, part in _leaves(space):
            leaf = self._leaves[key] = Leaf(key, part, check_bounds)
            box = leaf.one_hot_box() or _box(key, part)
            if len(box.shape) == 3:
                box = _image_box(key, box, size, grayscale)
            self.spaces[key] = box
            if factors := _factors(leaf, box):
                self.factors[key] = factors
        if not self.spaces:
            raise ValueError(
                f"the observation space {space} has no parts: give it one at least; for nothing to see, "
                "Discrete(1)"
            )

    @property
    def native(self) -> dict[str, gymnasium.Space]:
        """Key -> the environment's own space of that part."""
        return {key: leaf.space for key, leaf in self._leaves.items()}

    def __call__(
        self, observation: Any, batch: tuple[int, ...] = ()
    ) -> dict[str, np.ndarray]:
        """Checks and converts an observation, or a batch of them.

        Args:
            observation: An element of `space`, or its batched form with leading axes `batch`.
            batch: () or (B,).

        Returns:
            Key -> [*batch, ...]; may share memory with the observation.

        Raises:
            ValueError: If structure, dtype, shape, finiteness or bounds are broken: the key, what
                came and what was expected.
        """
        return {
            key: self._convert(key, self._leaves[key].check(value, batch), batch)
            for key, value in _walk(self.space, observation, "")
        }

    def _convert(
        self, key: str, value: np.ndarray, batch: tuple[int, ...]
    ) -> np.ndarray:
        leaf, box = self._leaves[key], self.spaces[key]
        if leaf.classes:
            return leaf.one_hot(value)
        value = value.astype(box.dtype, copy=False)
        if len(box.shape) == 1:
            return value.reshape(*batch, *box.shape)
        if len(leaf.shape) == 2:
            value = value[..., None]
        if self._grayscale and value.shape[-1] == 3:
            value = images.to_gray(value)
        if value.shape[len(batch) :] == box.shape:
            return value
        if not batch:
            return images.resize(value, box.shape)
        return np.stack([images.resize(image, box.shape) for image in value])


class Leaf:
    """One array of an observation: its check, and its one-hot code where it is discrete.

    Args:
        key: The name used in errors.
        space: The space of one row: Box, Discrete, MultiDiscrete or MultiBinary.
        check_bounds: Whether leaving the bounds of a Box is an error.
    """

    def __init__(self, key: str, space: gymnasium.Space, check_bounds: bool = True):
        self.key = key
        self.space = space
        self.shape = tuple(space.shape or ())
        self.dtype = np.dtype(space.dtype)
        self.classes: list[int] = []
        if isinstance(space, spaces.Discrete):
            self.classes = [int(space.n)]
        elif isinstance(space, spaces.MultiDiscrete):
            self.classes = [int(n) for n in space.nvec.flat]
        self._start = getattr(space, "start", 0)
        bounded = check_bounds or not isinstance(space, spaces.Box)
        self._bounds = _bounds(space) if bounded else None
        self._inside = f"values inside {space}{self._hint()}"  # its text takes longer than the check
        self._codes = [np.eye(n, dtype=np.float32) for n in self.classes]

    def check(self, value: Any, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Returns value [*batch, ...] as an array after checking it.

        Raises:
            ValueError: If dtype, shape, finiteness or bounds are broken.
        """
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(
                f"observation '{self.key}' is not an array: {error}"
            ) from None
        shape = (*batch, *self.shape)
        if array.shape != shape or not self._accepts(array.dtype):
            raise ValueError(
                f"observation '{self.key}': got dtype {array.dtype} and shape {array.shape}; "
                f"expected {self.dtype} and {shape} by the observation space"
            )
        if array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                array = array.astype(np.float32, copy=False)
            self._require(np.isfinite(array), array, "finite numbers")
        if self._bounds is not None:
            inside = (array >= self._bounds[0]) & (array <= self._bounds[1])
            self._require(inside, array, self._inside)
        return array

    def one_hot_box(self) -> spaces.Box | None:
        """Returns the box of the one-hot code; None where the space is not discrete."""
        if not self.classes:
            return None
        return spaces.Box(0.0, 1.0, (sum(self.classes),), np.float32)

    def one_hot(self, value: np.ndarray) -> np.ndarray:
        """Returns [..., sum of classes] float32 for Discrete [...] or MultiDiscrete [..., n]."""
        codes = np.asarray(value - self._start)
        if isinstance(self.space, spaces.Discrete):
            codes = codes[..., None]
        return np.concatenate(
            [code[codes[..., i]] for i, code in enumerate(self._codes)], -1
        )

    def _accepts(self, dtype: np.dtype) -> bool:
        if self.classes or isinstance(self.space, spaces.MultiBinary):
            return dtype.kind in "iu" or dtype == self.dtype
        return dtype == self.dtype or (dtype.kind == "f" and self.dtype.kind == "f")

    def _require(self, good: np.ndarray, array: np.ndarray, expected: str) -> None:
        if good.all():
            return
        index = np.argwhere(~good)[0].tolist()
        raise ValueError(
            f"observation '{self.key}': got {array[tuple(index)]} at index {index}; expected {expected}"
        )

    def _hint(self) -> str:
        if not isinstance(self.space, spaces.Box):
            return ""
        return " (check_bounds=False accepts environments that leave the bounds they declare)"


def _box(key: str, space: gymnasium.Space) -> spaces.Box:
    """Returns the rank 1 or 3 box of a Box or MultiBinary space."""
    shape = tuple(space.shape or (1,))
    if isinstance(space, spaces.MultiBinary) and len(shape) == 1:
        dtype: Any = np.bool_
        return spaces.Box(0, 1, shape, dtype)
    if not isinstance(space, spaces.Box) or len(shape) > 3:
        raise ValueError(
            f"observation '{key}' has the space {space}, which is not supported: expected Box of rank 0 "
            "to 3, Discrete, MultiDiscrete or MultiBinary of rank 1, or a Dict or Tuple of them; drop or change it with "
            "gymnasium.wrappers.FilterObservation or TransformObservation"
        )
    stays = space.dtype == np.uint8 or space.dtype == np.bool_
    dtype = space.dtype if stays else np.float32
    shape = (*shape, 1) if len(shape) == 2 else shape
    return spaces.Box(*_range(space), shape, dtype)


def _factors(leaf: Leaf, box: spaces.Box) -> tuple[int, ...]:
    """Returns the classes of a leaf's one-hot codes in the box it becomes; () where resizing or gray mixed them."""
    if isinstance(leaf.space, OneHotBox) and leaf.shape == box.shape:
        return leaf.space.classes
    return tuple(leaf.classes)


def _range(box: spaces.Box) -> tuple[float, float]:
    if box.dtype == np.bool_:
        return 0, 1
    return box.low.min().item(), box.high.max().item()


def _image_box(
    key: str, box: spaces.Box, size: int | None, grayscale: bool
) -> spaces.Box:
    """Returns the box after `grayscale` and resizing."""
    shape = box.shape
    if shape[0] in (1, 3, 4) and min(shape[1:]) >= images.SMALLEST_RESIZED:
        raise ValueError(
            f"observation '{key}' has shape {shape}, which looks like channels first: images are "
            "channels last here; transpose it with gymnasium.wrappers.TransformObservation"
        )
    if grayscale:
        if shape[2] not in (1, 3):
            raise ValueError(
                f"grayscale needs 1 or 3 channels; observation '{key}' has {shape[2]}"
            )
        shape = (*shape[:2], 1)
    shape = images.resized_shape(shape, size)
    return spaces.Box(*_range(box), shape, box.dtype)


def _bounds(space: gymnasium.Space) -> tuple[Any, Any] | None:
    """Returns the bounds with their tolerance; None where the dtype cannot break them."""
    if isinstance(space, spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    if not isinstance(space, spaces.Box) or space.dtype == np.bool_:
        return None
    low, high = space.low, space.high
    if np.dtype(space.dtype).kind != "f":
        limits = np.iinfo(space.dtype)
        whole = (low == limits.min).all() and (high == limits.max).all()
        return None if whole else (low, high)
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return None
    return (
        low - TOLERANCE * np.maximum(1, np.abs(low)),
        high + TOLERANCE * np.maximum(1, np.abs(high)),
    )


def _leaves(
    space: gymnasium.Space, key: str = ""
) -> Iterator[tuple[str, gymnasium.Space]]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for name, part in _parts(space):
            yield from _leaves(part, f"{key}/{name}" if key else str(name))
    else:
        yield key or _bare_key(space), space


def _walk(
    space: gymnasium.Space, value: Any, key: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, value) in the order of `_leaves`, checking the structure."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        yield key or _bare_key(space), value
        return
    if isinstance(space, spaces.Dict):
        good = isinstance(value, dict) and set(value) == set(space)
        expected = f"a dict with the keys {sorted(space)}"
        got = f"the keys {sorted(value)}" if isinstance(value, dict) else None
    else:
        good = isinstance(value, tuple | list) and len(value) == len(space)
        expected, got = f"a tuple of {len(space)}", None
    if not good:
        raise ValueError(
            f"observation{f' {key!r}' if key else ''}: got {got or type(value).__name__}; "
            f"expected {expected}"
        )
    for name, part in _parts(space):
        yield from _walk(part, value[name], f"{key}/{name}" if key else str(name))


def _parts(space: spaces.Dict | spaces.Tuple) -> list[tuple[Any, gymnasium.Space]]:
    if isinstance(space, spaces.Dict):
        return list(space.items())
    return list(enumerate(space.spaces))


def _bare_key(space: gymnasium.Space) -> str:
    is_image = isinstance(space, spaces.Box) and len(space.shape) >= 2
    return "image" if is_image else "vector"

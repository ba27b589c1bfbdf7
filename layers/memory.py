"""An external memory of rows: read by content, written one row per step; pure functions of tensors."""

import functools
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

import tensorflow as tf

from estimators import shapes
from layers.unroll import reset_rows

FORMS = ("a", "b", "c", "none")
_EPSILON = 1e-4  # of squared norms: shorter keys and rows count less, an empty row not at all, and gradients are bounded


P = ParamSpec("P")
T = TypeVar("T")


def _scoped(function: Callable[P, T]) -> Callable[P, T]:
    """Names the function's operations `memory/…`, by which profiles find them."""

    @functools.wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> T:
        with tf.name_scope("memory"):
            return function(*args, **kwargs)

    return within


class Memory(NamedTuple):
    """What a memory holds, per batch row; float32 but for `count`.

    Attributes:
        rows: [B, N, W], M.
        written: [B, N], v_wr of the step before: one-hot, or zero before the first write.
        trace: [B, N], v_ret, how much of the next value goes to the retroactive half of each row.
        usage: [B, N], u, the read weights that each row has got so far.
        count: [B] int32, writes since the reset.
    """

    rows: tf.Tensor
    written: tf.Tensor
    trace: tf.Tensor
    usage: tf.Tensor
    count: tf.Tensor


def empty(batch: int | tf.Tensor, slots: int, width: int) -> Memory:
    """Returns a memory of N = `slots` rows of W = `width` zeros."""
    vector = tf.zeros([batch, slots])
    rows = tf.zeros([batch, slots, width])
    return Memory(rows, vector, vector, vector, tf.zeros([batch], tf.int32))


@_scoped
def reset(memory: Memory, is_first: tf.Tensor) -> Memory:
    """Empties the memories of the batch rows where `is_first` [B] bool is set."""
    return reset_rows(memory, is_first)


@_scoped
def read(
    rows: tf.Tensor, keys: tf.Tensor, sharpness: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads by content, K heads at once.

    w_i = softmax_j(beta_i cos(k_i, M[j])),  m_i = sum_j w_i[j] M[j]

    An empty row has cosine 0 with every key, and thus a weight. Rows and keys shorter than 0.01 count as if divided by
    0.01, so that gradients stay bounded.

    Args:
        rows: [B, N, W], M.
        keys: [B, K, W], k.
        sharpness: [B, K], beta > 0.

    Returns:
        The reads m [B, K, W] and their weights w [B, K, N].

    Raises:
        ValueError: If the shapes differ.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), methods; Graves et al. 2016 (DNC).
    """
    shapes.check(rows=(rows, "BNW"), keys=(keys, "BKW"), sharpness=(sharpness, "BK"))
    # Differs: the paper's cosine has no least norm.
    keys = tf.math.l2_normalize(keys, -1, _EPSILON)
    norm = tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(rows), -1), _EPSILON))
    cosine = tf.matmul(keys, rows, transpose_b=True) * norm[:, None, :]
    weights = tf.nn.softmax(sharpness[..., None] * cosine)
    return tf.matmul(weights, rows), weights


@_scoped
def use(memory: Memory, weights: tf.Tensor) -> Memory:
    """Adds the weights [B, K, N] of a step's reads to the usage."""
    # Open: whether the policy's read counts as a use, too; here only the predictor's do.
    return memory._replace(usage=memory.usage + tf.reduce_sum(weights, 1))


@_scoped
def write(memory: Memory, value: tf.Tensor, form: str, decay: float) -> Memory:
    """Writes a value into one row, and part of it into the retroactive half of rows written before.

    The row v_wr is the next one while there is an empty one; then the one of least usage, of equal ones the first,
    which is erased before. Its usage becomes the mean of the others.

    M_t = M_{t-1} + v_wr [z_t, 0]^T + v_ret [0, z_t]^T, where by form
        a: v_ret_t = g v_ret_{t-1} + (1 - g) v_wr_{t-1}: row i ends with (1 - g) sum_{t > i} g^(t - i - 1) z_t
        b: v_ret_t = g v_ret_{t-1} + (1 - g) v_wr_t: row i ends with (1 - g) sum_{t >= i} g^(t - i) z_t
        c: as a, the retroactive half times g
        none: there is no retroactive half, and rows are as wide as values.

    Args:
        memory: As wide as values with form 'none', else twice as wide.
        value: [B, Z], z_t.
        form: One of `FORMS`.
        decay: g in [0, 1]; with 1 the retroactive half stays zero.

    Returns:
        The memory after the write.

    Raises:
        ValueError: If the form is unknown or the shapes do not fit.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), equation 2.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}, got {form!r}")
    shapes.check(
        rows=(memory.rows, "BNW"), usage=(memory.usage, "BN"), value=(value, "BZ")
    )
    slots, width = memory.rows.shape[1:]
    if width != (1 if form == "none" else 2) * value.shape[-1]:
        raise ValueError(
            f"value has {value.shape[-1]} numbers and rows have {width}: with form {form!r} rows are "
            f"{'as' if form == 'none' else 'twice as'} wide as values"
        )
    # Open: the paper's choice between a, b (the lecture's) and c is not known; a is the default.
    # Open: the paper does not say what becomes of the usage of a row that is written over; with 0 it would be the
    # least used at once again.
    is_full = memory.count >= slots
    row = tf.where(
        is_full, tf.argmin(memory.usage, -1, tf.int32), tf.minimum(memory.count, slots)
    )
    written = tf.one_hot(row, slots)
    kept = 1 - written
    fresh = written if form == "b" else kept * memory.written
    trace = decay * kept * memory.trace + (1 - decay) * fresh
    rows = memory.rows * kept[..., None]
    if form == "none":
        rows += written[..., None] * value[:, None]
    else:
        share = decay * trace if form == "c" else trace
        both = tf.stack([written, share], -1)[..., None] * value[:, None, None]
        rows += tf.reshape(both, [-1, slots, width])
    over = tf.cast(is_full, tf.float32)[:, None] * written
    others = tf.reduce_sum(memory.usage * kept, -1, keepdims=True) / max(1, slots - 1)
    usage = memory.usage + over * (others - memory.usage)
    return Memory(rows, written, trace, usage, memory.count + 1)

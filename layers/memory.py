"""An external memory of rows: read by content, written one row per step; pure functions of tensors."""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from estimators import shapes
from layers.unroll import reset_rows

FORMS = ("a", "b", "c", "none")
_EPSILON = 1e-12  # of squared norms: an empty row has cosine 0 with every key
# I K J of products that oneDNN, which takes tf.matmul's, is not worth: it wakes every thread for each, which costs 0.1 ms.
_SMALL = 8192


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


def reset(memory: Memory, is_first: tf.Tensor) -> Memory:
    """Empties the memories of the batch rows where `is_first` [B] bool is set."""
    return reset_rows(memory, is_first)


def read(
    rows: tf.Tensor, keys: tf.Tensor, sharpness: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads by content, K heads at once.

    w_i = softmax_j(beta_i cos(k_i, M[j])),  m_i = sum_j w_i[j] M[j]

    An empty row has cosine 0 with every key, and thus a weight.

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
    return _read(*map(tf.convert_to_tensor, (rows, keys, sharpness)))


@tf.custom_gradient
def _read(
    rows: tf.Tensor, keys: tf.Tensor, sharpness: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., tuple]]:
    """`read`, with its gradient written out: a third of the operations that TensorFlow makes of it.

    With n the inverse norms, l_i[j] = beta_i n_i n_j k_i M[j] and c = beta_i n_i n_j dl_i[j]:
        dl = w (dw - sum_j w dw),  where dw has dm M^T too
        dM = w^T dm + c^T k - n_j^2 M[j] sum_i l dl
        dk = c M - n_i^2 k_i sum_j l dl,  dbeta_i = sum_j l dl / beta_i
    """
    row_norm, key_norm = _inverse_norm(rows), _inverse_norm(keys)
    scale = (sharpness * key_norm)[..., None] * row_norm[:, None]
    logits = _matmul(keys, rows, adj_y=True) * scale
    # Not tf.nn.softmax: for so few numbers oneDNN wakes every thread.
    weights = tf.exp(tf.nn.log_softmax(logits))

    def gradient(reads: tf.Tensor, weighed: tf.Tensor) -> tuple:
        weighed = weights * (_matmul(reads, rows, adj_y=True) + weighed)
        slope = weighed - weights * tf.reduce_sum(weighed, -1, keepdims=True)
        through, radial = slope * scale, slope * logits
        along = tf.reduce_sum(radial, -1)
        across = -tf.reduce_sum(radial, 1) * tf.square(row_norm)
        parts = (
            _matmul(weights, reads, adj_x=True),
            _matmul(through, keys, adj_x=True),
            across[..., None] * rows,
        )
        inward = (along * tf.square(key_norm))[..., None] * keys
        to_keys = _matmul(through, rows) - inward
        return tf.add_n(parts), to_keys, tf.math.divide_no_nan(along, sharpness)

    return (_matmul(weights, rows), weights), gradient


def _inverse_norm(x: tf.Tensor) -> tf.Tensor:
    return tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(x), -1), _EPSILON))


def use(memory: Memory, weights: tf.Tensor) -> Memory:
    """Adds the weights [B, K, N] of a step's reads to the usage; as constants, for usage only chooses rows."""
    added = tf.reduce_sum(tf.stop_gradient(weights), 1)
    return memory._replace(usage=memory.usage + added)


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
    row = tf.where(is_full, tf.argmin(memory.usage, -1, tf.int32), memory.count)
    is_written = tf.one_hot(row, slots, True, False)
    written = tf.cast(is_written, tf.float32)
    kept = 1 - written
    others = tf.reduce_sum(memory.usage * kept, -1, keepdims=True) / max(1, slots - 1)
    usage = tf.where(is_full[:, None] & is_written, others, memory.usage)
    trace, shares = memory.trace, written[..., None]
    if form != "none":
        fresh = written if form == "b" else kept * memory.written
        trace = decay * kept * trace + (1 - decay) * fresh
        share = decay * trace if form == "c" else trace
        shares = tf.stack([written, share], -1)
    rows = _add(memory.rows, kept, shares, value)
    # Where to write and how much is no function that has a gradient.
    written, trace, usage = map(tf.stop_gradient, (written, trace, usage))
    return Memory(rows, written, trace, usage, memory.count + 1)


def _add(
    rows: tf.Tensor, kept: tf.Tensor, shares: tf.Tensor, value: tf.Tensor
) -> tf.Tensor:
    """Returns M[j] kept[j] + [shares[j, 0] z, shares[j, 1] z, ..], with kept [B, N] and shares [B, N, W / Z] constants."""
    slots, width = rows.shape[1:]
    size = value.shape[-1]
    parts = slots * width // size
    kept, shares = kept[..., None], tf.reshape(shares, [-1, parts, 1])

    @tf.custom_gradient
    def added(rows: tf.Tensor, value: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            by_part = tf.reshape(rows, [-1, parts, size])
            return rows * kept, _matmul(shares, by_part, adj_x=True)[:, 0]

        new = tf.reshape(_matmul(shares, value[:, None]), [-1, slots, width])
        return rows * kept + new, gradient

    return added(rows, tf.convert_to_tensor(value))


def _matmul(
    x: tf.Tensor, y: tf.Tensor, adj_x: bool = False, adj_y: bool = False
) -> tf.Tensor:
    """Returns x y, [B, I, K] and [B, K, J], either given with its matrices transposed."""
    shape = x.shape[2 if adj_x else 1], *y.shape[1:]
    if None in shape or math.prod(shape) > _SMALL:
        return tf.matmul(x, y, transpose_a=adj_x, transpose_b=adj_y)
    return tf.raw_ops.BatchMatMulV3(
        x=x, y=y, Tout=tf.float32, adj_x=adj_x, adj_y=adj_y
    )

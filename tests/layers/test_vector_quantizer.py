"""VectorQuantizer against NumPy twins written from the equations."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers import VectorQuantizer
from tests.agents.kernels import without_gpu_kernel

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(3, 7, 4)).astype(np.float32)


def built(codes=6, size=4, **kwargs):
    layer = VectorQuantizer(codes, **kwargs)
    layer.build((None, size))
    layer.codebook.assign(np.random.default_rng(1).normal(size=(codes, size)))
    return layer


def nearest(z, codebook):
    """[N], by all distances in double precision."""
    apart = z.reshape(-1, 1, z.shape[-1]).astype(np.float64) - codebook[None]
    return np.square(apart).sum(-1).argmin(1)


def test_codes_are_the_nearest_and_losses_the_mean_squared_distances():
    layer = built()
    found = layer.nearest(Z)
    codebook = layer.codebook.numpy().astype(np.float64)
    indices = nearest(Z, codebook)
    np.testing.assert_array_equal(found.indices, indices.reshape(3, 7))
    chosen = layer.codebook.numpy()[indices].reshape(Z.shape)
    np.testing.assert_array_equal(found.vectors, chosen)
    np.testing.assert_array_equal(layer.embed(found.indices), chosen)
    distance = np.square(Z - codebook[indices].reshape(Z.shape)).mean()
    for loss in (found.codebook_loss, found.commitment_loss):
        assert float(loss) == pytest.approx(distance, rel=1e-6)
    assert float(layer.loss_of(found)) == pytest.approx(1.25 * distance, rel=1e-6)


def test_of_equally_near_codes_the_first_is_taken():
    layer = built(codes=4, size=2)
    layer.codebook.assign([[9.0, 0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(layer.nearest([[0.0, 3.0], [2.0, 0]]).indices, 1)


def test_gradients_pass_straight_through_and_each_loss_has_its_side():
    layer = built()
    z = tf.constant(Z)
    weight = tf.constant(RNG.normal(size=Z.shape), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        found = layer.nearest(z)
        through = tf.reduce_sum(found.vectors * weight)
    codebook = layer.codebook.value
    np.testing.assert_array_equal(tape.gradient(through, z), weight)
    assert tape.gradient(through, codebook) is None
    assert tape.gradient(found.codebook_loss, z) is None
    assert tape.gradient(found.commitment_loss, codebook) is None
    apart = 2 * (Z - found.vectors.numpy()) / Z.size
    np.testing.assert_allclose(
        tape.gradient(found.commitment_loss, z), apart, rtol=1e-5, atol=1e-8
    )
    wanted = np.zeros((6, 4))
    np.add.at(wanted, found.indices.numpy().ravel(), -apart.reshape(-1, 4))
    got = tf.convert_to_tensor(tape.gradient(found.codebook_loss, codebook))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)


def test_the_codebook_follows_running_averages():
    decay, epsilon = 0.9, 0.01
    layer = built(decay=decay, epsilon=epsilon)
    assert layer.trainable_variables == []
    count, sums = np.ones(6), layer.sums.numpy().astype(np.float64)
    for seed in range(4):
        z = np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)
        indices = nearest(z, layer.codebook.numpy())
        chosen = np.eye(6)[indices]
        count = decay * count + (1 - decay) * chosen.sum(0)
        sums = decay * sums + (1 - decay) * chosen.T @ z
        total = count.sum()
        smooth = (count + epsilon) / (total + 6 * epsilon) * total
        layer(z, training=True)
        np.testing.assert_allclose(layer.codebook, sums / smooth[:, None], rtol=1e-4)
        np.testing.assert_allclose(layer.counts, count, rtol=1e-5)
    before = layer.codebook.numpy()
    layer(z)
    np.testing.assert_array_equal(layer.codebook, before)
    assert float(layer.losses[0]) == pytest.approx(
        0.25 * float(layer.nearest(z).commitment_loss)
    )


def test_codes_start_as_averages_of_themselves():
    layer = VectorQuantizer(5, decay=0.5, seed=3)
    layer.build((None, 2))
    np.testing.assert_array_equal(layer.sums, layer.codebook)
    np.testing.assert_array_equal(layer.counts, np.ones(5))


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_dead_codes_become_vectors_of_the_batch_and_live_ones_stay(decay):
    layer, averaging = built(decay=decay, restart=0.5), decay or 0.99
    z = Z.reshape(-1, 4)
    far = np.array([1, 1, 1, -1], np.float32) * 100
    vectors = layer.codebook.numpy()
    vectors[1], vectors[4] = far, -far  # nobody chooses these
    layer.codebook.assign(vectors)
    # N_i = 4 for the others, so that N / K < 4; the one is just above half of that, the other just below.
    chose = np.bincount(nearest(z, vectors), minlength=6)
    assert chose[1] == chose[4] == 0
    rest = 4 * 4 + (1 - averaging) * len(z) / averaging  # N / averaging but for the two
    edge = 0.5 * rest / 5  # x = 0.5 (rest + 2 x) / 6
    counts = np.full(6, 4.0)
    counts[1], counts[4] = 1.01 * edge, 0.99 * edge
    layer.counts.assign(counts)
    sums = layer.sums.numpy().astype(np.float64)
    layer(Z, training=True)
    counts = averaging * counts + (1 - averaging) * chose
    sums = averaging * sums
    np.add.at(sums, nearest(z, vectors), (1 - averaging) * z.astype(np.float64))
    even = counts.sum() / 6
    np.testing.assert_array_equal(counts < 0.5 * even, np.arange(6) == 4)
    live = [0, 1, 2, 3, 5]
    wanted = sums / counts[:, None] if decay else vectors
    np.testing.assert_allclose(layer.codebook.numpy()[live], wanted[live], rtol=1e-3)
    np.testing.assert_allclose(layer.counts.numpy()[live], counts[live], rtol=1e-5)
    after = layer.codebook.numpy()[4]
    assert tuple(after) in {tuple(row) for row in z}
    assert float(layer.counts[4]) == pytest.approx(even, rel=1e-5)
    np.testing.assert_allclose(layer.sums[4], even * after, rtol=1e-5)


def test_codes_that_die_together_become_different_vectors():
    layer = built(codes=20, restart=0.5)
    layer.counts.assign([100.0] + [0.0] * 19)
    layer.codebook.assign(np.concatenate([np.zeros((1, 4)), np.full((19, 4), 1e3)]))
    layer(Z, training=True)
    assert len(np.unique(layer.codebook.numpy()[1:], axis=0)) == 19
    few = built(codes=6, restart=0.5)
    few.counts.assign([100.0] + [0.0] * 5)
    few.codebook.assign(np.concatenate([np.zeros((1, 4)), np.full((5, 4), 1e3)]))
    few(Z[0, :2], training=True)  # fewer vectors than codes
    assert len(np.unique(few.codebook.numpy()[1:], axis=0)) == 2


def test_perplexity_is_exp_of_the_entropy_of_the_shares():
    layer = built(codes=4, size=1)
    layer.codebook.assign([[0.0], [1.0], [2.0], [3.0]])
    for z, wanted in (
        ([0, 0, 0, 1], math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))),
        ([0, 1, 2, 3], 4),
        ([2, 2], 1),
    ):
        found = layer.nearest(tf.constant(z, tf.float32)[:, None])
        assert float(found.perplexity) == pytest.approx(wanted, rel=1e-6)


def test_a_collapsed_codebook_comes_to_use_by_restarts():
    rng = np.random.default_rng(2)
    centres = 5 * rng.normal(size=(8, 3))
    used = {}
    for restart in (0.0, 0.3):
        layer = built(codes=8, size=3, decay=0.9, restart=restart)
        layer.codebook.assign(np.eye(8, 3) * 1e-3)
        layer.sums.assign(layer.codebook)
        for _ in range(200):
            z = centres[rng.integers(8, size=64)] + 0.1 * rng.normal(size=(64, 3))
            layer(z.astype(np.float32), training=True)
        used[restart] = len(set(layer.nearest(centres).indices.numpy()))
    assert used[0.3] > used[0.0] + 1


def test_numbers_stay_float32_and_graphs_fit_gpus():
    layer = VectorQuantizer(6, decay=0.9, restart=0.1, dtype="mixed_bfloat16")
    layer.build((None, 4))
    found = layer.nearest(tf.cast(Z, tf.bfloat16))
    assert {found.vectors.dtype, found.commitment_loss.dtype} == {tf.float32}

    @tf.function(input_signature=[tf.TensorSpec([None, 7, 4])])
    def step(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            found = layer.nearest(z)
            loss = layer.loss_of(found)
        layer.follow(z, found.indices)
        return tape.gradient(loss, z)

    assert without_gpu_kernel(step.get_concrete_function().graph) == set()


@pytest.mark.slow
def test_it_trains_in_an_ordinary_keras_model():
    keras.utils.set_random_seed(0)
    x = RNG.normal(size=(256, 8)).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4),
            VectorQuantizer(16, decay=0.9, restart=0.1),
            keras.layers.Dense(8),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    losses = model.fit(x, x, batch_size=64, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"codes": 1}, "codes must be at least 2, got 1: a codebook of one entry"),
        ({"codes": 4, "decay": 1.0}, r"decay must be in \[0, 1\), got 1.0"),
        ({"codes": 4, "restart": -0.1}, r"restart must be in \[0, 1\)"),
        ({"codes": 4, "commitment": -1}, "commitment must not be negative, got -1"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(values, said):
    with pytest.raises(ValueError, match=said):
        VectorQuantizer(**values)


def test_vectors_of_unknown_size_are_refused():
    with pytest.raises(ValueError, match="last axis must be a known number"):
        VectorQuantizer(4).build((None, None))

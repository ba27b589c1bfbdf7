"""The reader, with what test_conformance.py asks of layers of one input and one output."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers
from tests.layers.test_memory import Twin

B, N, W, K, H = 3, 6, 4, 2, 5


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(B, N, W))
    rows[:, -2:] = 0
    return [rng.normal(size=(B, H)).astype("float32"), rows.astype("float32")]


def small_reader(**kwargs):
    reader = layers.MemoryReader(W, K, **kwargs)
    reader.build([(None, H), (None, N, W)])
    rng = np.random.default_rng(1)
    reader.set_weights([rng.normal(size=x.shape) for x in reader.get_weights()])
    return reader


def test_keys_and_sharpness_are_linear_and_the_read_is_by_content():
    reader, (controller, rows) = small_reader(), inputs()
    kernel, bias = (x.astype("float64") for x in reader.get_weights())
    keys, sharpness = reader.aim(controller)
    reads, weights = reader([controller, rows])
    assert reads.shape == (B, K * W) and weights.shape == (B, K, N)
    for b in range(B):
        interface = controller[b] @ kernel + bias
        want_keys = interface[: K * W].reshape(K, W)
        want_sharpness = np.log1p(np.exp(interface[K * W :]))
        np.testing.assert_allclose(keys[b], want_keys, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sharpness[b], want_sharpness, rtol=1e-4)
        twin = Twin(N, W)
        twin.rows = rows[b].astype("float64")
        want_read, want_weights = twin.read(want_keys, want_sharpness)
        np.testing.assert_allclose(
            reads[b], want_read.reshape(-1), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(weights[b], want_weights, rtol=1e-4, atol=1e-6)


def test_sharpness_is_positive_whatever_the_controller_says():
    _, sharpness = small_reader().aim(tf.constant(inputs()[0]) * 10)
    assert np.isfinite(sharpness).all() and (np.asarray(sharpness) > 0).all()


@pytest.mark.parametrize("beta", [0.1, np.log(2), 10.0, 1000.0])
def test_new_weights_read_with_the_sharpness_asked_for(beta):
    reader = layers.MemoryReader(W, K, sharpness=beta)
    keys, sharpness = reader.aim(tf.zeros([B, H]))
    np.testing.assert_allclose(sharpness, np.full((B, K), beta), rtol=1e-5)
    np.testing.assert_array_equal(keys, np.zeros((B, K, W)))
    again = layers.MemoryReader.from_config(reader.get_config())
    assert again.sharpness == beta


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_a_sharpness_that_is_not_positive_is_an_error(beta):
    with pytest.raises(ValueError, match="sharpness must be positive"):
        layers.MemoryReader(W, K, sharpness=beta)


def test_an_empty_memory_reads_zeros_and_its_gradients_are_finite():
    reader, (controller, rows) = small_reader(), inputs()
    sources = [tf.constant(controller), tf.zeros_like(rows)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        reads, weights = reader(sources)
        loss = tf.reduce_sum(reads) + tf.reduce_sum(weights**2)
    np.testing.assert_array_equal(reads, np.zeros((B, K * W)))
    np.testing.assert_allclose(weights, np.full((B, K, N), 1 / N), rtol=1e-6)
    for gradient in tape.gradient(loss, [*sources, *reader.trainable_weights]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_whatever_comes_in_reads_and_weights_are_float32(policy, dtype):
    reader = small_reader(dtype=policy)
    given = [tf.cast(x, dtype) for x in inputs()]
    outputs = reader(given)
    assert [x.dtype for x in outputs] == [tf.float32, tf.float32]
    exact = small_reader()([tf.cast(x, tf.float32) for x in given])
    for got, want in zip(outputs, exact, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    symbolic = reader([keras.Input((H,)), keras.Input((N, W))])
    assert [x.dtype for x in symbolic] == ["float32", "float32"]
    assert {w.dtype for w in reader.weights} == {"float32"}


def test_a_reader_comes_back_from_its_config():
    reader = layers.MemoryReader(W, K, name="mine", trainable=False)
    again = layers.MemoryReader.from_config(reader.get_config())
    assert again.get_config() == reader.get_config()
    assert again.name == "mine" and not again.trainable
    saved = keras.saving.serialize_keras_object(reader)
    restored = keras.saving.deserialize_keras_object(saved)
    assert restored.get_config() == reader.get_config()


def test_a_saved_model_gives_the_same_outputs(tmp_path):
    ends = [keras.Input((H,)), keras.Input((N, W))]
    model = keras.Model(ends, small_reader()(ends))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for before, after in zip(model(inputs()), again(inputs()), strict=True):
        np.testing.assert_array_equal(before, after)


def test_symbolic_eager_and_compiled_calls_agree():
    unbuilt, reader = layers.MemoryReader(W, K), small_reader()
    symbolic = unbuilt([keras.Input((H,)), keras.Input((None, W))])
    assert [x.shape for x in symbolic] == [(None, K * W), (None, K, None)]
    assert list(reader.compute_output_shape([(None, H), (None, N, W)])) == [
        (None, K * W),
        (None, K, N),
    ]
    unknown = [tf.TensorSpec([None, H]), tf.TensorSpec([None, None, W])]
    compiled = tf.function(lambda h, rows: reader([h, rows]), input_signature=unknown)
    for graph, eager in zip(compiled(*inputs()), reader(inputs()), strict=True):
        np.testing.assert_allclose(graph, eager, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_training_step_changes_every_weight(policy):
    ends = [keras.Input((H,)), keras.Input((N, W))]
    model = keras.Model(ends, small_reader(dtype=policy)(ends)[0])
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    before = [w.numpy() for w in model.trainable_weights]
    model.train_on_batch(inputs(), np.ones((B, K * W), "float32"))
    for old, weight in zip(before, model.trainable_weights, strict=True):
        assert np.any(old != weight.numpy()), weight.path

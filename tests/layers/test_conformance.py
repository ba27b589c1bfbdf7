"""One test of everything a Keras layer owes, over every public layer."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers

ACTIONS, EMBED = 3, 5
RNN_INPUT = {4: ACTIONS + EMBED + 1 + 8, 0: ACTIONS + EMBED + 1 + 2}
# The column of a cell's input that is 0 or 1, whether an episode begins.
FIRST = {"RSSMCell": ACTIONS + EMBED, "MERLINMemoryCell": 6, "TwoTimescaleLSTM": 4}
STATES = {"LSTMState", "Memory", "RSSMState", "TwoTimescaleState"}


def rssm(**kwargs):
    sizes = {"deter": 6, "hidden": 7, "stoch": 2, "classes": 4} | kwargs
    return layers.RSSMCell(action_size=ACTIONS, embed_size=EMBED, **sizes)


def merlin(**kwargs):
    return layers.MERLINMemoryCell(2, 2, controller=4, heads=2, **kwargs)


def two_timescale(**kwargs):
    sizes = {"slots": 3, "width": 2, "heads": 2} | kwargs
    return layers.TwoTimescaleLSTM(3, 2, period=1, slow_gradient=0.5, **sizes)


# name -> (how it is made, shape of one input row, dtype under mixed_bfloat16)
FEED_FORWARD = {
    "MLP": (lambda **k: layers.MLP((4, 5), **k), (3,), "bfloat16"),
    "MLP-norm": (
        lambda **k: layers.MLP((4,), "tanh", "layer", 2, **k),
        (3,),
        "bfloat16",
    ),
    "ConvEncoder": (
        lambda **k: layers.ConvEncoder(2, (4, 3), norm="layer", **k),
        (12, 10, 2),
        "bfloat16",
    ),
    "SmallConvEncoder": (
        lambda **k: layers.SmallConvEncoder(3, 2, norm="layer", **k),
        (5, 4, 2),
        "bfloat16",
    ),
    "ConvDecoder": (
        lambda **k: layers.ConvDecoder(2, (3, 4, 5), (19, 19, 2), norm="layer", **k),
        (6,),
        "float32",
    ),
    "ResidualEncoder": (
        lambda **k: layers.ResidualEncoder(8, 5, **k),
        (12, 10, 2),
        "bfloat16",
    ),
    "ResidualDecoder": (
        lambda **k: layers.ResidualDecoder((8, 16, 2), 8, 5, **k),
        (6,),
        "float32",
    ),
    "FTWEncoder": (lambda **k: layers.FTWEncoder(2, 4, **k), (17, 9, 2), "bfloat16"),
    "ImpalaEncoder": (
        lambda **k: layers.ImpalaEncoder((2, 3), 4, **k),
        (7, 6, 2),
        "bfloat16",
    ),
    "ResidualBlock": (
        lambda **k: layers.ResidualBlock(4, **k),
        (5, 4, 4),
        "bfloat16",
    ),
    "ResidualBlock-stride": (
        lambda **k: layers.ResidualBlock(6, 2, **k),
        (5, 4, 2),
        "bfloat16",
    ),
    "ResidualBlock-upsample": (
        lambda **k: layers.ResidualBlock(4, upsample=True, **k),
        (3, 2, 4),
        "bfloat16",
    ),
    "DenseDecoder": (
        lambda **k: layers.DenseDecoder((4, 3, 2), (5,), **k),
        (6,),
        "float32",
    ),
    "TransposedConv2D": (
        lambda **k: layers.TransposedConv2D(5, 4, **k),
        (3, 3, 2),
        "bfloat16",
    ),
    "OneHotStraightThrough": (
        lambda **k: layers.OneHotStraightThrough(seed=1, **k),
        (4,),
        "float32",
    ),
    "GumbelSoftmax": (
        lambda **k: layers.GumbelSoftmax(0.7, hard=True, seed=1, **k),
        (4,),
        "float32",
    ),
    "VectorQuantizer": (
        lambda **k: layers.VectorQuantizer(5, restart=0.1, **k),
        (4,),
        "float32",
    ),
    "VectorQuantizer-averages": (
        lambda **k: layers.VectorQuantizer(5, decay=0.9, seed=2, **k),
        (3, 4),
        "float32",
    ),
    "UnitNormalHead": (
        lambda **k: layers.UnitNormalHead((2, 3), **k),
        (4,),
        "float32",
    ),
    "BernoulliHead": (lambda **k: layers.BernoulliHead(**k), (4,), "float32"),
    "FactoredHead": (lambda **k: layers.FactoredHead((3, 2), **k), (4,), "float32"),
    "FactoredHead-hidden": (
        lambda **k: layers.FactoredHead((3, 2), 5, **k),
        (4,),
        "float32",
    ),
    "OneHotHead": (lambda **k: layers.OneHotHead(3, **k), (4,), "float32"),
    "TruncatedNormalHead": (
        lambda **k: layers.TruncatedNormalHead(2, 0.3, 0.2, **k),
        (4,),
        "float32",
    ),
    "TanhNormalHead": (
        lambda **k: layers.TanhNormalHead(2, 0.3, 0.2, 50, **k),
        (4,),
        "float32",
    ),
}
CELLS = {
    "LayerNormGRUCell": (lambda **k: layers.LayerNormGRUCell(5, **k), (4,), "float32"),
    "LayerNormGRUCell-bare": (
        lambda **k: layers.LayerNormGRUCell(5, norm=False, **k),
        (4,),
        "float32",
    ),
    "RSSMCell": (rssm, (RNN_INPUT[4],), "float32"),
    "RSSMCell-norm": (
        lambda **k: rssm(norm="layer", gru_norm=False, **k),
        (RNN_INPUT[4],),
        "float32",
    ),
    "RSSMCell-gaussian": (
        lambda **k: rssm(classes=0, std="softplus", min_std=0.2, **k),
        (RNN_INPUT[0],),
        "float32",
    ),
    "DeepLSTMCell": (lambda **k: layers.DeepLSTMCell(5, **k), (4,), "float32"),
    "DeepLSTMCell-two": (lambda **k: layers.DeepLSTMCell(5, 2, **k), (4,), "float32"),
    "TwoTimescaleLSTM": (two_timescale, (7,), "float32"),
    "TwoTimescaleLSTM-plain": (
        lambda **k: two_timescale(slots=0, **k),
        (7,),
        "float32",
    ),
    "MERLINMemoryCell": (merlin, (7,), "float32"),
    "MERLINMemoryCell-plain": (
        lambda **k: merlin(form="none", stop_write=True, **k),
        (7,),
        "float32",
    ),
}
CASES = FEED_FORWARD | CELLS


def wrapped(case, **kwargs):
    """The layer, or its cell inside an RNN over 3 steps, with the shape of one row."""
    make, shape, _ = CASES[case]
    layer = make(**kwargs)
    if case in CELLS:
        rnn = keras.layers.RNN(layer, return_sequences=True, dtype="float32")
        return rnn, (3, *shape)
    return layer, shape


def first_of(case):
    """The column that must be 0 or 1, or None."""
    return FIRST.get(case.split("-")[0])


def batch_of(case, shape, rows=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *shape)).astype("float32")
    if first_of(case) is not None:
        x[..., first_of(case)] = rng.uniform(size=x.shape[:-1]) < 0.3
    return x


def test_every_public_layer_has_a_case():
    covered = {case.split("-")[0] for case in CASES}
    elsewhere = {"MemoryReader"}  # two inputs and two outputs: test_memory_reader.py
    assert covered == set(layers.__all__) - STATES - elsewhere


def test_every_public_layer_lies_in_a_file_of_its_name_and_is_documented():
    for name in sorted(set(layers.__all__) - STATES):
        public = getattr(layers, name)
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
        assert public.__module__ == f"layers.{words.lower()}"
        assert "Call arguments:" in public.__doc__ and "Returns:" in public.__doc__
        assert keras.saving.get_registered_name(public) == f"zoo>{name}"


@pytest.mark.parametrize("case", CASES)
def test_a_layer_comes_back_from_its_config(case):
    layer = CASES[case][0](name="mine", trainable=False)
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert again.name == "mine" and not again.trainable
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == config


@pytest.mark.parametrize("case", CASES)
def test_a_saved_model_gives_the_same_outputs(case, tmp_path):
    layer, shape = wrapped(case)
    model = keras.Sequential([keras.Input(shape), layer])
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path)
    x = batch_of(case, shape)
    np.testing.assert_array_equal(model(x), again(x))
    for before, after in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("case", CASES)
def test_symbolic_eager_and_compiled_calls_agree(case):
    layer, shape = wrapped(case)
    symbolic = layer(keras.Input(shape))
    twin, _ = wrapped(case)
    twin.build((None, *shape))
    x = batch_of(case, shape)
    compiled = tf.function(twin, input_signature=[tf.TensorSpec([None, *shape])])
    trained = [w for w in layer.weights if "seed" not in w.path]
    for weight, other in zip(
        trained, [w for w in twin.weights if "seed" not in w.path], strict=True
    ):
        other.assign(weight)
    eager, graph = layer(x), compiled(x)
    assert eager.shape == (2, *symbolic.shape[1:])
    assert keras.backend.standardize_dtype(eager.dtype) == symbolic.dtype
    np.testing.assert_allclose(eager, graph, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_outputs_have_the_promised_dtype_and_weights_are_float32(case, policy):
    layer, shape = wrapped(case, dtype=policy)
    want = CASES[case][2] if policy == "mixed_bfloat16" else "float32"
    out = layer(batch_of(case, shape))
    assert out.dtype.name == want
    assert np.isfinite(np.asarray(tf.cast(out, tf.float32))).all()
    assert {w.dtype for w in layer.trainable_weights} <= {"float32"}
    assert layer(keras.Input(shape)).dtype == want


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_a_training_step_changes_every_weight(case, policy):
    layer, shape = wrapped(case, dtype=policy)
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Dense(shape[-1], name="before"),
            layer,
            keras.layers.Flatten(dtype="float32"),
            keras.layers.Dense(1, name="after", dtype="float32"),
        ]
        if case != "BernoulliHead"
        else [keras.Input(shape), keras.layers.Dense(shape[-1]), layer]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    x, y = batch_of(case, shape, 8), np.arange(8.0)
    if first_of(case) is not None:  # no episode begins, whatever the dense layer reads
        kernel = model.get_layer("before").kernel.numpy()
        kernel[:, first_of(case)] = 0
        model.get_layer("before").kernel.assign(kernel)
    before = [w.numpy() for w in model.trainable_weights]
    model.train_on_batch(x, y)
    unread = ("prior_",)  # the prior is no part of the recurrent step
    for old, weight in zip(before, model.trainable_weights, strict=True):
        if not any(name in weight.path for name in unread):
            assert np.any(old != weight.numpy()), weight.path


@pytest.mark.parametrize("case", FEED_FORWARD)
def test_any_leading_dimensions_are_allowed(case):
    layer, shape = wrapped(case)
    unbatched = ("TransposedConv2D", "OneHotStraightThrough", "GumbelSoftmax")
    if case.startswith((*unbatched, "ResidualBlock")):
        layer.build((None, *shape))
        assert layer(batch_of(case, shape)).shape[0] == 2
        return
    x = batch_of(case, shape, 6)
    flat = layer(x)
    for leading in ((6,), (2, 3), (3, 1, 2)):
        got = layer(x.reshape(*leading, *shape))
        assert got.shape == (*leading, *flat.shape[1:])
        np.testing.assert_allclose(np.reshape(got, flat.shape), flat, rtol=1e-5)

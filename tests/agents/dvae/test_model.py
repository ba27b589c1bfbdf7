"""The discrete VAE: its relaxed bottleneck, KL and schedules against equations."""

import math

import numpy as np
import pytest
import tensorflow as tf

from agents.config import overlay, resolve
from agents.dvae.config import PRESETS, DVAEConfig
from agents.dvae.model import DVAE
from agents.schedule import parse
from agents.vqvae.config import PRESETS as VQVAE_PRESETS
from agents.vqvae.config import CodesConfig
from tests.agents.kernels import without_gpu_kernel
from tests.agents.vqvae.test_model import IMAGES, RNG, SMALL, same


def make(seed=3, **more):
    schedules = {"temperature": "cosine(1, 0.0625, 4)", "kl_weight": "warmup(4, 1)"}
    config = resolve(DVAEConfig, SMALL | schedules | more)
    return DVAE(config, IMAGES.mean(0), seed)


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def outputs():
    return RNG.normal(scale=2, size=(5, 2, 4, 3)).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_the_kl_is_that_from_a_uniform_prior(model, outputs):
    coded = model.code(0, outputs, tf.constant([1, 2]), tf.constant([0.5, 6.6]))
    q = softmax(outputs.astype(np.float64))
    kl = (q * np.log(3 * q)).sum((1, 2, 3)).mean()
    assert float(coded.measure) == pytest.approx(kl, rel=1e-5)
    assert float(coded.loss) == pytest.approx(6.6 * kl / 128, rel=1e-5)


def test_codes_are_relaxed_by_the_temperature_and_hard_in_the_limit(model, outputs):
    table = model.codebooks[0].embeddings.numpy()
    seed = tf.constant([1, 2])
    hard = model.code(0, outputs, seed, tf.constant([1e-4, 1.0])).vectors.numpy()
    soft = model.code(0, outputs, seed, tf.constant([5.0, 1.0])).vectors.numpy()
    apart = np.abs(hard[..., None, :] - table).sum(-1).min(-1)
    np.testing.assert_allclose(apart, 0, atol=1e-5)
    between = np.abs(soft[..., None, :] - table).sum(-1).min(-1)
    assert between.min() > 1e-3
    # Noise decides, so that other codes than the likeliest are sampled too, with their probabilities.
    drawn = [
        model.code(0, outputs[:1], tf.constant([7, i]), tf.constant([1e-4, 1.0]))
        for i in range(300)
    ]
    first = np.stack([each.vectors[0, 0, 0] for each in drawn])
    chosen = np.abs(first[:, None] - table).sum(-1).argmin(1)
    p = softmax(outputs[0, 0, 0].astype(np.float64))
    shares = np.bincount(chosen, minlength=3) / 300
    assert (np.abs(shares - p) < 4.5 * np.sqrt(p * (1 - p) / 300) + 1e-3).all()


def test_evaluation_and_the_prior_take_the_likeliest_codes(model, outputs):
    codes = model.choose(0, outputs).numpy()
    np.testing.assert_array_equal(codes, outputs.argmax(-1))
    table = model.codebooks[0].embeddings.numpy()
    np.testing.assert_array_equal(model.embed(0, codes), table[codes])


def test_temperature_and_weight_follow_their_schedules_in_one_graph(model):
    batches = np.stack([RNG.permutation(IMAGES)[:6] for _ in range(6)])
    went_on = make()
    heats = [went_on.updates_on(batches[:2]), went_on.updates_on(batches[2:])]
    assert heats[0]["temperature"] == pytest.approx(
        0.0625 + 0.9375 * (1 + math.cos(math.pi / 4)) / 2
    )
    assert heats[0]["kl_weight"] == pytest.approx(0.25)
    assert heats[1]["kl_weight"] == pytest.approx(0.75)  # the last of the first stage
    assert {"kl", "pixel_bits", "prior_bits", "perplexity"} <= heats[1].keys()
    assert went_on._train.experimental_get_tracing_count() == 1
    assert without_gpu_kernel(went_on._train.get_concrete_function().graph) == set()
    model.updates_on(batches)
    same(went_on, model)


def test_both_shapes_of_the_cosine_go_from_one_to_a_sixteenth():
    half, quarter = (parse(f"{name}(1, 0.0625, 150000)") for name in ("cosine", "cosine_quarter"))  # fmt: skip
    assert half(75_000) == pytest.approx((1 + 1 / 16) / 2)
    assert quarter(75_000) == pytest.approx(1 - 15 / 16 * (1 - math.sqrt(0.5)))
    for shape in (half, quarter):
        assert shape(0) == 1 and shape(150_000) == shape(10**7) == pytest.approx(1 / 16)


def test_presets_have_the_budget_of_the_vq_vae_and_the_papers_sizes():
    names = set(CodesConfig.__dataclass_fields__) | {"updates"}
    for name in ("mnist", "atari", "debug"):
        ours, theirs = overlay(PRESETS, name), overlay(VQVAE_PRESETS, name)
        assert {k: ours[k] for k in names & ours.keys()} == {
            k: theirs[k] for k in names & theirs.keys()
        }
    paper = PRESETS["paper"]
    assert paper["size"] // paper["downsample"] == 32 and paper["codes"] == 8192
    config = DVAEConfig()
    assert parse(config.temperature)(150_000) == pytest.approx(1 / 16)
    assert parse(config.kl_weight)(5000) == pytest.approx(6.6)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": "0"}, "temperature='0' came, which reaches 0"),
        ({"temperature": "cosine(1, 0, 9)"}, "temperature=.* which reaches 0"),
        ({"temperature": "linear(1, 0, 9)"}, "temperature=.* which reaches 0"),
        ({"codes": 1}, "codes=1 came"),
    ],
)  # fmt: skip
def test_temperature_zero_and_one_code_are_refused_in_one_sentence(values, said):
    with pytest.raises(ValueError, match=said):
        resolve(DVAEConfig, SMALL | values)

"""The VQ-VAE against enumeration and its equations: loss, bound, stages, resumption, graphs."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from agents.config import names, resolve
from agents.dvae.config import PRESETS as DVAE_PRESETS
from agents.dvae.config import DVAEConfig
from agents.schedule import parse
from agents.vqvae.config import PRESETS, ImagesFitConfig, VQVAEConfig
from agents.vqvae.model import VQVAE
from tests.agents.kernels import nodes, without_gpu_kernel

RNG = np.random.default_rng(0)
SMALL = {
    "codes": 3,
    "code_size": 2,
    "channels": 4,
    "residual_channels": 2,
    "blocks": 1,
    "batch_size": 6,
    "code_updates": 4,
    "learning_rate": "3e-3",
    "prior_learning_rate": "3e-3",
    "prior_width": 4,
    "prior_layers": 1,
    "prior_heads": 2,
}
IMAGES = RNG.integers(256, size=(12, 8, 16, 1), dtype=np.uint8)


def make(seed=3, values=256, images=IMAGES, **more):
    config = resolve(VQVAEConfig, SMALL | more)
    return VQVAE(config, images.mean(0), seed, values)


def same(one, other):
    for name, variable in one.variables().items():
        np.testing.assert_array_equal(variable, other.variables()[name], name)


@pytest.fixture(scope="module")
def model():
    """Two grids, of 1 x 2 and 2 x 4 codes, after all four updates of the first stage and one of the second."""
    made = make(levels=2, prior_batch_size=2)
    made.untrained = {k: v.numpy() for k, v in made.variables().items()}
    made.updates_on(np.stack([RNG.permutation(IMAGES)[:6] for _ in range(4)]))
    made.first_stage = {k: v.numpy() for k, v in made.variables().items()}
    made.updates_on(IMAGES[None, :6])
    return made


def changed(before, after):
    """The parts whose variables differ."""
    return {k.split("/")[0] for k, v in before.items() if (after[k] != v).any()}


def test_the_first_stage_trains_nets_and_codebooks_and_the_second_the_prior(model):
    first = changed(model.untrained, model.first_stage)
    assert first == {"nets", "adam", "codebook0", "codebook1"}
    for level in range(2):
        name = f"codebook{level}/codebook"
        assert (model.untrained[name] != model.first_stage[name]).all()
    now = {k: v.numpy() for k, v in model.variables().items()}
    assert changed(model.first_stage, now) == {"prior", "prior_adam"}


def test_both_stages_learn_with_the_default_codebook():
    blocks = RNG.choice([30, 220], size=(6, 2, 4, 1)).astype(np.uint8)
    images = blocks.repeat(4, 1).repeat(4, 2)  # a code each
    sizes = {"channels": 16, "residual_channels": 8, "code_updates": 80}
    rates = {"learning_rate": "1e-2", "prior_learning_rate": "1e-2"}
    model = make(images=images, **sizes, **rates)
    steps = np.stack([images] * 40)
    first = [model.updates_on(steps)["loss"] for _ in range(2)]
    second = [model.updates_on(steps)["prior_bits"] for _ in range(2)]
    assert first[1] < 0.9 * first[0]
    assert second[1] < 0.9 * second[0]


def test_the_prior_learns_from_as_many_images_as_it_is_told(model):
    codes = model._reconstruct(IMAGES[:2])[2]
    wanted = np.mean(model.prior.surprise(codes))
    found = model._prior_update(tf.constant(IMAGES[:6]), tf.constant(0.0))
    assert float(found[0]) == pytest.approx(wanted, rel=1e-5)


def test_the_loss_is_that_of_the_equations(model):
    pixels = IMAGES[:6].astype(np.float64)
    loss, bits, distance, _, _ = model._update(
        tf.constant(IMAGES[:6]), tf.constant([0, 0]), tf.constant(0.0), tf.zeros([0])
    ).numpy()
    nats, error, codes = model._reconstruct(IMAGES[:6])
    assert bits == pytest.approx(np.mean(nats) / math.log(2), rel=1e-5)
    assert loss == pytest.approx(np.mean(nats) / 128 + 0.25 * 2 * distance, rel=1e-5)
    again = model.decode(codes)
    np.testing.assert_allclose(
        error, np.square(pixels / 255 - again).sum((1, 2, 3)), rtol=1e-4
    )


def test_gradients_are_clipped_by_their_norm():
    free, still = make(), make(clip=1e-12)  # Adam's epsilon is far above it
    before = [weight.numpy() for weight in still._weights]
    norms = [each.updates_on(IMAGES[None, :6])["grad_norm"] for each in (free, still)]
    assert norms[0] == norms[1] > 1e-3
    for weight, old in zip(still._weights, before, strict=True):
        np.testing.assert_allclose(weight, old, atol=1e-6)
    assert any(
        (w.numpy() != old).any() for w, old in zip(free._weights, before, strict=True)
    )


def test_what_is_reported_is_the_bound_of_the_chosen_codes_and_above_the_likelihood():
    pictures = IMAGES[:3, :4, :8] % 2
    model = make(values=2, images=pictures)
    model.updates_on(np.stack([pictures] * 8))
    every = np.array(list(itertools.product(range(3), repeat=2)), np.int32)
    log_prior = -model.prior.surprise(every).numpy().astype(np.float64).sum(1)
    mean = model.decode(tf.constant(every)).astype(np.float64)
    ones = np.log(mean)[:, None] * pictures + np.log(1 - mean)[:, None] * (1 - pictures)
    joint = log_prior[:, None] + ones.sum((2, 3, 4))
    exact = -np.log(np.exp(joint).sum(0)).mean()
    found = model.evaluate(pictures)
    chosen = model._reconstruct(pictures)[2].numpy() @ (3, 1)
    assert found["nll"] == pytest.approx(-joint[chosen, range(3)].mean(), rel=1e-5)
    assert found["nll"] >= exact
    bits = found["pixel_bits"] + found["code_bits"]
    assert found["bits_per_dim"] == pytest.approx(bits / 32)
    assert found["nll"] == pytest.approx(bits * math.log(2))
    model.updates = 4  # before its second stage: codes count as uniform
    assert model.evaluate(pictures)["code_bits"] == pytest.approx(2 * math.log2(3))


def test_use_of_the_codebook_is_counted_over_all_images(model):
    found = model.evaluate(np.concatenate([IMAGES] * 9))  # more than one chunk
    codes = [each.ravel() for each in model.split(model._reconstruct(IMAGES)[2])]
    for counts, level in zip(model.counts, codes, strict=True):
        np.testing.assert_array_equal(counts, 9 * np.bincount(level, minlength=3))
    used = np.mean([len(set(level)) / 3 for level in codes])
    assert found["used"] == pytest.approx(used)


def test_saved_state_goes_on_bit_for_bit_whatever_is_done_at_once():
    batches = np.stack([RNG.permutation(IMAGES)[:6] for _ in range(7)])
    went_on, resumed = make(), make(seed=9)
    went_on.updates_on(batches[:3])
    resumed.set_state(went_on.get_state())
    resumed.seed = went_on.seed
    went_on.updates_on(batches[3:])  # through both stages
    for batch in batches[3:]:
        resumed.update(batch)
    assert resumed.updates == went_on.updates == 7
    same(went_on, resumed)
    assert went_on.evaluate(IMAGES) == resumed.evaluate(IMAGES)
    np.testing.assert_array_equal(went_on.sample(2), resumed.sample(2))


def test_graphs_are_traced_once_and_fit_gpus(model):
    model.pictures(IMAGES[:4])
    model.pictures(IMAGES[:5])
    for function in (model._train, model._train_prior, model._draw, model._reconstruct):
        assert function.experimental_get_tracing_count() == 1
        graph = function.get_concrete_function().graph
        assert not any("PyFunc" in node.op for node in nodes(graph))
        assert without_gpu_kernel(graph) == set()


def test_pictures_have_a_row_per_level(model):
    pages = model.pictures(IMAGES[:4])
    assert pages.keys() == {"reconstructions", "samples", "codebook"}
    assert pages["reconstructions"].shape == (4 * 8 + 3 * 2, 4 * 16 + 3 * 2, 3)
    assert pages["samples"].shape == (2 * 8 + 2, 4 * 16 + 3 * 2, 3)


@pytest.mark.slow
def test_a_codebook_trained_by_gradients_learns_and_is_a_weight():
    model = make(decay=0.0, code_updates=60, restart=0.0)
    losses = [model.updates_on(np.stack([IMAGES[:6]] * 20))["loss"] for _ in range(3)]
    assert losses[2] < losses[0]
    names = [variable.name for variable in model._weights]
    assert names.count("codebook") == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"codes": 1}, "codes=1 came, but a number of at least 2"),
        ({"prior_heads": 3}, "prior_width=4 came, but a multiple of prior_heads=3"),
        ({"decay": 1.0}, "decay=1.0 came, but a number below 1"),
        ({"learning_rate": "fast"}, "learning_rate='fast' came: Cannot read the schedule"),
        ({"prior_learning_rate": "linear(1, -1, 9)"}, "prior_learning_rate=.* reaches -1, but numbers of at least 0"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused_in_one_sentence(values, said):
    with pytest.raises(ValueError, match=said):
        resolve(VQVAEConfig, SMALL | values)


def test_images_of_the_wrong_size_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="images of 8 x 10 pixels came, but multiples of 4"):  # fmt: skip
        make(images=IMAGES[:, :, :10])
    with pytest.raises(ValueError, match="multiples of 8 are expected for downsample=4 and levels=2"):  # fmt: skip
        make(images=IMAGES[:, :4], levels=2)


def test_presets_of_the_paper_have_its_grids():
    sizes = {name: PRESETS[name] for name in ("paper", "paper2")}
    base = VQVAEConfig()
    for name, grids in (("paper", [32]), ("paper2", [32, 64])):
        side = sizes[name]["size"] // base.downsample
        levels = sizes[name].get("levels", 1)
        assert ([side // 2] if levels == 2 else []) + [side] == grids


EVERY = [(VQVAEConfig, PRESETS[k], k) for k in PRESETS]
EVERY += [(DVAEConfig, DVAE_PRESETS[k], k) for k in DVAE_PRESETS]


@pytest.mark.parametrize("cls, values, name", EVERY)
def test_every_preset_fits_its_images_and_its_stages(cls, values, name):
    run = names(ImagesFitConfig)
    fit = resolve(ImagesFitConfig, {k: v for k, v in values.items() if k in run})
    config = resolve(cls, {k: v for k, v in values.items() if k not in run})
    side = 28 if fit.data == "mnist" else fit.size
    config.check_size((side, side))
    second = fit.updates - config.code_updates
    assert config.code_updates > 0 and second > 0
    if name.startswith("paper"):
        return
    for text, stage in (
        (config.learning_rate, config.code_updates),
        (config.prior_learning_rate, second),
    ):
        curve = parse(text)
        assert curve.name == "constant" or curve.args[-1] == stage

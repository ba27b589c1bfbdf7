"""Presets and ablations against the published tables."""

import dataclasses

import pytest

from agents import config as config_lib
from agents import registry, training
from agents.dreamerv2.config import ABLATIONS, PRESETS, DreamerV2Config, ablate

# The authors' configuration for Atari, field by field.
ATARI = {
    "precision": "float32",
    "replay_capacity": 2_000_000,
    "replay_sampling": "episodes",
    "prioritize_ends": True,
    "batch_size": 16,
    "batch_length": 50,
    "prefill": 50_000,
    "pretrain": 1,
    "train_every": 16,
    "deter": 600,
    "hidden": 600,
    "stoch": 32,
    "classes": 32,
    "gru_norm": True,
    "norm": "none",
    "cnn_depth": 48,
    "mlp_layers": 4,
    "mlp_units": 400,
    "image_gradients": True,
    "reward_gradients": True,
    "predict_discount": True,
    "reward_transform": "tanh",
    "reward_factor": 1.0,
    "kl_scale": 0.1,
    "kl_balance": 0.8,
    "kl_free": 0.0,
    "reward_scale": 1.0,
    "discount_scale": 5.0,
    "model_lr": 2e-4,
    "discount": 0.999,
    "return_lambda": 0.95,
    "horizon": 15,
    "actor_grad": "auto",
    "actor_grad_mix": "0.1",
    "entropy_scale": "1e-3",
    "actor_lr": 4e-5,
    "critic_lr": 1e-4,
    "slow_target_every": 100,
    "slow_target_fraction": 1.0,
    "adam_epsilon": 1e-5,
    "clip": 100.0,
    "weight_decay": 1e-6,
}
CONTROL = {
    "deter": 200,
    "hidden": 200,
    "prioritize_ends": False,
    "prefill": 1_000,
    "pretrain": 100,
    "train_every": 5,
    "predict_discount": False,
    "reward_transform": "identity",
    "kl_scale": 1.0,
    "kl_free": 1.0,
    "discount": 0.99,
    "model_lr": 3e-4,
    "actor_lr": 8e-5,
    "critic_lr": 8e-5,
    "entropy_scale": "1e-4",
}
# What each published column changes; what no loss reads without a discount head is left out.
PUBLISHED = {
    "atari": {},
    "paper": {"batch_size": 50, "train_every": 4, "discount": 0.995},
    "schedules": {
        "actor_grad": "both",
        "actor_grad_mix": "linear(0.1,0,2.5e6)",
        "entropy_scale": "linear(3e-3,3e-4,2.5e6)",
    },
    "atari_small": {
        "deter": 200,
        "hidden": 200,
        "stoch": 16,
        "classes": 16,
        "cnn_depth": 16,
        "prefill": 2_500,
    },
    "dmc_vision": CONTROL,
    "dmc_state": CONTROL,
    "crafter": {
        "deter": 1024,
        "hidden": 1024,
        "norm": "layer",
        "prefill": 10_000,
        "train_every": 5,
        "kl_scale": 1.0,
        "discount_scale": 1.0,
        "model_lr": 1e-4,
        "actor_lr": 1e-4,
        "critic_lr": 1e-4,
        "entropy_scale": "3e-3",
    },
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_presets_have_the_published_values(preset):
    config = dataclasses.asdict(registry.resolve("dreamerv2", preset, {}))
    assert not config.pop("jit_compile")
    assert config == ATARI | PUBLISHED[preset]


def test_the_run_of_atari_is_200_million_frames_with_all_actions_only_in_the_paper():
    for preset, full in (("atari", False), ("paper", True), ("schedules", False)):
        run = training.settings("dreamerv2", preset).run
        assert (run.env_steps, run.eval_every) == (50_000_000, 250_000)
        assert run.full_action_space == full
    assert training.settings("dreamerv2", "dmc_vision").run.action_repeat == 2


def test_every_preset_names_known_fields_only():
    known = config_lib.names(DreamerV2Config, training.RunConfig)
    for preset, values in PRESETS.items():
        assert set(values) <= known, preset
        training.settings("dreamerv2", preset)


def test_the_default_config_is_the_atari_preset():
    assert DreamerV2Config() == registry.resolve("dreamerv2", "atari", {})


ROWS = {
    "no_layer_norm": {"gru_norm": (True, False)},
    "no_reward_gradients": {"reward_gradients": (True, False)},
    "no_discrete_latents": {"classes": (32, 0)},
    "no_kl_balancing": {"kl_balance": (0.8, 0.5)},
    "no_policy_reinforce": {"actor_grad": ("auto", "dynamics")},
    "no_image_gradients": {"image_gradients": (True, False)},
}


@pytest.mark.parametrize("name", ROWS)
def test_each_ablation_changes_exactly_what_it_names(name):
    before = dataclasses.asdict(registry.resolve("dreamerv2", "atari", {}))
    after = dataclasses.asdict(registry.resolve("dreamerv2", "atari", {}, [name]))
    changed = {
        key: (value, after[key]) for key, value in before.items() if value != after[key]
    }
    assert changed == ROWS[name]
    assert set(ABLATIONS) == set(ROWS)


def test_ablations_add_up_and_explicit_options_win():
    both = registry.resolve(
        "dreamerv2",
        "atari_small",
        {"kl_balance": 0.7},
        ["no_layer_norm", "no_kl_balancing"],
    )
    assert not both.gru_norm
    assert both.kl_balance == 0.7
    assert len(ablate(ROWS)) == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ablate(["no_layernorm"]), "Did you mean 'no_layer_norm'"),
        (
            lambda: registry.resolve("dreamerv2", "atari_smal", {}),
            "Did you mean 'atari_small'",
        ),
        (
            lambda: registry.resolve("dreamerv2", "", {"horizn": 3}),
            "Did you mean 'horizon'",
        ),
        (
            lambda: registry.resolve("dreamerv2", "", {"horizon": 2.5}),
            "type int is expected",
        ),
        (
            lambda: registry.resolve("dreamerv2", "", {"actor_grad": "rienforce"}),
            "'reinforce'",
        ),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_known(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_debug_preset_shrinks_whatever_lies_under_it():
    config = registry.resolve("dreamerv2", "crafter,debug", {})
    assert (config.deter, config.norm) == (16, "layer")

"""The whole loss against a twin in NumPy, and what of it is a constant."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from agents.merlin import rows as rows_lib
from tests.agents.merlin import common, twin
from tests.agents.windows import WINDOW

SCALES = {
    "image_scale": 7.0,
    "vector_scale": 3.0,
    "action_scale": 0.6,
    "reward_scale": 1.7,
    "return_scale": 0.3,
    "kl_scale": 0.2,
}
ENTROPY_SCALE = 0.05


@pytest.fixture(scope="module")
def merlin():
    seen = {"image": common.IMAGE, "vector": common.VECTOR}
    return common.shaken(common.make(observation=seen, **SCALES))


def unrolled(agent, window):
    """What T + 1 steps put out, in float64."""
    tensors = common.tensors(window)
    _, outputs = agent._unroll(rows_lib.to_rows(tensors, 3), tensors)
    return tf.nest.map_structure(lambda part: np.asarray(part, np.float64), outputs)


def predicted(agent, outputs):
    """V(z, log pi)."""
    log_pi = np.log(common.softmax(outputs.logits))
    inputs = np.concatenate([outputs.latent, log_pi], -1)
    return twin.mlp(agent.core.value_net, inputs)[..., 0]


def reconstruction(agent, window, latent, likelihood):
    """The errors of what is decoded from z, [T, B], by name."""
    decoder = agent.core.decoder
    trunk = twin.mlp(decoder.trunk, latent, twin.relu)
    image = window["observation/image"][:-1] / 255.0
    logits = twin.mlp(decoder.others["image"].mlp, trunk, twin.relu)
    p = twin.sigmoid(logits.reshape(image.shape))
    pixels = -image * np.log(p) - (1 - image) * np.log(1 - p)
    vector = twin.linear(decoder.others["vector"], trunk)
    q = common.softmax(twin.linear(decoder.action, trunk))
    was = np.eye(3)[window["action"][:-1]]
    each = -was * np.log(q)
    if likelihood == "bernoulli":
        each -= (1 - was) * np.log(1 - q)
    reward = twin.linear(decoder.reward, trunk)[..., 0]
    return {
        "image_error": pixels.mean((-3, -2, -1)),
        "vector_error": ((vector - window["observation/vector"][:-1]) ** 2).sum(-1) / 2,
        "action_error": each.sum(-1) * ~window["is_first"][:-1],
        "reward_error": (reward - window["reward"][:-1]) ** 2 / 2,
    }


def written_out(agent, window, likelihood):
    """Every entry of the loss's metrics, of what the steps put out."""
    config, outputs = agent.config, unrolled(agent, window)
    value = predicted(agent, outputs)
    target = twin.returns(window, value, config.discount)[:-1]
    gain = twin.returns(window, value, config.discount, config.gae_lambda) - value
    latent, prior, posterior, logits = (
        getattr(outputs, name)[:-1]
        for name in ("latent", "prior", "posterior", "logits")
    )
    value, gain = value[:-1], gain[:-1]
    taken = np.eye(3)[window["action"][1:]]
    inputs = np.concatenate([latent, taken], -1)
    advantage = twin.mlp(agent.core.advantage, inputs)[..., 0]
    both = (target - value) ** 2 + (target - value - advantage) ** 2
    p = common.softmax(logits)
    entropy = -(p * np.log(p)).sum(-1)
    policy = -gain * np.log((p * taken).sum(-1)) - ENTROPY_SCALE * entropy
    real = ~window["is_first"][1:]
    errors = reconstruction(agent, window, latent, likelihood)
    found = {
        name: SCALES[name.replace("error", "scale")] * error.mean()
        for name, error in errors.items()
    }
    return found | {
        "return_error": SCALES["return_scale"] * both[real].mean() / 2,
        "kl": SCALES["kl_scale"] * twin.kl(posterior, prior).mean(),
        "policy_loss": policy[real].mean(),
        "entropy": entropy[real].mean(),
        "entropy_scale": ENTROPY_SCALE,
        "value": value[real].mean(),
        "return_target": target[real].mean(),
    }


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical"])
def test_every_term_of_the_loss_is_the_papers_written_out(
    merlin, monkeypatch, likelihood
):
    config = dataclasses.replace(merlin.core.config, action_likelihood=likelihood)
    monkeypatch.setattr(merlin.core, "config", config)
    window = common.rows(merlin)
    loss, found = merlin._loss(common.tensors(window), tf.constant(ENTROPY_SCALE))
    want = written_out(merlin, window, likelihood)
    assert found.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    told = {"entropy", "entropy_scale", "value", "return_target"}
    whole = sum(value for name, value in want.items() if name not in told)
    np.testing.assert_allclose(loss, whole, rtol=1e-4)


def test_the_divergence_tells_its_direction_in_the_loss(merlin):
    """Else the twin above could not."""
    outputs = unrolled(merlin, common.rows(merlin))
    forth, back = (
        twin.kl(*pair).mean()
        for pair in (
            (outputs.posterior, outputs.prior),
            (outputs.prior, outputs.posterior),
        )
    )
    assert forth > 0.05 and abs(forth - back) > 0.05 * forth


def test_the_reward_has_the_published_error(merlin, monkeypatch):
    """1/2 (1 - 0.25)^2, before its weight."""
    window = common.rows(merlin)
    window["reward"][:] = 1
    whole = merlin.core.decoder

    def decoder(latent):
        return whole(latent)._replace(reward=tf.fill(latent.shape[:2], 0.25))

    monkeypatch.setattr(merlin.core, "decoder", decoder)
    _, found = merlin._loss(common.tensors(window), tf.constant(0.0))
    np.testing.assert_allclose(found["reward_error"], 1.7 * 0.28125, rtol=1e-6)


@pytest.fixture(scope="module")
def baseline():
    vector = {"vector": common.VECTOR}
    return common.shaken(common.make("rl_lstm", vector, return_scale=0.3))


@pytest.mark.parametrize("kind", ["merlin", "baseline"])
def test_the_return_is_a_constant_that_no_value_is_trained_through(
    kind, request, monkeypatch
):
    """V of the last row, and of a row after which a cut comes, enter through returns alone: no gradient."""
    agent = request.getfixturevalue(kind)
    window, shift, seen = common.rows(agent), tf.zeros([WINDOW, 3]), []
    value = agent.core.value

    def shifted(outputs):
        seen.append(value(outputs) + shift)
        return seen[-1]

    monkeypatch.setattr(agent.core, "value", shifted)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(shift)
        _, found = agent._loss(common.tensors(window), tf.constant(0.5))
    assert tape.gradient(found["policy_loss"], shift) is None
    got = np.asarray(tape.gradient(found["return_error"], shift))
    v, real = np.asarray(seen[0], np.float64), ~window["is_first"][1:]
    surplus = v - twin.returns(window, v, agent.config.discount)
    want = 0.3 * surplus[:-1] * real / real.sum()
    np.testing.assert_allclose(got[:-1], want, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(got[-1], np.zeros(3))
    np.testing.assert_array_equal(got[2, :2], np.zeros(2))

"""What reaches what: the stop-gradient table; shapes and bounds."""

import numpy as np
import pytest
import tensorflow as tf

from agents.merlin import rows as rows_lib
from tests.agents.merlin import common
from tests.agents.windows import WINDOW

PREDICTING = {
    "encoder",
    "prior",
    "posterior",
    "residual",
    "lstm",
    "memory",
    "decoder",
    "value",
    "advantage",
}
ACTING = {"policy_lstm", "policy_reader", "policy"}


def reached(agent, pick, seed=0):
    """The modules that the gradient of a term of the loss reaches; random weights where they begin as zeros."""
    rng = np.random.default_rng(seed)
    for variable in agent.core.residual.trainable_variables:
        variable.assign(0.1 * rng.normal(size=variable.shape))
    modules = agent.modules()
    variables = {
        name: [variable.value for variable in module.trainable_variables]
        for name, module in modules.items()
    }
    window = common.tensors(common.rows(agent))
    with tf.GradientTape() as tape:
        loss = pick(agent, window)
    gradients = tape.gradient(loss, variables)
    return {
        name
        for name, found in gradients.items()
        if any(each is not None and np.any(np.asarray(each)) for each in found)
    }


def term(name):
    def pick(agent, window):
        _, metrics = agent._loss(window, tf.constant(0.5))
        return metrics[name]

    return pick


@pytest.fixture(scope="module")
def merlin():
    return common.make()


def test_the_policy_and_its_entropy_reach_the_policy_alone(merlin):
    assert reached(merlin, term("policy_loss")) == ACTING
    assert reached(merlin, term("entropy")) == ACTING


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("kl", {"decoder", "value", "advantage"}),
        ("image_error", {"value", "advantage"}),
        ("board_error", {"value", "advantage"}),
        ("vector_error", {"value", "advantage"}),
        ("codes_error", {"value", "advantage"}),
        ("bits_error", {"value", "advantage"}),
        ("action_error", {"value", "advantage"}),
        ("reward_error", {"value", "advantage"}),
        ("return_error", {"decoder"}),
    ],
)
def test_the_bound_reaches_the_predictor_and_never_the_policy(merlin, name, without):
    assert reached(merlin, term(name)) == PREDICTING - without


def test_without_its_gradient_the_return_reaches_its_own_nets_alone():
    agent = common.make(return_gradient=False)
    assert reached(agent, term("return_error")) == {"value", "advantage"}


def test_the_error_of_the_advantage_does_not_reach_the_value(merlin):
    window = common.tensors(common.rows(merlin))
    rows = rows_lib.to_rows(window, 3)
    _, outputs = merlin._unroll(rows, window)
    with tf.GradientTape() as tape:
        value = merlin.core.value(outputs)
        far = value + tf.stop_gradient(1000 - value)  # no error of the value itself
        terms = merlin.core.losses(
            rows, outputs, far, tf.stop_gradient(far), tf.ones_like(value)
        )
    net = [each.value for each in merlin.core.value_net.trainable_variables]
    for gradient in tape.gradient(terms["return_error"], net):
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_where_the_value_is_cut_the_advantage_still_shapes_the_latent_state(merlin):
    def pick(agent, window):
        rows = rows_lib.to_rows(window, 3)
        _, outputs = agent._unroll(rows, window)
        value = tf.stop_gradient(agent.core.value(outputs))
        one = tf.ones_like(value)
        return agent.core.losses(rows, outputs, value, value + 1, one)["return_error"]

    assert reached(merlin, pick) == PREDICTING - {"decoder", "value"}


@pytest.mark.parametrize("stop", [False, True])
def test_what_was_written_learns_from_later_reads_unless_it_is_written_as_a_constant(
    stop,
):
    agent = common.make(stop_write=stop)
    core = agent.core
    state = core.initial_state(1)
    value = tf.constant([[0.3, -1.0, 0.5]])
    controller = tf.constant([[0.1, 0.2, 0.3, 0.4]])
    with tf.GradientTape() as tape:
        tape.watch(value)
        memory, _, _ = core.memory.step(state.memory, controller, value)
        _, read, _ = core.memory.step(memory, controller, tf.zeros_like(value))
        total = tf.reduce_sum(read)
    assert (tape.gradient(total, value) is None) == stop


def test_the_posterior_begins_as_the_prior(merlin):
    fresh = common.make(seed=3)
    window = common.tensors(common.rows(fresh))
    _, outputs = fresh._unroll(rows_lib.to_rows(window, 3), window)
    np.testing.assert_array_equal(outputs.prior, outputs.posterior)
    _, metrics = fresh._loss(window, tf.constant(0.0))
    assert float(metrics["kl"]) == 0
    assert float(np.abs(outputs.prior).max()) > 0


@pytest.mark.parametrize(("depth", "linear"), [(0, True), (2, False)])
def test_without_layers_the_decoder_is_linear_in_the_latent(depth, linear):
    agent = common.make(decoder_layers=depth)
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 5, 3)).astype("float32")
    decoded = [
        agent.core.decoder(tf.constant(z)) for z in (one, two, one + two, 0 * one)
    ]
    for pick in (
        lambda x: x.observation["vector"],
        lambda x: x.observation["codes"],
        lambda x: x.observation["bits"],
        lambda x: x.action,
        lambda x: x.reward,
    ):
        left, right, both, zero = (np.asarray(pick(each)) for each in decoded)
        assert np.allclose(left + right, both + zero, atol=1e-5) == linear


def test_log_standard_deviations_stay_between_minus_5_and_3_and_means_are_free():
    agent = common.make()
    core, far = agent.core, np.array([50.0, -50.0, 0.0] * 2)
    core.prior.dense[-1].bias.assign(far)
    window = common.tensors(common.rows(agent))
    rows = rows_lib.to_rows(window, 3)
    _, outputs = agent._unroll(rows, window)
    assert np.all(np.abs(outputs.prior[..., :2]) > 40)
    np.testing.assert_array_equal(outputs.prior[..., 3], 3 * np.ones([WINDOW, 3]))
    np.testing.assert_array_equal(outputs.prior[..., 4], -5 * np.ones([WINDOW, 3]))
    core.residual.bias.assign(-2 * far)
    _, outputs = agent._unroll(rows, window)
    assert np.all(np.abs(outputs.posterior[..., :2]) > 40)
    np.testing.assert_array_equal(outputs.posterior[..., 3], -5 * np.ones([WINDOW, 3]))
    np.testing.assert_array_equal(outputs.posterior[..., 4], 3 * np.ones([WINDOW, 3]))
    assert np.isfinite(float(term("kl")(agent, window)))


def test_shapes_are_those_of_the_paper():
    agent = common.make(latent=7, read_heads=2, lstm_layers=2, lstm_units=5, slots=9)
    core, batch = agent.core, 4
    state = core.initial_state(batch)
    assert state.memory.rows.shape == (batch, 9, 14)  # (B, N, 2Z)
    assert state.read.shape == (batch, 2 * 14)  # (B, 2ZK)
    assert state.policy_read.shape == (batch, 14)
    assert core.memory.reader.interface.units == 2 * 15  # K (2Z + 1)
    assert core.prior.dense[-1].units == core.residual.units == 14
    assert [each.units for each in core.prior.dense[:-1]] == [14, 14]
    context = 2 * 5 + 2 * 14
    assert core.prior.dense[0].kernel.shape[0] == context
    encoded = agent.core.encoder(
        {
            key: tf.zeros([1, *box.shape])
            for key, box in agent.spaces.observation.items()
        },
        tf.zeros([1, 3]),
        tf.zeros([1]),
    ).shape[-1]
    assert core.posterior.dense[0].kernel.shape[0] == encoded + context + 14
    rows = common.rows(agent, batch)
    window = common.tensors(rows)
    _, outputs = agent._unroll(rows_lib.to_rows(window, 3), window)
    assert outputs.weights.shape == (WINDOW, batch, 2, 9)
    assert outputs.policy_weights.shape == (WINDOW, batch, 1, 9)


def test_without_memory_nothing_that_was_written_is_read():
    agent = common.make(use_memory=False)
    window = common.rows(agent)
    other = dict(window)
    other["start/memory_rows"] = window["start/memory_rows"] + 3
    found = [
        np.asarray(agent._unroll(rows_lib.to_rows(each, 3), each)[1].logits)
        for each in (common.tensors(window), common.tensors(other))
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", ["rl_mem", "rl_lstm"])
def test_a_baseline_learns_end_to_end_from_policy_and_value(kind):
    agent = common.make(kind)
    window = common.tensors(common.rows(agent))
    modules = agent.modules()
    variables = {
        n: [v.value for v in m.trainable_variables] for n, m in modules.items()
    }
    with tf.GradientTape(persistent=True) as tape:
        _, metrics = agent._loss(window, tf.constant(0.0))
    shared = {"encoder", "lstm"} | (
        {"memory", "written"} if kind == "rl_mem" else set()
    )
    for name, own in (("policy_loss", "policy"), ("return_error", "value")):
        found = tape.gradient(metrics[name], variables)
        got = {
            key
            for key, parts in found.items()
            if any(each is not None and np.any(np.asarray(each)) for each in parts)
        }
        assert got == shared | {own}, name

"""Steps of MERLIN and of its baselines against the paper's equations in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from agents.merlin import rows as rows_lib
from agents.named import flatten, unflatten
from tests.agents.merlin import common, twin
from tests.agents.merlin.twin import flat
from tests.agents.windows import WINDOW

CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def beside(*parts):
    return np.concatenate(parts, -1)


def kept(part, first):
    """Zeros where an episode begins."""
    return part * ~first.reshape(-1, *[1] * (part.ndim - 1))


@pytest.mark.parametrize(
    ("settings", "decay"),
    [({}, 0.96), ({"lstm_layers": 2, "retroactive_discount": 0.7}, 0.7)],
)
def test_a_step_is_the_paper_written_out(settings, decay):
    agent = common.shaken(common.make(seed=1, **settings))
    core, batch = agent.core, 3
    rng = np.random.default_rng(0)
    fields = common.start(agent, batch)
    tensors = {key: tf.constant(value) for key, value in fields.items()}
    state = unflatten(core.initial_state(1), tensors)
    first = np.array([False, True, False])
    context = core.prior.dense[0].kernel.shape[0]
    width = core.posterior.dense[0].kernel.shape[0] - context - 6
    embed = rng.normal(size=(batch, width)).astype("f")
    noise = rng.normal(size=(batch, 3)).astype("f")
    action = np.eye(3, dtype="f")[[2, 0, 1]]
    after, output, _ = core.step(
        state,
        tf.constant(embed),
        tf.constant(first),
        tf.constant(noise),
        lambda _: action,
    )

    was = {key: kept(np.float64(value), first) for key, value in fields.items()}
    h, c, m, memory = (
        was[key] for key in ("lstm_hidden", "lstm_cell", "read", "memory_rows")
    )
    prior = twin.mlp(core.prior, beside(flat(h), m))
    hidden = twin.mlp(core.posterior, beside(embed, flat(h), m, prior))
    posterior = prior + twin.linear(core.residual, hidden)
    z = posterior[:, :3] + np.exp(posterior[:, 3:]) * noise
    ph, pc = twin.lstm(
        core.policy_lstm,
        beside(z, was["policy_read"]),
        was["policy_lstm_hidden"],
        was["policy_lstm_cell"],
    )
    pm = twin.read(core.policy_reader, flat(ph), memory)
    logits = twin.mlp(core.policy, beside(z, flat(ph), pm))
    h, c = twin.lstm(core.lstm, beside(z, action, m), h, c)
    m = twin.read(core.memory.reader, flat(h), memory)
    for b in range(batch):
        # Four steps came before, or none: the rows written then get shares of z_t, the latest the largest.
        slot = 0 if first[b] else 4
        memory[b, slot, :3] = z[b]
        for row in range(slot):
            memory[b, row, 3:] += (1 - decay) * decay ** (slot - 1 - row) * z[b]
    for got, want in (
        (output.prior, prior),
        (output.posterior, posterior),
        (output.latent, z),
        (output.logits, logits),
        (after.read, m),
        (after.policy_read, pm),
        (after.lstm.hidden, h),
        (after.lstm.cell, c),
        (after.policy_lstm.hidden, ph),
        (after.policy_lstm.cell, pc),
        (after.memory.rows, memory),
    ):
        np.testing.assert_allclose(got, want, **CLOSE)


@pytest.mark.parametrize("heads", [1, 2])
def test_steps_of_rl_mem_are_the_papers_written_out(heads):
    agent = common.make("rl_mem", seed=1, slots=12, lstm_layers=2, read_heads=heads)
    core, window = common.shaken(agent).core, common.rows(agent)
    embed, was, last, outputs = unrolled(agent, window)
    h, c, m, memory = (
        was[key] for key in ("lstm_hidden", "lstm_cell", "read", "memory_rows")
    )
    written = np.full(3, 4)
    for t in range(WINDOW):
        first = window["is_first"][t]
        h, c, m, memory, written = (
            kept(part, first) for part in (h, c, m, memory, written)
        )
        h, c = twin.lstm(core.lstm, beside(embed[t], m), h, c)
        m = twin.read(core.memory.reader, flat(h), memory)
        memory[np.arange(3), written] = twin.linear(core.written, flat(h))
        written = written + 1
        n = beside(embed[t], flat(h), m)
        logits, value = twin.mlp(core.policy, n), twin.mlp(core.value_net, n)
        np.testing.assert_allclose(outputs.logits[t], logits, **CLOSE)
        np.testing.assert_allclose(outputs.value[t], value[:, 0], **CLOSE)
    want = {"lstm_hidden": h, "lstm_cell": c, "read": m, "memory_rows": memory}
    for key, value in want.items():
        np.testing.assert_allclose(flatten(last)[key], value, err_msg=key, **CLOSE)


def test_steps_of_rl_lstm_are_the_papers_written_out():
    agent = common.make("rl_lstm", seed=1, lstm_layers=2)
    core, window = common.shaken(agent).core, common.rows(agent)
    embed, was, last, outputs = unrolled(agent, window)
    h, c = was["lstm_hidden"], was["lstm_cell"]
    for t in range(WINDOW):
        h, c = (kept(part, window["is_first"][t]) for part in (h, c))
        h, c = twin.lstm(core.lstm, embed[t], h, c)
        n = beside(embed[t], flat(h))
        logits, value = twin.mlp(core.policy, n), twin.mlp(core.value_net, n)
        np.testing.assert_allclose(outputs.logits[t], logits, **CLOSE)
        np.testing.assert_allclose(outputs.value[t], value[:, 0], **CLOSE)
    np.testing.assert_allclose(last.lstm.hidden, h, **CLOSE)
    np.testing.assert_allclose(last.lstm.cell, c, **CLOSE)


def unrolled(agent, window):
    """What is encoded, the state before and after a window, and what its steps put out."""
    tensors = common.tensors(window)
    rows = rows_lib.to_rows(tensors, 3)
    last, outputs = agent._unroll(rows, tensors)
    embed = agent.core.encoder(rows.observation, rows.last_action, rows.reward)
    was = {
        key.removeprefix("start/"): np.float64(value)
        for key, value in window.items()
        if key.startswith("start/")
    }
    return np.asarray(embed, np.float64), was, last, outputs

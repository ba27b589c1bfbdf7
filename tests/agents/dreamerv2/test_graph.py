"""The compiled graphs: traced once, without Python inside, and every op has a kernel for GPUs."""

import functools

import pytest
import tensorflow as tf
from gymnasium.spaces import Box

from tests.agents.dreamerv2 import common
from tests.agents.kernels import nodes, without_gpu_kernel

ROLES = ("update", "report", "sample", "greedy")


@functools.cache
def agent(kind):
    """Between them the two have every kind of observation, action, latent, gradient and precision."""
    if kind == "discrete":
        observation = {"image": common.ATARI, "vector": common.VECTOR}
        return common.make(observation, norm="layer")
    return common.make(
        {"image": common.ATARI, "board": Box(0, 1, (5, 5, 4), bool)},
        common.TWO_AXES,
        classes=0,
        actor_grad="both",
        precision="bfloat16",
    )


def function(subject, role):
    if role in ("update", "report"):
        return getattr(subject, f"_{role}")
    return subject._policies[role]


@pytest.mark.parametrize("kind", ["discrete", "box"])
@pytest.mark.parametrize("role", ROLES)
def test_every_op_has_a_kernel_for_gpus_and_none_is_python(kind, role):
    graph = function(agent(kind), role).get_concrete_function().graph
    ops = {node.op for node in nodes(graph)}
    if role == "update":  # the bodies of loops and branches were really walked
        assert {"If", "TensorListPushBack", "TensorListPopBack"} <= ops
    assert not any("PyFunc" in op for op in ops)
    assert without_gpu_kernel(graph) == set()


@pytest.mark.parametrize(
    ("body", "op"),
    [
        (lambda x: tf.strings.length(tf.strings.as_string(x)), "StringLength"),
        (lambda x: tf.matmul(x, x), "MatMul"),
        (lambda x: tf.while_loop(lambda y: True, lambda y: [y @ y], [x])[0], "MatMul"),
    ],
)
def test_an_op_or_type_without_kernel_for_gpus_is_found_wherever_it_hides(body, op):
    signature = [tf.TensorSpec((2, 2), tf.int32)]
    compiled = tf.function(body, input_signature=signature, autograph=False)
    assert op in without_gpu_kernel(compiled.get_concrete_function().graph)


def test_batches_of_other_sizes_are_not_traced_again():
    subject = agent("box")
    for batch in (3, 2, 5):
        rows = common.rows(subject, batch)
        subject.update(rows)
        subject.open_loop(rows)
        for mode in ("sample", "greedy"):
            state = subject.initial_state(batch, seed=batch)
            for t in (0, 1):
                _, state = subject.act(common.step(rows, t), state, mode)
    counts = {
        role: function(subject, role).experimental_get_tracing_count() for role in ROLES
    }
    assert counts == dict.fromkeys(ROLES, 1)

"""Which ops of a graph could run on a GPU, by the kernels that TensorFlow has registered."""

import functools

from tensorflow.python.framework import kernels


def nodes(graph):
    """Every node of a graph and of all function bodies it may call: loops, branches, gradients."""
    definition = graph.as_graph_def()
    yield from definition.node
    for body in definition.library.function:
        yield from body.node_def


@functools.cache
def gpu_kernels(op):
    found = kernels.get_registered_kernels_for_op(op).kernel
    return [kernel for kernel in found if kernel.device_type in ("GPU", "DEFAULT")]


def fits(kernel, node):
    """Whether a kernel takes the types of a node."""
    for constraint in kernel.constraint:
        attribute = node.attr.get(constraint.name)
        if attribute is None or attribute.WhichOneof("value") != "type":
            continue
        if attribute.type not in constraint.allowed_values.list.type:
            return False
    return True


def without_gpu_kernel(graph):
    """Returns the ops that could not run on a GPU; there is no list of exceptions."""
    return {
        node.op
        for node in nodes(graph)
        if not any(fits(kernel, node) for kernel in gpu_kernels(node.op))
    }


def assert_fit_for_gpus(agent, role, wanted=()):
    """Asserts that each op of the update or of a policy ('sample', 'greedy') has a kernel for GPUs, and none is Python.

    `wanted` are ops that must be there: a walk that misses the bodies of loops misses them.
    """
    compiled = agent._update if role == "update" else agent._policies[role]
    graph = compiled.get_concrete_function().graph
    ops = {node.op for node in nodes(graph)}
    assert set(wanted) <= ops
    assert not any("PyFunc" in op for op in ops)
    assert without_gpu_kernel(graph) == set()

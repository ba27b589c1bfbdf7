"""Where the time of a compiled function goes."""

import time

import pytest
import tensorflow as tf

from launch.op_times import Op, profiled, share


def test_operations_are_found_by_their_scopes_also_in_loops_and_gradients():
    weights = tf.Variable(tf.random.normal([300, 300]))

    @tf.function(autograph=False)
    def function():
        with tf.GradientTape() as tape:
            with tf.name_scope("large"):
                (value,) = tf.while_loop(
                    lambda x: tf.reduce_sum(x) > -1e30,
                    lambda x: (tf.tanh(x @ weights),),
                    (tf.ones([300, 300]),),
                    maximum_iterations=4,
                )
            with tf.name_scope("small"):
                loss = tf.reduce_sum(value * 2.0)
        return tape.gradient(loss, weights)

    for _ in range(2):
        function()
    start = time.process_time()
    for _ in range(3):
        function().numpy()
    cpu = time.process_time() - start
    ops = profiled(lambda: function().numpy(), 3)
    products = [op.runs for name, op in ops.items() if name.endswith("MatMul")]
    assert sum(products) == 3 * 4 * 3  # forward, and two of each backward
    assert 0.5 < share(ops, cpu, "large") <= 1.0
    assert share(ops, cpu, "small") < 0.3
    assert share(ops, cpu, "nowhere") == 0.0


def test_time_of_no_kernel_is_shared_by_runs():
    ops = {"a/x:Mul": Op(3.0, 1), "b/y:Mul": Op(1.0, 3)}
    assert share(ops, 0.0, "^a/") == 0.75
    assert share(ops, 12.0, "^a/") == pytest.approx((3 + 8 / 4) / 12)
    assert share(ops, 12.0, "^b/") == pytest.approx((1 + 3 * 8 / 4) / 12)

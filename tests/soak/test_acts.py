import gc
import resource

import pytest

import agents
import envs


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["dreamerv2", "merlin"])
def test_a_hundred_thousand_acts_grow_no_memory_and_trace_once(name):
    games = envs.make("zoo:Catch-v0", num_envs=2)
    agent = agents.make(name, games.spaces, "debug")
    step, state = games.reset(seed=0), agent.initial_state(2)
    for i in range(100_000):
        action, state = agent.act(step, state)
        step = games.step(action)
        if i == 5_000:
            gc.collect()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 30e6
    assert agent._policies["sample"].experimental_get_tracing_count() == 1

"""What an agent knows: the probe, on states whose content is known."""

import numpy as np
import pytest

import envs
from agents.ftw import knowledge
from agents.scripted import Scripted
from envs import ctf_facts


def test_what_a_line_tells_apart_is_known_and_the_rest_is_chance():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(4000, 8))
    facts = {
        "in it": hidden @ np.arange(8.0) > 0,
        "seldom, and in it": hidden[:, 0] > 1.6,
        "not in it": rng.uniform(size=4000) < 0.3,
        "in it, but no line tells": hidden[:, 0] * hidden[:, 1] > 0,
        "hardly ever": np.arange(4000) < 30,
    }
    game = np.repeat(np.arange(40), 100)
    found = knowledge.knowledge(knowledge.Seen(hidden, facts, game))
    assert found["in it"] > 0.97
    assert found["seldom, and in it"] > 0.9
    assert abs(found["not in it"] - 0.5) < 0.05
    assert abs(found["in it, but no line tells"] - 0.5) < 0.05
    assert found["hardly ever"] is None
    assert 0.7 < knowledge.mean(found) < 0.76


def test_states_and_facts_are_of_the_same_moment():
    games = envs.make("ctf:small", 8, length=20)

    class Knowing(Scripted):
        """Its recurrent state is what the vector observation says: whether it carries a flag, and whether it is out."""

        def act(self, step, state, mode="sample"):
            action, state = super().act(step, state, mode)
            return action, state | {"hidden": step.observation["vector"]}

    seen = knowledge.collect(
        Knowing("attacker", games.game, np.arange(8)), games, seed=3, every=2
    )
    assert len(seen.hidden) == 8 * 10 and set(seen.game) == {0, 1}
    assert set(seen.facts) == set(ctf_facts.FACTS)
    np.testing.assert_array_equal(seen.hidden[:, 1] > 0, seen.facts["I have the flag"])
    np.testing.assert_array_equal(seen.hidden[:, 2] > 0, seen.facts["I am out"])


def test_other_games_and_agents_without_memory_are_refused():
    with pytest.raises(ValueError, match="recurrent state is expected"):
        knowledge.recurrent({"seed": np.zeros([2, 2]), "log_prob": np.zeros(2)})
    catch = envs.make("zoo:Catch-v0", 2)
    with pytest.raises(ValueError, match="capture the flag"):
        knowledge.collect(None, catch)

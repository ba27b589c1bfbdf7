"""TF-Agents' agents behind the zoo's contract; run by test_stock.py in a process whose tf.keras is Keras 2."""

import pathlib

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

import agents
import envs
from agents import driver, training
from agents.api import Spaces, Step

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
PICTURES = Spaces({"image": Box(0, 255, (40, 40, 1), np.uint8)}, Discrete(3))
VECTORS = Spaces({"vector": Box(-1, 1, (4,), np.float32)}, Discrete(3))
FORCES = Spaces({"vector": Box(-1, 1, (4,), np.float32)}, Box(-1, 1, (2,), np.float32))
CHOICES = Spaces(
    {"vector": VECTORS.observation["vector"]}, gymnasium.spaces.MultiDiscrete([3, 3])
)


def dqn(spaces=VECTORS, preset="vector,debug", **options):
    return agents.make("tf_agents_dqn", spaces, preset=preset, seed=1, **options)


def ppo(spaces=VECTORS, **options):
    return agents.make("tf_agents_ppo", spaces, preset="debug", seed=1, **options)


def step_of(spaces, rng, batch, is_first):
    ((key, box),) = spaces.observation.items()
    shape = (batch, *box.shape)
    value = (
        rng.integers(256, size=shape, dtype=np.uint8)
        if box.dtype == np.uint8
        else rng.normal(size=shape).astype(np.float32)
    )
    zeros = np.zeros(batch, np.float32)
    return Step({key: value}, None, zeros, zeros + 1, is_first, ~is_first & False)


def rows_of(agent, length, batch=5, seed=0):
    """Random rows [length, batch] in the middle of episodes."""
    rng = np.random.default_rng(seed)
    nothing = np.zeros(batch, bool)
    steps = [step_of(agent.spaces, rng, batch, nothing) for _ in range(length)]
    ((key, _),) = agent.spaces.observation.items()
    return {
        f"observation/{key}": np.stack([step.observation[key] for step in steps]),
        "action": rng.integers(3, size=(length, batch)).astype(np.int32),
        "reward": rng.normal(size=(length, batch)).astype(np.float32),
        "discount": np.ones((length, batch), np.float32),
        "is_first": np.zeros((length, batch), bool),
        "is_last": np.zeros((length, batch), bool),
    }


def weights(agent):
    return {key: np.array(value) for key, value in agent.variables().items()}


def q_values(agent, observation, name="q"):
    return agent._agent.networks[name](observation)[0].numpy()


def test_pictures_are_stacked_as_episodes_go():
    agent = dqn(PICTURES, "atari,debug")
    rng, state, past = np.random.default_rng(0), agent.initial_state(2), [[], []]
    for t in range(12):
        is_first = np.array([t == 0, t in (0, 5)])
        step = step_of(PICTURES, rng, 2, is_first)
        _, state = agent.act(step, state, ("greedy", "sample", "random")[t % 3])
        for row in range(2):
            picture = step.observation["image"][row]
            past[row] = [picture] * 4 if is_first[row] else [*past[row][1:], picture]
            kept = np.concatenate(past[row][1:], -1)
            np.testing.assert_array_equal(state["frames"][row], kept)


def test_updates_see_the_stacks_that_acting_saw():
    agent = dqn(PICTURES, "atari,debug", prefill=10_000)
    rng = np.random.default_rng(3)
    state, seen, steps = agent.initial_state(2), [], []
    for t in range(30):
        is_first = np.array([t % 7 == 0, t % 11 == 0])
        step = step_of(PICTURES, rng, 2, is_first)
        stacked, _ = agent._push(step.observation, is_first, state)
        _, state = agent.act(step, state, "greedy")
        seen.append(stacked.numpy())
        steps.append(step)
    pictures = np.stack([step.observation["image"] for step in steps])
    is_first = np.stack([step.is_first for step in steps])
    for start in range(25):
        window = slice(start, start + 5)
        first = is_first[window].copy()
        first[0] = True  # as the replay marks it
        found = agent._stack(
            {
                "observation/image": tf.constant(pictures[window]),
                "is_first": tf.constant(first),
            }
        )
        # s_t has its four pictures in the window, or the episode began in it
        np.testing.assert_array_equal(found[1], seen[start + 4])
        np.testing.assert_array_equal(found[0], seen[start + 3])


def test_sampling_is_greedy_but_for_epsilon_and_pure():
    agent = dqn()
    agent._epsilon.assign(0.3)
    rng, batch = np.random.default_rng(0), 4_000
    step = step_of(VECTORS, rng, batch, np.ones(batch, bool))
    state = agent.initial_state(batch, seed=5)
    greedy, _ = agent.act(step, state, "greedy")
    best = q_values(agent, step.observation["vector"]).argmax(-1)
    np.testing.assert_array_equal(greedy, best)
    first, after = agent.act(step, state, "sample")
    again, _ = agent.act(step, state, "sample")
    np.testing.assert_array_equal(first, again)
    differing = (first != greedy).mean()
    assert differing == pytest.approx(0.3 * 2 / 3, abs=4 * (0.16 / batch) ** 0.5)
    assert (np.asarray(after["seed"]) == [5, 2]).all()


def test_the_loss_of_dqn_is_hubers_of_the_td_error():
    agent = dqn(discount=0.9)
    for variable in agent._agent.networks["target"].variables:
        variable.assign(2 * variable)
    rows = rows_of(agent, 2)
    rows["discount"][1, 0] = 0
    vectors = rows["observation/vector"]
    now = q_values(agent, vectors[0])[np.arange(5), rows["action"][1]]
    then = q_values(agent, vectors[1], "target").max(-1)
    error = rows["reward"][1] + 0.9 * rows["discount"][1] * then - now
    huber = np.where(abs(error) < 1, error**2 / 2, abs(error) - 0.5)
    loss = agent.update(rows)["loss"]
    np.testing.assert_allclose(loss, huber.mean(), rtol=1e-5)


def test_the_loss_of_c51_is_the_cross_entropy_with_the_projected_distribution():
    agent = dqn(preset="vector,c51,debug", discount=0.9, atoms=11, highest=2.0)
    rows = rows_of(agent, 2)
    rows["discount"][1, 0] = 0
    atoms = np.linspace(-2, 2, 11)
    vectors = rows["observation/vector"]

    def probabilities(name, vector):
        logits = q_values(agent, vector, name)
        return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)

    now, then = probabilities("q", vectors[0]), probabilities("target", vectors[1])
    losses = []
    for i in range(5):
        best = (then[i] @ atoms).argmax()
        target = np.zeros(11)
        for p, z in zip(then[i, best], atoms, strict=True):
            at = rows["reward"][1, i] + 0.9 * rows["discount"][1, i] * z
            place = (np.clip(at, -2, 2) + 2) / 0.4
            low = int(np.floor(place))
            target[low] += p * (1 - (place - low))
            target[min(low + 1, 10)] += p * (place - low)
        losses.append(-(target * np.log(now[i, rows["action"][1, i]])).sum())
    loss = agent.update(rows)["loss"]
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-4)


@pytest.mark.parametrize("preset", ["vector,debug", "vector,c51,debug"])
@pytest.mark.parametrize("cut", [False, True])
def test_nothing_is_learned_from_an_end_to_the_next_beginning(preset, cut):
    agent = dqn(preset=preset)
    rows = rows_of(agent, 2)
    rows["is_first"][1] = True
    rows["is_last"][0] = not cut
    before = weights(agent)
    assert float(agent.update(rows)["loss"]) == 0
    for name, value in weights(agent).items():
        if name.startswith("q/"):
            np.testing.assert_array_equal(value, before[name], name)


@pytest.mark.parametrize("preset", ["vector,debug", "vector,c51,debug"])
def test_the_rest_of_a_batch_is_learned_from(preset):
    rows = rows_of(dqn(preset=preset), 2)
    some = {key: value[:, :3] for key, value in rows.items()}
    rows["is_first"][1, 3:] = True
    losses = [dqn(preset=preset).update(part)["loss"] for part in (rows, some)]
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.parametrize("preset", ["vector,debug", "vector,c51,debug"])
def test_a_step_that_is_not_finite_is_not_made(preset):
    agent = dqn(preset=preset)
    rows = rows_of(agent, 2)
    rows["reward"][1, 0] = np.nan
    before = weights(agent)
    assert not np.isfinite(agent.update(rows)["loss"])
    for name, value in weights(agent).items():
        if name.startswith(("q/", "optimizer/")):
            np.testing.assert_array_equal(value, before[name], name)


def test_epsilon_follows_the_environment_steps():
    agent = dqn(epsilon="linear(1,0,100)")
    agent.env_steps = 25
    assert agent.update(rows_of(agent, 2))["epsilon"] == 0.75


@pytest.mark.parametrize("spaces", [VECTORS, FORCES])
def test_ppo_remembers_what_its_actions_were_drawn_from(spaces):
    agent = ppo(spaces)
    rng, batch = np.random.default_rng(0), 6
    step = step_of(spaces, rng, batch, np.ones(batch, bool))
    action, state = agent.act(step, agent.initial_state(batch, seed=3), "sample")
    again, _ = agent.act(step, agent.initial_state(batch, seed=3), "sample")
    np.testing.assert_array_equal(action, again)
    other, _ = agent.act(step, agent.initial_state(batch, seed=4), "sample")
    assert (action != other).any()
    pixels = step.observation["vector"]
    found = agent._agent.collect_policy.distribution(
        agent._bridge.first_step(tf.constant(pixels), tf.ones(batch, tf.bool))
    )
    for key, value in enumerate(tf.nest.flatten(found.info)):
        np.testing.assert_allclose(state[f"dist/{key}"], value, rtol=1e-5)
    if spaces is FORCES:
        np.testing.assert_array_equal(np.clip(state["chosen"], -1, 1), action)
    assert set(agent.row_state) <= set(state)


@pytest.mark.parametrize("spaces", [VECTORS, FORCES])
def test_ppo_makes_better_what_paid(spaces):
    agent = ppo(spaces, epochs=4, learning_rate=0.1, entropy_scale=0.0)
    batch, length = 8, agent.config.length
    rng = np.random.default_rng(0)
    state, rows = agent.initial_state(batch), []
    from agents import rows as rows_lib

    def pays(action):
        action = np.asarray(action, np.float32).reshape(batch, -1)[:, 0]
        return (action > 0).astype(np.float32)

    def share():
        many = step_of(spaces, np.random.default_rng(1), 500, np.ones(500, bool))
        action, _ = agent.act(many, agent.initial_state(500), "sample")
        return (np.asarray(action).reshape(500, -1)[:, 0] > 0).mean()

    action = np.asarray(state["action"])
    for t in range(length + 1):
        step = step_of(spaces, rng, batch, np.full(batch, t == 0))
        step = step._replace(action=action, reward=pays(action))
        rows.append(rows_lib.flatten(step, state, agent.row_state))
        action, state = agent.act(step, state, "sample")
    before = share()
    window = {key: np.stack([np.asarray(row[key]) for row in rows]) for key in rows[0]}
    metrics = agent.update(window)
    assert np.isfinite(metrics["loss"]) and share() > before + 0.05


@pytest.mark.parametrize("make", [dqn, ppo])
def test_exports_act_bit_for_bit(make, tmp_path):
    agent = make()
    if make is dqn:
        agent._epsilon.assign(0.5)
    agent.export(tmp_path, untrained=True)
    loaded = tf.saved_model.load(str(tmp_path))
    for mode in ("greedy", "sample"):
        rng = np.random.default_rng(0)
        mine = agent.initial_state(3, seed=7)
        theirs = loaded.signatures["initial_state"](
            batch=tf.constant(3), seed=tf.constant(7)
        )
        for t in range(20):
            step = step_of(VECTORS, rng, 3, np.full(3, t == 0))
            action, mine = agent.act(step, mine, mode)
            out = loaded.signatures[mode](
                observation_vector=tf.constant(step.observation["vector"]),
                reward=tf.constant(step.reward),
                is_first=tf.constant(step.is_first),
                **theirs,
            )
            np.testing.assert_array_equal(out["action"], action)
            theirs = {key: value for key, value in out.items() if key != "action"}


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("tf_agents_dqn", "minatar,debug"),
        ("tf_agents_dqn", "minatar,c51,debug"),
        ("tf_agents_ppo", "minatar,debug"),
    ],
)
def test_a_resumed_run_equals_one_that_went_on(name, preset, tmp_path):
    def run(folder, *until):
        for env_steps in until:
            agent = agents.train(
                name,
                preset=preset,
                env="zoo:Catch-v0",
                env_steps=env_steps,
                save_every=40,
                log_every=20,
                logdir=str(tmp_path / folder),
            )
            agent.close()
        return agent

    whole, parts = run("whole", 80), run("parts", 40, 80)
    assert whole.updates == parts.updates > 0
    here, there = weights(whole), weights(parts)
    for key in here:
        np.testing.assert_array_equal(here[key], there[key], key)
    result = agents.evaluate(tmp_path / "whole", episodes=4)
    assert result["agent"] == name and len(result["returns"]) == 4
    assert pathlib.Path(tmp_path / "whole" / "metrics.jsonl").stat().st_size > 0


def test_dqn_keeps_to_what_it_can():
    with pytest.raises(ValueError, match="chooses among classes"):
        dqn(FORCES)
    with pytest.raises(ValueError, match="stacks pictures"):
        dqn(preset="atari,debug")
    with pytest.raises(ValueError, match="one class or forces"):
        ppo(CHOICES)
    two = Spaces(VECTORS.observation | PICTURES.observation, Discrete(3))
    for make in (dqn, ppo):
        with pytest.raises(ValueError, match="observations of one part"):
            make(two)


def test_atari_plays_and_trains(tmp_path):
    made = envs.make("atari:Pong", 1, size=84)
    agent = agents.make(
        "tf_agents_dqn", made.spaces, preset="atari_small,debug", folder=tmp_path
    )
    for _ in driver.run(agent, made, until=60, seed=0):
        pass
    assert agent.updates == 5 and 0 < agent.parameters < 2e6
    made.close()
    agent.close()


def test_presets_are_found_for_environments():
    from agents import suggestion

    def ask(agent, env, spaces=VECTORS, gpu=False):
        return suggestion.suggest(agent, env, lambda: spaces, lambda: gpu).preset

    assert ask("tf_agents_dqn", "atari:Pong") == "atari_small"
    assert ask("tf_agents_dqn", "atari:Pong", gpu=True) == "atari"
    assert ask("tf_agents_dqn", "minatar:Breakout-v1") == "minatar"
    assert ask("tf_agents_dqn", "gym:CartPole-v1") == "vector"
    assert ask("tf_agents_ppo", "zoo:Catch-v0", PICTURES) == "minatar"
    seen = suggestion.Seen(-5.0, 5.0, 1, 1)
    for agent in (dqn(PICTURES, "atari,debug"), ppo(reward_transform="sign")):
        assert "only their sign" in suggestion.advise(agent, seen)[0]
        assert suggestion.explain(agent)[-1].key == "action"
    c51 = dqn(preset="vector,c51,debug", highest=2.0)
    assert "beyond the returns" in suggestion.advise(c51, seen)[0]


def test_settings_are_checked():
    for name in ("tf_agents_dqn", "tf_agents_ppo"):
        with pytest.raises(ValueError, match="unknown ablation"):
            training.settings(name, "debug", ablate=["no_target"])

"""Acting, windows, and what they share."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box

import agents
import envs
from agents import driver, registry
from agents.api import Spaces
from agents.merlin import losses
from agents.merlin import rows as rows_lib
from agents.merlin.config import ABLATIONS
from agents.named import flatten
from tests.agents.kernels import assert_fit_for_gpus
from tests.agents.merlin import common, twin
from tests.agents.merlin.common import AGENTS
from tests.agents.resumption import resumed_and_through
from tests.agents.weights import differing, snapshot
from tests.marks import some_slow


@pytest.fixture(scope="module")
def made():
    return {kind: common.make(kind) for kind in AGENTS}


SLOW = ["rl_mem"]  # of what merlin and rl_lstm show as well


@pytest.fixture(params=some_slow(AGENTS, SLOW))
def subject(request, made):
    return made[request.param]


def acted(agent, window, seed=0, mode="sample", t0=0, state=None):
    """The states after acting on every row of a window, the actions, and the seeds that each was drawn from."""
    batch = window["reward"].shape[1]
    if state is None:
        state = {
            k.removeprefix("start/"): v for k, v in window.items() if "start/" in k
        }
        state |= {"action": window["action"][0], "seed": window["state/seed"][0]}
    actions, states = [], []
    for t in range(t0, len(window["reward"])):
        state = dict(state) | {"action": window["action"][t]}
        action, state = agent.act(common.step(window, t), state, mode)
        assert action.shape == (batch,)
        actions.append(action)
        states.append(state)
    return np.array(actions), states


def test_the_first_state_is_zero_but_for_the_seeds(subject):
    state = subject.initial_state(3, seed=9)
    np.testing.assert_array_equal(state["seed"], [[9, 0]] * 3)
    assert set(state) == {"seed", "action", *subject.start_state}
    for key in state.keys() - {"seed"}:
        assert not np.any(state[key]), key


@pytest.mark.parametrize("mode", ["sample", "greedy", "random"])
def test_acting_is_a_pure_function_of_step_and_state(subject, mode):
    window = common.rows(subject)
    state = dict(subject.initial_state(3, seed=1))
    one, other = (subject.act(common.step(window, 1), state, mode) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    for key in one[1]:
        np.testing.assert_array_equal(one[1][key], other[1][key], err_msg=key)


def test_learning_repeats_the_steps_that_were_acted(subject):
    """On-policy to the last digit: the same latent states, hence the probabilities the actions were drawn from."""
    agent = subject
    environment = envs.make("zoo:Counting-v0", 2)
    agent = registry.make(
        "merlin", environment.spaces, "debug", agent=agent.config.agent, length=9
    )
    drawn, seen = [], []
    update = agent._update
    agent._update = lambda rows, now: seen.append(rows) or update(rows, now)
    compiled = dict(agent._policies)

    def watch(observation, reward, is_first, state):
        logits, _, _ = agent._step(
            "sample", *map_tensors(observation, reward, is_first, state)
        )
        drawn.append(np.asarray(tf.nn.log_softmax(logits)))
        return compiled["sample"](observation, reward, is_first, state)

    agent._policies["sample"] = watch
    weights = snapshot(agent)
    for _ in driver.run(agent, environment, until=60, seed=4):
        for name, variable in agent.variables().items():
            variable.assign(weights[name])  # so that all windows are of one policy
    assert len(seen) >= 3
    for i, window in enumerate(seen):
        tensors = common.tensors(window)
        rows = rows_lib.to_rows(tensors, agent._classes)
        _, outputs = agent._unroll(rows, tensors)
        want = np.array(drawn[9 * i : 9 * i + 9])
        got = tf.nn.log_softmax(outputs.logits)[:-1]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def map_tensors(*parts):
    return tf.nest.map_structure(tf.convert_to_tensor, parts)


def test_two_windows_with_the_state_carried_over_are_one_long_window(subject):
    kind = subject.config.agent
    long, short = (common.make(kind, length=n, seed=2) for n in (10, 5))
    window = common.rows(long, length=11)
    whole = unrolled(long, window)
    first = {k: v if "start/" in k else v[:6] for k, v in window.items()}
    half = unrolled(short, first)
    middle = common.tensors(
        {k: v if "start/" in k else v[:5] for k, v in first.items()}
    )
    rows = rows_lib.to_rows(common.tensors(first), 3)  # the action of row 4 is in row 5
    five = tf.nest.map_structure(lambda part: part[:5], rows)
    state, _ = short._unroll(five, middle)
    second = {k: v[5:] for k, v in window.items() if "start/" not in k}
    second |= {f"start/{k}": np.asarray(v) for k, v in flatten(state).items()}
    rest = unrolled(short, second)
    for name, value in whole.items():
        np.testing.assert_allclose(value[:5], half[name][:5], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(value[5:], rest[name], rtol=1e-4, atol=1e-5)


def unrolled(agent, window):
    tensors = common.tensors(window)
    _, outputs = agent._unroll(rows_lib.to_rows(tensors, agent._classes), tensors)
    return {
        key: np.asarray(value)
        for key, value in outputs._asdict().items()
        if not isinstance(value, tuple)
    }


def test_a_new_episode_forgets_everything_and_the_other_rows_nothing(subject):
    window = common.rows(subject)
    _, states = acted(subject, window)
    after, before = states[3], states[2]  # row 0 and 1 begin at 3
    state = dict(subject.initial_state(3)) | {"seed": before["seed"]}
    _, fresh = subject.act(common.step(window, 3), state)
    whole = window | {"is_first": np.zeros_like(window["is_first"])}
    _, unbroken = acted(subject, whole)
    for key in subject.start_state:
        np.testing.assert_array_equal(after[key][:2], fresh[key][:2], err_msg=key)
        for one, other in zip(states, unbroken, strict=True):
            np.testing.assert_array_equal(one[key][2], other[key][2], err_msg=key)
    for row in (0, 1):
        assert any(
            np.any(after[key][row] != unbroken[3][key][row])
            for key in subject.start_state
        )


def test_the_bootstrap_row_changes_no_state_it_begins_the_next_window(subject):
    agent, window = subject, common.rows(subject, length=11)
    state, befores = dict(agent.initial_state(3, seed=4)), []
    taken = []
    for t in range(11):
        step = common.step(window, t)
        agent.observe(step, state)
        befores.append(state)
        _, state = agent.act(step, state, "sample")
        if agent.updates_due():
            taken.append(agent.take_window())
    agent.drop_window()
    first, second = taken
    for key in agent.start_state:
        for found, t in ((first, 0), (second, 5)):
            want = np.asarray(befores[t][key])
            np.testing.assert_array_equal(found[f"start/{key}"], want, err_msg=key)
    for key in first.keys() - {f"start/{key}" for key in agent.start_state}:
        np.testing.assert_array_equal(second[key][0], first[key][-1], err_msg=key)


def test_the_bootstrap_row_trains_nothing_but_targets():
    agent = common.shaken(common.make())
    window = common.rows(agent)
    other = {key: np.array(value) for key, value in window.items()}
    other["reward"][-1] += 1  # arrives with the last row: part of the last transition
    one, two = (metrics(agent, each) for each in (window, other))
    differ = {name for name in one if one[name] != two[name]}
    # The last row itself is the next window's to reconstruct.
    assert differ == {"policy_loss", "return_error", "return_target"}
    tensors = common.tensors(window)
    seen = {key: tensors[f"observation/{key}"] for key in ("vector", "codes")}
    with tf.GradientTape() as tape:
        tape.watch(seen)
        loss, _ = agent._loss(tensors, tf.constant(0.5))
    for gradient in tape.gradient(loss, seen).values():
        assert np.all(np.any(gradient[:-1], -1))
        assert not np.any(gradient[-1])


def metrics(agent, window):
    _, found = agent._loss(common.tensors(window), tf.constant(0.0))
    return {key: float(value) for key, value in found.items()}


@pytest.mark.parametrize("kind", ["merlin", "rl_lstm"])
def test_nothing_passes_from_an_episode_to_the_one_before(made, kind, monkeypatch):
    """Row 0 terminates after row 2 and row 1 is cut there: later rewards change no earlier target."""
    agent = made[kind]
    window = common.rows(agent)
    other = {key: np.array(value) for key, value in window.items()}
    other["reward"][4:, :2] += 5
    found = [constants(agent, each, monkeypatch) for each in (window, other)]
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one[:3, :2], two[:3, :2])
        assert np.all(one[3:, :2] != two[3:, :2])


@pytest.mark.parametrize("kind", ["merlin", "rl_lstm"])
def test_targets_and_advantages_are_the_returns_written_out(made, kind, monkeypatch):
    agent = made[kind]
    window = common.rows(agent)
    target, advantage = constants(agent, window, monkeypatch)
    tensors = common.tensors(window)
    _, outputs = agent._unroll(rows_lib.to_rows(tensors, 3), tensors)
    value = np.asarray(agent.core.value(outputs), np.float64)
    returns = [twin.returns(window, value, 0.96, lam)[:-1] for lam in (1.0, 0.9)]
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(target, returns[0], **close)
    np.testing.assert_allclose(advantage, returns[1] - value[:-1], **close)


def constants(agent, window, monkeypatch):
    """R and the advantages that the agent gives to its losses, each [T, B]."""
    bound, policy_loss, seen = agent.core.losses, losses.policy_loss, []

    def predict(rows, outputs, value, target, mask):
        seen.append(np.asarray(target))
        return bound(rows, outputs, value, target, mask)

    def improve(logits, action, advantage, mask, entropy_scale):
        seen.append(np.asarray(advantage))
        return policy_loss(logits, action, advantage, mask, entropy_scale)

    with monkeypatch.context() as patch:
        patch.setattr(agent.core, "losses", predict)
        patch.setattr(losses, "policy_loss", improve)
        metrics(agent, window)
    return seen


def test_each_optimizer_changes_its_own_modules_alone(subject):
    agent = common.make(subject.config.agent, seed=5)
    before = snapshot(agent)
    found = agent.update(common.tensors(common.rows(agent)))
    assert np.isfinite(found["loss"]) and found["loss"].dtype == tf.float32
    changed = differing(before, snapshot(agent))
    own = set(agent.modules())
    merlin = agent.config.agent == "merlin"
    if merlin:  # their gradient passes the residual, whose first weights are zero
        own -= {"posterior", "encoder"}
    optimizers = {"policy_optimizer"} | ({"predictor_optimizer"} if merlin else set())
    assert changed == own | optimizers | {"updates"}
    names = [id(v) for o in agent.optimizers.values() for v in o.variables]
    assert len(names) == len(set(names))
    assert sorted(names) == sorted(
        id(v) for m in agent.modules().values() for v in m.trainable_variables
    )


@pytest.mark.parametrize("key", ["reward", "observation/vector"])
def test_nan_in_a_window_changes_nothing(subject, key):
    agent = subject
    window = common.rows(agent)
    window[key][1, 0] = np.nan
    before = snapshot(agent)
    assert np.isnan(agent.update(common.tensors(window))["loss"])
    assert differing(before, snapshot(agent)) == set()


def test_acting_needs_only_what_acting_names_say(subject):
    agent = common.make(subject.config.agent, seed=1)
    other = common.make(subject.config.agent, seed=2)
    other.set_state(agent.acting_state(report=False), learn=False)
    window = common.rows(agent)
    for mode in ("sample", "greedy"):
        one, two = (acted(each, window, mode=mode)[0] for each in (agent, other))
        np.testing.assert_array_equal(one, two)
    assert agent.report_names().isdisjoint(agent.acting_names())
    rest = agent.variables().keys() - agent.acting_names() - agent.report_names()
    assert all("optimizer" in name or name == "updates" for name in rest)


@pytest.mark.parametrize("role", ["update", "sample", "greedy"])
@pytest.mark.parametrize("kind", some_slow(AGENTS, SLOW))
def test_every_op_has_a_kernel_for_gpus_and_none_is_python(made, kind, role):
    wanted = {"TensorListPopBack"} if role == "update" else ()
    assert_fit_for_gpus(made[kind], role, wanted)


def test_batches_of_other_sizes_are_not_traced_again(subject):
    for batch in (3, 2, 5):
        window = common.rows(subject, batch)
        subject.update(common.tensors(window))
        acted(subject, window)
        acted(subject, window, mode="greedy")
    compiled = [subject._update, *subject._policies.values()]
    assert [each.experimental_get_tracing_count() for each in compiled] == [1, 1, 1]


ROWS = ["no_retroactive"]


@pytest.mark.parametrize(
    "names", some_slow([ROWS, sorted(ABLATIONS.keys() - set(ROWS))], [ROWS])
)
def test_ablations_learn_alone_and_together(names):
    agent = registry.make("merlin", common.spaces(), "debug", ablate=names)
    found = agent.update(common.tensors(common.rows(agent)))
    assert np.isfinite(found["loss"])


def test_without_reconstruction_observations_cost_nothing():
    agent = registry.make(
        "merlin", common.spaces(), "debug", ablate=["no_reconstruction"]
    )
    found = metrics(agent, common.rows(agent))
    errors = {key for key in found if key.endswith("_error")} - {"return_error"}
    assert {found[key] for key in errors} == {0.0}
    assert found["return_error"] > 0


@pytest.mark.slow
def test_the_paper_has_its_sizes_and_learns():
    agent = registry.make(
        "merlin", common.spaces({"image": common.LARGE}), "paper", length=3
    )
    config = agent.config
    assert (config.latent, config.slots, config.read_heads) == (200, 1350, 3)
    assert (config.lstm_layers, config.lstm_units) == (2, 256)
    window = common.rows(agent, 2, length=4)
    assert window["start/memory_rows"].shape == (2, 1350, 400)
    assert np.isfinite(agent.update(common.tensors(window))["loss"])


@pytest.mark.slow
def test_images_of_64_pixels_take_the_residual_nets_also_in_bfloat16():
    agent = common.make(
        observation={"image": common.LARGE}, precision="bfloat16", image_depth=4
    )
    assert type(agent.core.encoder.images["image"]).__name__ == "ResidualEncoder"
    window = common.rows(agent, 2)
    found = agent.update(common.tensors(window))
    assert np.isfinite(found["loss"]) and found["image_error"].dtype == tf.float32
    assert {v.dtype for m in agent.modules().values() for v in m.weights} == {"float32"}


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        (Spaces({"v": common.VECTOR}, Box(-1, 1, (2,), np.float32)), "Discrete"),
        (
            Spaces({"image": Box(0, 255, (48, 48, 3), np.uint8)}, common.THREE),
            "48x48.*size=64",
        ),
    ],
)
def test_spaces_it_cannot_use_are_refused(spaces, message):
    with pytest.raises(ValueError, match=message):
        registry.make("merlin", spaces, "debug")


@pytest.mark.parametrize("kind", some_slow(AGENTS, ["rl_mem", "rl_lstm"]))
def test_a_resumed_run_is_the_one_that_went_on(kind, tmp_path):
    # A save at 46 steps cuts a window.
    through = resumed_and_through("merlin", tmp_path, agent=kind, env="zoo:Counting-v0")
    loaded = agents.load(tmp_path / "through", learn=True)
    for name, value in loaded.get_state()["rollout"]["start"].items():
        want = through.get_state()["rollout"]["start"][name]
        np.testing.assert_array_equal(value, want, err_msg=name)
    loaded.close()


def test_the_kind_of_agent_names_the_run():
    from agents import training

    def logdir(**kwargs):
        return training.settings("merlin", env="zoo:Counting-v0", **kwargs).run.logdir

    assert logdir(preset="debug").endswith("/debug/seed0")
    assert logdir(preset="debug", agent="rl_lstm").endswith("/debug-rl_lstm/seed0")
    assert logdir(preset="debug,rl_mem").endswith("/debug+rl_mem/seed0")
    same = logdir(preset="debug,rl_mem", agent="rl_mem")
    assert same.endswith("/debug+rl_mem/seed0")

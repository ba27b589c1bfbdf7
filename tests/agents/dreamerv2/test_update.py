"""One update: its order, who changes what, the slow critic, bad numbers, repeatability."""

import numpy as np
import pytest
import tensorflow as tf

from agents.learner import NonFiniteError
from tests.agents.dreamerv2 import common
from tests.agents.weights import differing, snapshot

STREAMS = {"posterior": 0, "prior": 1, "action": 2}


@pytest.fixture(scope="module")
def subject():
    """An agent that learns fast and decays nothing; tests restore its variables."""
    return common.make(model_lr=0.01, actor_lr=0.01, critic_lr=0.01, weight_decay=0.0)


@pytest.fixture
def fresh(subject):
    """The agent with the variables it had when it was built."""
    before = getattr(subject, "before", None) or snapshot(subject)
    subject.before = before
    restore(subject, before)
    subject.updates = 0
    return subject


def restore(agent, values):
    for name, variable in agent.variables().items():
        variable.assign(values[name])


def weights(agent, *modules):
    """The variables of some modules by name."""
    named = agent.variables().items()
    return {name: value for name, value in named if name.split("/")[0] in modules}


def seed(agent, stream):
    return tf.constant([agent.seed * 8 + STREAMS[stream], 0])


def dream_of_first_update(agent, batch, start):
    """What the agent imagines in its first update, from given start states, with the weights it has now."""
    horizon, number = agent.config.horizon, batch["reward"].size
    return agent.behavior.imagine(
        agent.world,
        start,
        tf.constant(batch["discount"].reshape(-1)),
        agent.world.noise((horizon, number), seed(agent, "prior")),
        agent.behavior.action_noise((horizon, number), seed(agent, "action")),
    )


def start_states(agent, batch):
    noise = agent.world.noise(batch["reward"].shape, seed(agent, "posterior"))
    states, _ = agent.world.infer(common.sequence(agent, batch), noise)
    return tf.nest.map_structure(
        lambda part: tf.constant(part.numpy().reshape(-1, *part.shape[2:])), states
    )


def losses(agent, dream, mix=0.0, eta=1e-3):
    value, returns = agent.behavior.targets(dream)
    actor, _ = agent.behavior.actor_loss(dream, value, returns, mix, eta)
    critic, _ = agent.behavior.critic_loss(dream, returns)
    return float(actor), float(critic)


def test_imagination_starts_from_states_before_and_dreams_in_the_model_after_its_update(
    fresh,
):
    batch, before = common.rows(fresh), snapshot(fresh)
    old_start = start_states(fresh, batch)
    in_old_model = losses(fresh, dream_of_first_update(fresh, batch, old_start))
    metrics = common.eager_update(fresh, batch)
    after = snapshot(fresh)
    model = set(fresh.world.modules)
    mixed = {
        name: after[name] if name.split("/")[0] in model else value
        for name, value in before.items()
    }
    restore(fresh, mixed)
    dream = dream_of_first_update(fresh, batch, old_start)
    got = metrics["actor_loss"], metrics["critic_loss"]
    np.testing.assert_allclose(got, losses(fresh, dream), rtol=1e-4, atol=1e-6)
    new_start = start_states(fresh, batch)
    for other in (
        in_old_model,
        losses(fresh, dream_of_first_update(fresh, batch, new_start)),
    ):
        assert abs(got[1] - other[1]) > 1e-3


def adam_first_step(value, gradient, norm, rate, clip=100.0, epsilon=1e-5):
    """Kingma and Ba's first step, epsilon added before the bias correction."""
    gradient = gradient * min(1.0, clip / norm)
    first, second = 0.1 * gradient, 0.001 * gradient**2
    corrected = rate * np.sqrt(1 - 0.999) / (1 - 0.9)
    return value - corrected * first / (np.sqrt(second) + epsilon)


def test_actor_and_critic_take_an_adam_step_on_their_own_losses(fresh):
    batch, before = common.rows(fresh), snapshot(fresh)
    start = start_states(fresh, batch)
    metrics = common.eager_update(fresh, batch)
    after = snapshot(fresh)
    restore(fresh, before)
    for name, value in weights(fresh, *fresh.world.modules).items():
        value.assign(after[name])
    own = {name: weights(fresh, name) for name in ("actor", "critic")}
    with tf.GradientTape(persistent=True) as tape:
        dream = dream_of_first_update(fresh, batch, start)
        value, returns = fresh.behavior.targets(dream)
        loss = {
            "actor": fresh.behavior.actor_loss(dream, value, returns, 0.0, 1e-3)[0],
            "critic": fresh.behavior.critic_loss(dream, returns)[0],
        }
    for name, variables in own.items():
        found = tape.gradient(loss[name], [part.value for part in variables.values()])
        norm = np.sqrt(sum(np.square(part).sum() for part in found))
        np.testing.assert_allclose(metrics[f"{name}_grad_norm"], norm, rtol=1e-3)
        for key, gradient in zip(variables, found, strict=True):
            want = adam_first_step(before[key], gradient.numpy(), norm, 0.01)
            np.testing.assert_allclose(after[key], want, rtol=1e-3, atol=2e-4)


def rates(agent, **learning):
    for name, optimizer in agent.optimizers.items():
        optimizer._rule.learning_rate.assign(learning.get(name, 0.0))


@pytest.mark.parametrize("name", ["model", "actor", "critic"])
def test_each_optimizer_changes_its_own_modules_alone(fresh, name):
    rates(fresh, **{name: 0.01})
    fresh.counter.assign(1)  # no copy to the slow critic
    before = snapshot(fresh)
    common.eager_update(fresh, common.rows(fresh))
    changed = differing(before, snapshot(fresh))
    changed -= {"updates", "model_optimizer", "actor_optimizer", "critic_optimizer"}
    assert changed == (set(fresh.world.modules) if name == "model" else {name})


def test_every_trainable_variable_but_the_slow_critics_is_in_one_optimizer(subject):
    owned = [
        variable.path
        for optimizer in subject.optimizers.values()
        for variable in optimizer.variables
    ]
    wanted = [
        variable.path
        for name, variable in subject.variables().items()
        if not name.startswith(("slow_critic", "updates")) and "optimizer" not in name
    ]
    assert sorted(owned) == sorted(wanted)


def test_the_slow_critic_is_a_full_copy_after_the_first_update_and_stays_until_the_100th(
    fresh,
):
    batch = common.rows(fresh)

    def pair():
        nets = fresh.behavior.critic, fresh.behavior.slow_critic
        return [np.concatenate([w.numpy().ravel() for w in n.weights]) for n in nets]

    critic, slow = pair()
    assert not np.allclose(critic, slow)
    common.eager_update(fresh, batch)
    critic, slow = pair()
    np.testing.assert_array_equal(critic, slow)
    common.eager_update(fresh, batch)
    critic, still = pair()
    np.testing.assert_array_equal(still, slow)
    assert not np.allclose(critic, still)
    assert int(fresh.variables()["updates"]) == 2
    for before, copied in ((99, False), (100, True), (101, False), (200, True)):
        fresh.counter.assign(before)
        common.eager_update(fresh, batch)
        critic, slow = pair()
        assert np.array_equal(critic, slow) == copied


def test_later_copies_mix_in_a_fraction_of_the_critic():
    behavior = common.make(slow_target_fraction=0.25).behavior
    fast, slow = behavior.critic.weights[0], behavior.slow_critic.weights[0]
    want = 0.25 * fast.numpy() + 0.75 * slow.numpy()
    behavior.update_slow_critic(tf.constant(100, tf.int64))
    np.testing.assert_allclose(slow, want, rtol=1e-6)
    behavior.update_slow_critic(tf.constant(0, tf.int64))
    np.testing.assert_array_equal(slow, fast)


def test_the_compiled_update_is_the_eager_one(fresh):
    batch, before = common.rows(fresh), snapshot(fresh)
    want, want_after = common.eager_update(fresh, batch), snapshot(fresh)
    restore(fresh, before)
    got = {key: float(value) for key, value in fresh.update(batch).items()}
    assert got.keys() == want.keys()
    for key, value in want.items():
        np.testing.assert_allclose(got[key], value, rtol=2e-3, atol=1e-4, err_msg=key)
    after = snapshot(fresh)
    for key, value in want_after.items():
        np.testing.assert_allclose(after[key], value, rtol=1e-2, atol=5e-3, err_msg=key)


def test_the_metrics_are_float32_scalars_with_the_sum_of_the_losses(fresh):
    metrics = fresh.update(common.rows(fresh))
    assert all(value.dtype == tf.float32 for value in metrics.values())
    assert all(value.shape == () for value in metrics.values())
    parts = [metrics[f"{name}_loss"] for name in ("model", "actor", "critic")]
    np.testing.assert_allclose(metrics["loss"], np.sum(parts), rtol=1e-6)
    assert {"image_loss", "vector_loss", "reward_loss", "discount_loss"} < set(metrics)


def test_a_direct_update_has_the_entropy_and_mix_of_the_config():
    scales = []
    for entropy in ("0.5", "linear(0.5, 0, 100)"):
        subject = common.make(actor_grad="both", entropy_scale=entropy)
        scales.append(common.eager_update(subject, common.rows(subject))["actor_loss"])
    none = common.make(actor_grad="both", entropy_scale="0")
    without = common.eager_update(none, common.rows(none))["actor_loss"]
    assert scales[0] == scales[1]
    assert without - scales[0] > 0.1


def test_the_same_seed_learns_the_same_and_another_seed_something_else():
    results = []
    for seed_ in (3, 3, 4):
        subject = common.make(seed=seed_)
        common.eager_update(subject, common.rows(subject))
        results.append(snapshot(subject))
    for key, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][key], err_msg=key)
    assert {"encoder", "rssm", "actor", "critic"} <= differing(results[0], results[2])


def test_any_seed_of_31_bits_will_do():
    subject = common.make({"vector": common.VECTOR}, seed=2**31 - 1)
    assert np.isfinite(common.eager_update(subject, common.rows(subject))["loss"])
    state = subject.initial_state(2, seed=2**31 - 1)
    arriving = common.step(common.rows(subject, 2), 0)
    for _ in range(2):
        action, state = subject.act(arriving, state)
    assert action.shape == (2,)


def feed(agent, batch):
    """Stores the rows, so that updates are due."""
    state = agent.initial_state(batch["reward"].shape[1])
    for t in range(len(batch["reward"])):
        agent.observe(common.step(batch, t), state)


@pytest.mark.parametrize("key", ["reward", "observation/vector"])
def test_nan_in_a_batch_is_an_error_and_changes_no_weight(key, tmp_path):
    subject = common.make(folder=tmp_path, prefill=0, train_every=100.0)
    batch = common.rows(subject, length=12)
    batch[key][:] = np.nan
    feed(subject, batch)
    subject._update = subject._update_step
    before = snapshot(subject)
    with pytest.raises(NonFiniteError, match="model_loss") as caught:
        subject.train()
    assert ("reward_loss" if key == "reward" else "vector_loss") in str(caught.value)
    assert differing(before, snapshot(subject)) == set()
    path = tmp_path / "not_finite_batch.npz"
    assert str(path) in str(caught.value)
    with np.load(path) as dumped:
        assert np.isnan(dumped[key.replace("/", ".")]).all()
    subject.close()


def test_a_gradient_that_is_not_finite_is_an_error_too():
    subject = common.make()
    batch = common.rows(subject)
    critic = subject.behavior.critic.head.dense.bias
    critic.assign([1e30])  # a finite loss would need its square
    before = snapshot(subject)
    metrics = common.eager_update(subject, batch)
    assert not np.isfinite(metrics["loss"])
    changed = differing(before, snapshot(subject))
    assert not changed & {"actor", "critic", "slow_critic", "updates"}

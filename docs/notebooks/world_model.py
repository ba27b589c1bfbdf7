# %% [markdown]
# # A world model and its dreams
#
# DreamerV2 learns two things: a *world model*, which predicts what will be seen, and an *actor*, which learns from
# those predictions alone. Here we train both on Catch for a minute or two, on two cores, and then look inside:
#
# 1. the loop: act, observe, train;
# 2. what the latent state keeps of a picture, and what the model dreams without looking;
# 3. where the model is surprised;
# 4. what the categories of the latent state came to mean;
# 5. the actor, playing in its own imagination.
#
# In Catch a ball falls through a picture of 10 x 5 pixels, one row per step, and a paddle moves along the bottom row. The
# ball's first column is the only thing that is random. It is worth 1 to catch it and -1 to miss it.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import agents
import envs
import estimators
from agents.dreamerv2 import nets
from agents.dreamerv2.world_model import Sequence

# The share of the training to do: 1 takes one and a half to three minutes on two cores.
BUDGET = 1.0

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.grid": True})
plt.rcParams.update({"axes.spines.right": False, "grid.color": "0.9"})
BLUE, ORANGE = "#0072B2", "#D55E00"

# %% [markdown]
# ## 1. Act, observe, train
#
# The loop is the one of the README. `train` makes the updates that are due and returns their mean metrics, or None. At
# first the actions are random, until the replay holds enough to learn from.

# %%
game = envs.make("zoo:Catch-v0", num_envs=1, seed=0)
agent = agents.make(
    "dreamerv2",
    game.spaces,
    preset="catch",
    prefill=int(3_000 * BUDGET),
    pretrain=int(300 * BUDGET),
)
log, returns = [], []
step, state = game.reset(), agent.initial_state(1)
while agent.env_steps < 8_000 * BUDGET:
    agent.observe(step, state)
    action, state = agent.act(step, state, mode=agent.collect_mode)
    step = game.step(action)
    metrics = agent.train()
    if metrics:
        log.append({"env_steps": agent.env_steps} | metrics)
    if step.is_last[0]:
        returns.append((agent.env_steps + 1, step.reward[0]))
print(
    f"{agent.env_steps} steps, {agent.updates} updates of {agent.parameters:,} weights"
)

# %% [markdown]
# Four curves tell most of what there is to know about a run (every key is explained in `agents/dreamerv2/README.md`):
#
# - the **return** is 1 or -1 here; random play has -0.6 on average;
# - the **image loss** has a floor, as it is the likelihood of a unit normal: a perfect picture of 50 pixels costs
#   50 x 0.919 = 45.9, so we draw what lies above that;
# - the **KL** is how much each picture tells the model that it did not know: it rises when the latent state starts to
#   say something, and falls as the prior learns to foresee it;
# - the **actor's entropy** starts at log 3 = 1.1 and falls as it makes up its mind.


# %%
def smooth(values, width):
    """Means of neighbouring values."""
    groups = np.array_split(values, max(1, len(values) // width))
    return np.array([np.mean(group) for group in groups])


def curve(axis, title, x, y, width, colour):
    axis.plot(smooth(x, width), smooth(y, width), color=colour, linewidth=2)
    axis.set_title(title, loc="left", fontsize=11)


steps = np.array([line["env_steps"] for line in log])
of = {key: np.array([line[key] for line in log]) for key in log[0]}
floor = 50 * 0.5 * np.log(2 * np.pi)
figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True, layout="constrained")
curve(axes[0, 0], "return", *np.transpose(returns), 20, BLUE)
curve(
    axes[0, 1], "image loss above its floor", steps, of["image_loss"] - floor, 10, BLUE
)
axes[0, 1].set_yscale("log")
curve(axes[1, 0], "KL, nats per step", steps, of["model_kl"], 10, BLUE)
curve(axes[1, 1], "entropy of the actor, nats", steps, of["actor_ent"], 10, BLUE)
for axis in axes[1]:
    axis.set_xlabel("environment steps")
plt.show()

# %% [markdown]
# ## 2. Seeing and dreaming
#
# We play 256 fresh episodes with random actions and let the model follow them in two ways:
#
# - **posterior**: it sees every picture, folds it into its latent state (a recurrent part, and 8 variables of 8 classes: at
#   most 24 bits for each picture), and draws what that state says;
# - **dream**: it sees the first picture only; the other nine are drawn from its own prior, given the actions.

# %%
EPISODES = 256
games = envs.make("zoo:Catch-v0", num_envs=EPISODES, seed=1)
world, cell = agent.world, agent.world.cell


def play(mode):
    """Plays one episode in each game; returns the ten steps, each of all games."""
    step, state = games.reset(seed=1), agent.initial_state(EPISODES, seed=1)
    steps = [step]
    for _ in range(9):
        action, state = agent.act(step, state, mode=mode)
        step = games.step(action)
        steps.append(step)
    return steps


def noise(length, seed):
    return world.noise((length, EPISODES), tf.constant([seed, 0]))


def pictures(state):
    """Decodes latent states into pictures [..., 10, 5]; black is 0."""
    return world.decoder(cell.features(state))["image"].numpy()[..., 0] + 0.5


played = play("random")
image = np.stack([each.observation["image"] for each in played])
reward = np.stack([each.reward for each in played])
sequence = Sequence(
    observation={"image": nets.preprocess(tf.constant(image))},
    action=tf.one_hot(np.stack([each.action for each in played]), 3),
    reward=tf.constant(reward),
    discount=tf.constant(np.stack([each.discount for each in played])),
    is_first=tf.constant(np.stack([each.is_first for each in played])),
)
truth = image[..., 0] / 255

posterior, prior = world.infer(sequence, noise(10, 0))
seen = pictures(posterior)
first = tf.nest.map_structure(lambda part: part[0], posterior)
dream, dreamed = world.imagined_observations(first, sequence.action[1:], noise(9, 1))
dreamed = np.concatenate([seen[:1], dreamed["image"].numpy()[..., 0] + 0.5])


# %%
def strip(rows, title):
    """Draws rows of pictures: name -> [T, 10, 5]."""
    length = max(len(row) for row in rows.values())
    size = (0.72 * length + 0.6, 1.4 * len(rows) + 0.5)
    figure, axes = plt.subplots(
        len(rows), length, figsize=size, squeeze=False, layout="constrained"
    )
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, fontsize=10)
        for axis, picture in zip(line, row, strict=True):
            axis.imshow(picture, cmap="magma", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
    for number, axis in enumerate(axes[-1]):
        axis.set_xlabel(number, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    plt.show()


for episode in (0, 1):
    strip(
        {
            "truth": truth[:, episode],
            "posterior": seen[:, episode],
            "dream": dreamed[:, episode],
        },
        f"episode {episode}: the dream sees picture 0 only",
    )

# %% [markdown]
# How long does a dream stay true? The same question, averaged over all episodes, and beside it the error of the laziest
# prediction, that nothing changes any more.

# %%
error = np.square(dreamed[1:] - truth[1:]).mean((1, 2, 3))
copying = np.square(truth[:1] - truth[1:]).mean((1, 2, 3))
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(range(1, 10), copying, "o-", color=ORANGE, label="copy of the first picture")
axis.plot(range(1, 10), error, "o-", color=BLUE, label="dream")
axis.set(xlabel="steps dreamed", ylabel="mean squared error", ylim=0)
axis.legend(frameon=False, loc="center right")
plt.show()
print(f"the dream's error is {error.mean() / copying.mean():.1%} of the copy's")

# %% [markdown]
# ## 3. Where the model is surprised
#
# The KL from posterior to prior is the information in a picture that the model did not foresee. Only the column of a new
# ball is random: the first picture is worth log 5 = 1.61 nats, and all others nothing. That is the shape of the bars.
#
# The first bar is often higher than it need be. Pictures drawn from the **prior**, what the model expects before it has seen
# anything of an episode, show why: the ball is smeared over several columns. The prior draws each of the 8 variables on its own;
# if several of them tell the column, as section 4 shows, they contradict each other, and every one of them costs KL. This
# preset weighs the KL lightly (0.02), so that there is little to gain from tidying up.

# %%
surprise = estimators.categorical_kl(posterior.params, prior).numpy().mean(1)
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.bar(range(10), surprise, color=BLUE)
axis.axhline(np.log(5), color=ORANGE, linestyle="--")
axis.annotate("log 5", (9.4, np.log(5)), (0, 4), textcoords="offset points", ha="right")
axis.set(xlabel="step of the episode", ylabel="KL, nats", xticks=range(10))
axis.set_axisbelow(True)
plt.show()

expected = cell.sample(prior[0], noise(1, 2)[0])
imagined = pictures(first._replace(stoch=expected, params=prior[0]))
strip({"prior": imagined[:10]}, "ten first pictures as the model expects them")

# %% [markdown]
# ## 4. What the categories mean
#
# Nobody told the model about balls and paddles. For each of its 8 latent variables we count how much its class says
# about four facts (mutual information, in nats). The ball's column is asked twice: at the first picture, when it is news,
# and later, when the recurrent part of the state can remember it and the categories need not say it again.
#
# The first row, added up, is about the KL of the first picture: with a prior that draws each variable on its own, that is what
# it costs to say the column several times over.


# %%
def information(a, b):
    """Mutual information of two arrays of small integers, in nats."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a.ravel(), b.ravel()), 1 / a.size)
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float(np.sum(joint[there] * np.log(joint[there] / apart[there])))


classes = posterior.stoch.numpy().argmax(-1)  # [10, EPISODES, 8]
column = np.broadcast_to(truth[0, :, 0].argmax(-1), (10, EPISODES))
row = np.broadcast_to(np.arange(10)[:, None], (10, EPISODES))
paddle = truth[:9, :, 9].argmax(-1)  # at the last step the ball is in this row too
facts = {
    "ball's column, first picture": (classes[:1], column[:1]),
    "ball's column, later": (classes[1:], column[1:]),
    "ball's row": (classes, row),
    "paddle's column": (classes[:9], paddle),
}
table = np.array(
    [
        [information(seen[..., i], fact) for i in range(8)]
        for seen, fact in facts.values()
    ]
)
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
axis.imshow(table, cmap="Blues", vmin=0, aspect="auto")
axis.grid(False)
axis.set_yticks(range(len(facts)), list(facts))
axis.set_xticks(range(8), [f"variable {i}" for i in range(8)], rotation=30, ha="right")
for (i, j), value in np.ndenumerate(table):
    ink = "white" if value > 0.6 * table.max() else "black"
    axis.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
plt.show()
print(f"the first picture: KL {surprise[0]:.2f} nats, first row {table[0].sum():.2f}")

# %% [markdown]
# ## 5. The actor in imagination
#
# Last, the actor plays where it learned: inside the model. Each game starts from the latent state of a real first picture;
# after that there is no environment any more, only prior states, the actor's choices and the rewards that the model
# expects. Then the same actor plays 256 real games.


# %%
def imagine(state, length, seed):
    """Lets the actor play in the model; returns the states and the rewards expected there."""
    states, actor = [state], agent.behavior.actor
    for t in range(length):
        choice = actor.head.mode(actor(cell.features(state)))
        state = cell.prior_step(
            state, cell.action_inputs(choice), noise(length, seed)[t]
        )
        states.append(state)
    states = tf.nest.map_structure(lambda *parts: tf.stack(parts), *states)
    return states, world.reward(cell.features(states)).numpy()


states, rewards = imagine(first, 9, 3)
frames = pictures(states)
strip(
    {f"game {i}: {rewards[-1, i]:+.1f}": frames[:, i] for i in range(3)},
    "three games that were never played, and the reward expected at their end",
)
real = play("greedy")[-1].reward
print(f"return in imagination {rewards[1:].sum(0).mean():+.2f}")
print(f"return in {EPISODES} real games {real.mean():+.2f}")

# %% [markdown]
# ## Where to go on
#
# - Add `kl_scale=1.0` to `agents.make` in section 1: does the first bar of section 3 come down to log 5? And with 10, does
#   the latent state still say anything?
# - Add `ablate=["no_image_gradients"]`: the latent state is then shaped by rewards alone. What does section 4 show?
# - `python -m launch.pong` dreams of Atari Pong after 20 minutes; `docs/lecture.md` has the equations.

# %%
agent.close()

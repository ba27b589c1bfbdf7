# %% [markdown]
# # MERLIN's memory
#
# A cue is shown once, at the first step. Then there are 39 steps in which nothing happens, and at the last one a choice:
# +1 for the side that the cue named, -1 for the other. While this policy learned, no gradient reached farther back than
# 20 steps. So nothing could ever teach it directly to keep the cue until it is needed.
#
# MERLIN's answer: do not wait for the reward. A *predictor* compresses what it sees into a latent state $z_t$, so that it
# can be decoded and so that the next one can be foretold, and writes every $z_t$ into a memory. A small *policy* reads that
# memory. Here we look into a policy that was trained so:
#
# 1. it plays;
# 2. one episode, with every read and write;
# 3. where the cue is, step by step;
# 4. what happens when parts are taken away, and when the corridor is longer than any it has seen.

# %%
import matplotlib.pyplot as plt
import numpy as np

import agents
import envs
from agents import evaluation, watching

POLICY = "merlin/memory-length"
# How many episodes are played, as a share: 1 takes about two minutes on two cores.
BUDGET = 1.0
EPISODES = int(200 * BUDGET)

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.grid": True})
plt.rcParams.update({"axes.spines.right": False, "grid.color": "0.9"})

# %% [markdown]
# ## 1. It plays
#
# A hundred episodes with the likeliest actions. Chance is 0, and an agent that remembers has 1.

# %%
result = evaluation.evaluate(POLICY, episodes=EPISODES // 2, num_envs=20)
print(f"{result['env']}: {result['mean']:.2f} over {result['episodes']} episodes")

# %% [markdown]
# ## 2. One episode
#
# `watch` plays an episode and notes what the agent does inside; `show` draws it (`python -m launch.watch` does both). From
# top to bottom: what the policy reads from which row of the memory, the three reads of the predictor, how often each row
# was used; the policy; the return it foretells against the one that came; the surprise at each step, as the KL from what was
# seen to what was foretold; and what can be decoded from $z_t$ beside what was there.

# %%
agent = agents.load(POLICY)
corridor = envs.make("zoo:MemoryLength40-v0", num_envs=1)
episode = watching.watch(agent, corridor, seed=3)
picture = agent.show(episode).pictures["memory"]
plt.figure(figsize=(11, 11 * picture.shape[0] / picture.shape[1]))
plt.imshow(picture)
plt.axis("off")
plt.show()
surprise = episode.inner["kl"]
print(
    f"{surprise[0]:.2f} nats at the cue, {surprise[1:].sum():.2f} in all the rest; a coin has {np.log(2):.2f}"
)

# %% [markdown]
# The first step is the only one that could surprise it, and the KL says so. At the end the policy makes up its mind.
#
# ## 3. Where the cue is
#
# A linear probe: from the latent state, the predictor's LSTM, what the predictor read and what the policy read, we guess
# the cue by least squares, trained on half of the episodes and tested on the other half. Half right is chance.


# %%
def play(agent, env, episodes, seed=0):
    """Plays `episodes` side by side; returns the cue of each, name -> [T, B, ...], and the returns."""
    rows = envs.make(env, num_envs=episodes)
    step, state = rows.reset(seed), agent.initial_state(episodes, seed)
    cue, seen, returns = step.observation["cue"][:, 2], [], np.zeros(episodes)
    while True:
        action, state, inner = agent.look(step, state, "greedy")
        seen.append(
            {
                "latent state": inner["latent"],
                "LSTM": np.reshape(state["lstm_hidden"], (episodes, -1)),
                "predictor's reads": np.asarray(state["read"]),
                "policy's read": np.asarray(state["policy_read"]),
            }
        )
        step = rows.step(action)
        returns += step.reward
        if step.is_last.all():
            parts = {key: np.stack([each[key] for each in seen]) for key in seen[0]}
            return cue, parts, returns


def probe(values, target):
    """The share of right guesses on the second half, from least squares with a small ridge on the first."""
    values = np.c_[values, np.ones(len(values))]
    half = len(values) // 2
    known, sign = values[:half], 2 * target[:half] - 1
    ridge = 1e-2 * np.eye(values.shape[1])
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ sign)
    return np.mean((values[half:] @ weights > 0) == (target[half:] > 0.5))


cue, parts, returns = play(agent, "zoo:MemoryLength40-v0", EPISODES)
plt.figure(figsize=(7, 3))
for name, values in parts.items():
    plt.plot([probe(each, cue) for each in values], label=name)
plt.axhline(0.5, color="0.5", lw=1, ls=":")
plt.ylim(0.4, 1.02)
plt.xlabel("step of the episode")
plt.ylabel("cue guessed right")
plt.legend(fontsize=8, ncols=2)
plt.show()

# %% [markdown]
# ## 4. Without its parts, and in longer corridors
#
# The same weights act with all reads set to zero, which `agents.load(..., options="use_memory=false")` does. And the same
# weights walk corridors of other lengths than the 40 steps they learned on; from the 41st step on, rows of the memory are
# written over, the least used first.

# %%
blind = agents.load(POLICY, options="use_memory=false")
for length in (10, 20, 40, 80):
    env = f"zoo:MemoryLength{length}-v0"
    scores = [play(each, env, EPISODES)[2].mean() for each in (agent, blind)]
    print(f"{length:3d} steps: {scores[0]:5.2f}; reads set to zero: {scores[1]:5.2f}")

# %% [markdown]
# Without its reads the policy is back at chance: what it acts on at the junction comes from the memory. And it learned this corridor, no
# general skill: in a shorter or longer one the clock runs at another speed, and what it reads no longer tells the cue.
#
# Go on from here: train your own with `python -m launch.merlin --task=memory_length`, its baselines with
# `--agent=rl_lstm` and `--agent=rl_mem`, and watch them with `python -m launch.watch`. All results with seeds and intervals lie in
# `scores/merlin`.

# %% [markdown]
# # Two timescales and a population
#
# Capture the flag, two against two: fetch the flag from their base and bring it to yours, while yours is at home. Nobody tells the
# players how. FTW, 'For The Win', learns it from two ideas, which this notebook looks at in a population of four that was trained
# on nothing but games against each other:
#
# 1. **a population.** Whoever wins is copied, and what the copies are rewarded for changes a little: evolution finds the rewards;
# 2. **two timescales.** A slow network sets, every few steps, a distribution of what the fast one may think at each step; the fast
#    one pays for going elsewhere.
#
# Jaderberg et al. 2019, *Science* 364 ([arXiv 1807.01281](https://arxiv.org/abs/1807.01281)).

# %%
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import agents
import envs
from agents import matches
from agents.ftw import knowledge
from envs import ctf_facts
from envs.ctf_rules import EVENTS
from launch import league, sides

LEAGUE = pathlib.Path("scores/ftw/ctf-league/league")
# How many games are played, as a share: 1 takes about two minutes on two cores.
BUDGET = 1.0
GAMES = max(4, int(100 * BUDGET))

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.grid": True})
plt.rcParams.update({"axes.spines.right": False, "grid.color": "0.9"})


def thousands(games, _):
    """10000 as 10k."""
    return f"{games / 1000:.0f}k" if games else "0"


# %% [markdown]
# ## 1. The league
#
# Elo ratings count wins alone, and internal rewards never reach them. An arrow in the second picture leads from the member that was
# copied to the one that copied it. (`python -m launch.league` shows the same of a run while it trains.)

# %%
shown = league.read(LEAGUE)
colours = plt.get_cmap("tab10").colors


def over_games(key):
    """Member -> (games, values) of a metric."""
    found = {}
    for member in range(shown.members):
        name = shown.of_member(member, key)
        there = [(r["games"], r[name]) for r in shown.records if name in r]
        found[member] = np.array(there).T
    return found


figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(9, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
)
for member, (games, elo) in over_games("elo").items():
    top.plot(games, elo, color=colours[member], label=f"member {member}")
    bottom.plot(games[[0, -1]], [member, member], color=colours[member], lw=3)
top.set_ylabel("Elo")
top.legend(fontsize=8, ncols=4)
for copy in shown.league["lineage"]:
    bottom.annotate(
        "",
        (copy["games"], copy["member"]),
        (copy["games"], copy["parent"]),
        arrowprops={"arrowstyle": "-|>", "color": colours[copy["parent"]]},
    )
bottom.set_yticks(range(shown.members), [f"member {m}" for m in range(shown.members)])
bottom.set_ylim(shown.members - 0.5, -0.5)
bottom.set_xlabel("games of the league")
bottom.xaxis.set_major_formatter(thousands)
plt.show()
for sentence in list(league.sentences(shown))[-5:]:
    print(sentence)

# %% [markdown]
# ## 2. What evolved
#
# Every member began with numbers of its own. A copy takes its parent's and changes some of them by a fifth, up or down; the slow
# network's period is drawn anew. On the right the internal rewards that each member ended with, in the order of the league.

# %%
figure = plt.figure(figsize=(11, 5), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[3, 2])
keys = ["learning_rate", "entropy_scale", "kl_scale", "period"]
for axis, key in zip(left.subplots(2, 2).flat, keys, strict=True):
    for member, (games, values) in over_games(key).items():
        axis.plot(games, values, color=colours[member], drawstyle="steps-post")
    axis.set_title(key.replace("_", " "), fontsize=9)
    axis.xaxis.set_major_formatter(thousands)
    if key in ("learning_rate", "kl_scale"):
        axis.set_yscale("log")
        axis.yaxis.set_minor_formatter("")
axis = right.subplots()
ranking = shown.ranking()
rewards = [
    [shown.latest(shown.of_member(m, f"rewards_{i}")) for m in ranking]
    for i in range(len(EVENTS))
]
axis.imshow(rewards, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
axis.set_yticks(range(len(EVENTS)), [e.replace("_", " ") for e in EVENTS], fontsize=7)
axis.set_xticks(range(shown.members), [f"member {m}" for m in ranking], fontsize=7)
axis.grid(visible=False)
axis.set_title("internal rewards: blue good, red bad", fontsize=9)
plt.show()

# %% [markdown]
# ## 3. They play
#
# The best member against scripted teams, which see the whole game, and against the league's last. Half of the games with sides
# changed; a draw is no win.

# %%
best, last = ranking[0], ranking[-1]
games = envs.make("ctf:small", num_envs=4 * min(GAMES // 2, 50))
first = sides.load(str(LEAGUE / f"member{best}")).side
for name in ("random", "defender", "attacker", str(LEAGUE / f"member{last}")):
    tally = matches.play(first, sides.load(name).side, games, GAMES, seed=1)
    low, high = matches.interval(tally.won, tally.games)
    print(
        f"against {pathlib.Path(name).name:9}: won {tally.won / tally.games:.0%} ({low:.0%} to {high:.0%}), "
        f"drawn {tally.drawn / tally.games:.0%}, lost {tally.lost / tally.games:.0%}"
    )

# %% [markdown]
# ## 4. Two timescales
#
# One game, seen from its first player. The slow network moves at the ticks, the gray lines, and holds the distribution P until the
# next. The curve is the mean squared distance of $z_t$, what the fast network thinks, from the mean of P in its standard deviations:
# 1 where the fast network adds nothing to the slow one, more where what it sees makes it think otherwise. Below, what happened.

# %%
agent = agents.load(LEAGUE / f"member{best}")
one = envs.make("ctf:small", num_envs=4)
step, state = one.reset(seed=5), agent.initial_state(4, 5)
period = int(agent.hyper["period"].numpy())
distance, happened = [], []
while True:
    happened.append(step.info["events"][0])
    action, state = agent.act(step, state, "sample")
    mean, std = np.split(np.asarray(state["prior"][0]), 2)
    distance.append(np.mean(((np.asarray(state["latent"][0]) - mean) / std) ** 2))
    if step.is_last[0]:
        break
    step = one.step(action)
happened = np.array(happened)
seen = [i for i in range(len(EVENTS)) if happened[:, i].any()]

figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(11, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
)
top.plot(distance, color="#D55E00")
top.axhline(1, color="0.4", ls=":", lw=1)
top.set_ylabel("distance of z from P")
for axis in (top, bottom):
    for tick in range(0, len(distance), period):
        axis.axvline(tick, color="0.8", lw=0.8, zorder=0)
for row, i in enumerate(seen):
    bottom.plot(np.flatnonzero(happened[:, i]), [row] * int((happened[:, i] != 0).sum()), "o")  # fmt: skip
bottom.set_yticks(range(len(seen)), [EVENTS[i].replace("_", " ") for i in seen])
bottom.set_xlabel(f"step of the game; a tick every {period} steps")
plt.show()

# %% [markdown]
# ## 5. What it knows
#
# Can a straight line through the recurrent state tell whether something is so? Balanced accuracy over games that the line was not
# fitted on: half is guessing. Next to it the same of a net that learned nothing: a random recurrent net, too, remembers some of
# what it sees.

# %%
new = agents.make("ftw", one.spaces, preset="ctf")
games = envs.make("ctf:small", num_envs=4 * max(8, int(40 * BUDGET)))
told = [knowledge.knowledge(knowledge.collect(each, games)) for each in (agent, new)]
names = [name for name in ctf_facts.FACTS if None not in (t[name] for t in told)]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for offset, (found, label) in enumerate(zip(told, ("trained", "new"), strict=True)):
    places = np.arange(len(names)) + 0.35 * offset
    axis.barh(places, [found[name] for name in names], 0.33, label=label)
axis.set_yticks(np.arange(len(names)) + 0.17, names, fontsize=8)
axis.set_xlim(0.45, 1)
axis.invert_yaxis()
axis.legend(fontsize=8)
axis.set_xlabel("balanced accuracy")
plt.show()

# %% [markdown]
# Go on from here: `python -m launch.ftw --env=ctf:small --population=4` trains a league of your own, `python -m launch.league` shows it
# while it runs, and `python -m launch.tournament` has everybody play everybody. Results with intervals lie in `scores/ftw`.

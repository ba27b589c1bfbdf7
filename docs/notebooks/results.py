# %% [markdown]
# # Results and ablations
#
# Every result of the zoo is a folder `scores/AGENT/NAME/` with a `score.json`: all seeds that were started, their curves, the
# final return over fresh evaluation episodes, and the command that repeats it. This notebook reads whatever is there and
# draws it beside the published numbers, `scores/published.json`. Nothing is trained; it takes seconds.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

from agents import policy, score

try:
    from rliable import library as rliable
except ImportError:  # the extra `plots` brings it
    rliable = None

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.grid": True})
plt.rcParams.update({"axes.spines.right": False, "grid.color": "0.9"})
plt.rcParams.update({"axes.axisbelow": True})
BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#777777"
COLOURS = [BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444"]

results = []
for path in sorted(policy.SCORES.glob("**/score.json")):
    if "seeds" in json.loads(path.read_text()):  # others hold tables, not runs
        results.append({"ablate": []} | score.read(path))
published = json.loads((policy.SCORES / "published.json").read_text())
print(f"{len(results)} result(s) here, {len(published['results'])} published curves")

# %% [markdown]
# ## What was reached
#
# `random` is the return of random play, `bar` what was asked for before the runs began, `mean` the mean over seeds of the final
# returns. A seed that failed counts like any other.


# %%
def text(value):
    return "-" if value is None else f"{value:.4g}"


columns = ("result", "environment", "seeds", "steps", "random", "bar", "mean", "hours")
rows = [
    (
        f"{each['agent']}/{each['name']}",
        each["env"],
        len(each["seeds"]),
        f"{max(seed['env_steps'] for seed in each['seeds']):,}",
        *(text(each[key]) for key in ("random", "bar", "mean", "wall_hours")),
    )
    for each in results
]
widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(8)]
for row in [columns, *rows]:
    print("  ".join(str(cell).ljust(n) for cell, n in zip(row, widths, strict=True)))

# %% [markdown]
# ## Learning curves
#
# The line is the mean over seeds, thin lines are the seeds, the band is the 95 % bootstrap interval of the mean (by
# [rliable](https://github.com/google-research/rliable) where it is installed; with fewer than three seeds it reaches from the worst to
# the best, which is no interval of anything). Gray: the published curve, where there is one, as far as the run goes.


# %%
def bootstrap(values):
    """95 % interval of the mean over seeds: [seeds, N] -> low [N], high [N]."""
    if len(values) < 3:
        return values.min(0), values.max(0)
    if rliable is not None:
        stacked = {"all": values[:, None, :]}  # seeds, tasks, points
        _, bounds = rliable.get_interval_estimates(
            stacked, lambda each: each.mean((0, 1)), reps=2_000
        )
        return bounds["all"]
    picks = np.random.default_rng(0).integers(len(values), size=(2_000, len(values)))
    return np.percentile(values[picks].mean(1), [2.5, 97.5], axis=0)


def curves(result, points=40):
    """Returns x [N] and the returns [seeds, N] of all seeds at it, as far as all have come."""
    seeds = [np.array(seed["curve"], float).T for seed in result["seeds"]]
    start, end = max(x[0] for x, _ in seeds), min(x[-1] for x, _ in seeds)
    x = np.linspace(start, end, points)
    return x, np.stack([np.interp(x, *seed) for seed in seeds])


def published_curve(env, until):
    """Returns label, x and y of a published curve in environment steps; None where there is none."""
    for each in published["results"]:
        if each["env"].lower() == env.lower():
            frames, returns = np.array(each["curve"], float).T
            steps = frames / each["frames_per_step"]
            count = int(np.searchsorted(steps, until)) + 1
            return f"published, seeds: {each['seeds']}", steps[:count], returns[:count]
    return None


def draw(axis, result, colour, label):
    x, y = curves(result)
    axis.plot(x, y.T, color=colour, alpha=0.3, linewidth=0.8)
    axis.fill_between(x, *bootstrap(y), color=colour, alpha=0.15, linewidth=0)
    axis.plot(x, y.mean(0), color=colour, linewidth=2, label=label)


environments = sorted({each["env"] for each in results})
height = -(-len(environments) // 2)
figure, axes = plt.subplots(
    height, 2, figsize=(10, 3.6 * height), squeeze=False, layout="constrained"
)
for axis, env in zip(axes.flat, environments, strict=False):
    here = [each for each in results if each["env"] == env and not each["ablate"]]
    for result, colour in zip(here, COLOURS * len(here), strict=False):
        draw(axis, result, colour, f"{result['name']}, seeds: {len(result['seeds'])}")
        for name in ("random", "bar"):
            if result[name] is not None:
                axis.axhline(result[name], color=GRAY, linewidth=1, linestyle="--")
                axis.text(0, result[name], f" {name}", fontsize=9, va="bottom")
    theirs = published_curve(env, axis.get_xlim()[1])
    if theirs is not None:
        axis.plot(*theirs[1:], "o--", color=GRAY, label=theirs[0])
    axis.set_title(env, loc="left", fontsize=11)
    axis.set(xlabel="environment steps", ylabel="return", xlim=(0, None))
    axis.legend(frameon=False, fontsize=9)
for axis in axes.flat[len(environments) :]:
    axis.remove()
plt.show()

# %% [markdown]
# ## Ablations
#
# Table 2 of the paper takes one part of DreamerV2 away at a time. The bars are its gamer-normalised medians, at 200
# million frames of 55 games. Below them stands what was run here, on small environments and with few seeds: the
# difference to the full agent in the return in training, at steps that both have reached. An interval that reaches over
# zero says that these runs cannot tell.

# %%
PAPER = {
    "(all of DreamerV2)": 1.64,
    "no_layer_norm": 1.66,
    "no_reward_gradients": 1.68,
    "no_discrete_latents": 0.85,
    "no_kl_balancing": 0.87,
    "no_policy_reinforce": 0.72,
    "no_image_gradients": 0.05,
}
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
bars = axis.barh(list(PAPER), list(PAPER.values()), color=[BLUE] + 6 * [ORANGE])
axis.bar_label(bars, fmt="%.2f", padding=3)
axis.invert_yaxis()
axis.set_title("the paper's table 2: gamer median", loc="left", fontsize=11)
plt.show()


# %%
def late(result, until):
    """Each seed's mean return in training during the last fifth of the first `until` steps."""
    seeds = [np.array(seed["curve"], float) for seed in result["seeds"]]
    return np.array(
        [
            y[(x > 0.8 * until) & (x <= until)].mean()
            for x, y in (each.T for each in seeds)
        ]
    )


def steps_of(result):
    return min(seed["curve"][-1][0] for seed in result["seeds"])


def difference(ablated, full):
    """Mean difference, its 95 % bootstrap interval, and the steps up to which both have come."""
    until = min(steps_of(ablated), steps_of(full))
    values = [late(each, until) for each in (ablated, full)]
    draws = np.random.default_rng(0)
    means = [draws.choice(each, (2_000, len(each))).mean(1) for each in values]
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    return values[0].mean() - values[1].mean(), low, high, until


ablated = [each for each in results if each["ablate"]]
for each in ablated:
    same = ("agent", "env", "preset")
    full = [
        other
        for other in results
        if not other["ablate"] and all(other[key] == each[key] for key in same)
    ]
    title = f"{each['env']}, {', '.join(each['ablate'])}, {len(each['seeds'])} seeds"
    if full:
        mean, low, high, until = difference(each, full[0])
        print(f"{title}: {mean:+.2f} [{low:+.2f}, {high:+.2f}] by {until:,} steps")
    else:
        print(f"{title}: {each['mean']:.2f}, with no full agent to compare to")
if not ablated:
    print(
        "No ablations have been run here yet: python -m launch.dreamerv2 --ablate=..."
    )

# %% [markdown]
# ## The published curves, and patience
#
# Slide 20's measure, made again from the published means: the gamer-normalised return is 0 for random play and 1 for a human
# gamer. The median over 55 games needs 20 million frames to reach the human; the first million says little. Who trains
# for a day on a laptop looks at the left edge of this picture.


# %%
def at(result, frames):
    """Published mean return at a number of frames."""
    return dict(map(tuple, result["curve"]))[frames]


games = [each for each in published["results"] if "levels" in each]
budgets = [frames for frames, _ in games[0]["curve"]]
level = {
    key: np.array([each["levels"][key] for each in games])
    for key in ("random", "gamer", "iqn", "rainbow", "dqn")
}
returns = np.array([[at(each, frames) for each in games] for frames in budgets])
span = level["gamer"] - level["random"]
normalised = (returns - level["random"]) / span
medians = np.median(normalised, 1)

figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
axis.plot(budgets, medians, "o-", color=BLUE, label="DreamerV2, median of 55 games")
axis.fill_between(
    budgets,
    *np.percentile(normalised, [25, 75], axis=1),
    color=BLUE,
    alpha=0.15,
    label="the middle half of the games",
)
axis.axhline(1, color=GRAY, linestyle="--", linewidth=1)
axis.text(budgets[0], 1.05, "human gamer", fontsize=9)
axis.set(xscale="log", xlabel="frames", ylabel="gamer-normalised return", ylim=(0, 6))
axis.legend(frameon=False, loc="upper left")
plt.show()
print(f"median at 200 million frames {medians[-1]:.2f} (the paper's table 1: 2.15)")
for name in ("iqn", "rainbow", "dqn"):
    median = np.median((level[name] - level["random"]) / span)
    print(f"  {name} {median:.2f}")

# %% [markdown]
# Which games move first? The published return within the first 5 million frames, on the way from random play to what
# DreamerV2 reaches in the end. For a short run take one that is high here.

# %%
start, end = level["random"], returns[-1]
gain = (returns - start) / np.where(end > start, end - start, np.nan)
early = budgets.index(5_000_000)
order = [i for i in np.argsort(-gain[early]) if np.isfinite(gain[early, i])]
shown = order[:12] + [i for i in order[12:] if games[i]["env"] == "atari:Pong"]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
names = [games[i]["env"].removeprefix("atari:") for i in shown]
axis.barh(names, gain[early, shown], color=BLUE, label="after 5 million frames")
axis.barh(names, gain[0, shown], color=ORANGE, label="after 1 million", height=0.4)
axis.invert_yaxis()
axis.set(xlim=(0, 1.1), xlabel="share of the way to the return at 200 million frames")
axis.legend(frameon=False, loc="lower right")
plt.show()

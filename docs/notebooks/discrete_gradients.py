# %% [markdown]
# # Gradients through discrete choices
#
# A network computes logits, a dice is thrown with them, and what comes of the throw has a cost. How should the logits
# change? The throw has no derivative. This notebook shows, in under three minutes on two cores,
#
# 1. what *Gumbel-Softmax* does about it: samples that are nearly, but not quite, a choice;
# 2. how far the gradients of several estimators are from the exact one, which small problems allow to compute;
# 3. the bargain that all of them offer, bias against variance;
# 4. one cell of Table 1 of Jang et al. 2017 ([arXiv 1611.01144](https://arxiv.org/abs/1611.01144)): the lower half of a digit from
#    its upper half, learned by Gumbel-Softmax and by REINFORCE.
#
# There is one knob, the temperature. Turn it and run everything again.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from PIL import Image

import estimators
from agents import datasets
from agents.gumbel_softmax import pictures
from agents.gumbel_softmax.config import GumbelSoftmaxConfig
from agents.gumbel_softmax.model import GumbelSoftmaxModel

TEMPERATURE = 1.0  # the knob

# The share of the computing to do: 1 takes one to three minutes on two cores.
BUDGET = 1.0
# A folder with MNIST's four files, or with its fixed binarisation; empty: Keras downloads MNIST once.
DATA_DIR = os.environ.get("ZOO_DATA_DIR", "")

plt.rcParams.update({"figure.dpi": 80, "axes.spines.top": False, "axes.grid": True})
plt.rcParams.update({"axes.spines.right": False, "grid.color": "0.9"})
plt.rcParams.update({"axes.axisbelow": True, "font.size": 11})
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#444444"]
BLUE, ORANGE = COLOURS[:2]

# %% [markdown]
# ## 1. Nearly a choice
#
# Add Gumbel noise to the logits, and the largest entry is a choice with exactly the softmax's probabilities. Take a softmax of the
# sum instead of the largest entry, and there is a derivative. The temperature says how soft: each point below is one
# sample of three classes, at the corner where it is a clean choice. The noise is the same in all pictures; only T changes.

# %%
probabilities = np.array([0.5, 0.3, 0.2], np.float32)
corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
logits = np.broadcast_to(np.log(probabilities), [400, 3])
noise = estimators.gumbel_noise([400, 3], seed=[0, 0])

figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
shown = sorted({5.0, 1.0, 0.3, 0.05, TEMPERATURE}, reverse=True)
shown = shown if len(shown) == 4 else [t for t in shown if t != 5.0]
for axis, temperature in zip(axes, shown, strict=True):
    y = estimators.gumbel_softmax(logits, noise, temperature).numpy()
    axis.fill(*corners.T, facecolor="0.97", edgecolor="0.2")
    for k in range(3):
        places = y[y.argmax(1) == k] @ corners
        axis.scatter(*places.T, s=9, alpha=0.5, color=COLOURS[k], linewidths=0)
        offset = (0, 6) if k == 2 else (0, -12)
        axis.annotate(
            f"{probabilities[k]:.0%}",
            corners[k],
            offset,
            textcoords="offset points",
            ha="center",
            color=COLOURS[k],
        )
    axis.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1.0))
    knob = " (the knob)" if temperature == TEMPERATURE else ""
    axis.set_title(f"T = {temperature:g}{knob}", loc="left", fontsize=11)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## 2. Estimates beside the exact gradient
#
# A choice of one of four classes costs $f(z) = e^{1.5 \, w \cdot z}$, with $w = (0.1, 0.9, -0.5, 1.4)$. With four classes
# `estimators.exact` can sum over all of them. An estimator sees one throw at a time; the bars are the mean of many estimates, the
# whiskers the standard deviation of a *single* one. Gray is the truth.
#
# - **REINFORCE** with a baseline needs only the value of $f$. The bars are right, the whiskers long.
# - **Straight-through** pretends that the sample were the probabilities: short whiskers, wrong bars.
# - **Gumbel-Softmax** evaluates $f$ at the soft sample: T decides where between the two it stands.
# - **ReinMax** is straight-through to second order: exact if $f$ is quadratic, which this one is not.

# %%
toy = estimators.toys.TOYS["one of four"]
cost = toy.cost("exponential")
exact = estimators.exact.expectation(toy.logits, cost)
contenders = {
    "REINFORCE, baseline": ("score_function", {"baseline": exact.value}),
    "Straight-through": ("straight_through", {}),
    f"Gumbel-Softmax, T = {TEMPERATURE:g}": (
        "gumbel_softmax",
        {"temperature": TEMPERATURE},
    ),
    "ReinMax": ("reinmax", {}),
}
DRAWS = max(int(100_000 * BUDGET), 5_000)


def quality(name, options):
    """Bias and variance of an estimator here."""
    return estimators.exact.quality(name, toy.logits, cost, draws=DRAWS, **options)


figure, axes = plt.subplots(1, 4, figsize=(11, 3), sharey=True, layout="constrained")
for axis, (label, (name, options)) in zip(axes, contenders.items(), strict=True):
    found = quality(name, options)
    deviation = found.standard_error[0] * np.sqrt(found.draws)
    place = np.arange(4)
    axis.bar(place - 0.2, exact.gradient[0], 0.4, color="0.7", label="exact")
    axis.bar(
        place + 0.2,
        found.mean[0],
        0.4,
        color=BLUE,
        yerr=deviation,
        error_kw={"elinewidth": 1, "ecolor": "0.3"},
        label="mean estimate",
    )
    axis.axhline(0, color="0.3", linewidth=0.8)
    axis.set_title(label, loc="left", fontsize=11)
    axis.set(xticks=place, xticklabels=["w=.1", ".9", "-.5", "1.4"])
    print(f"{label:28} bias {found.bias:.3f}  variance {found.variance:.2f}")
axes[0].legend(frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# ## 3. The bargain
#
# The same, for many temperatures and more estimators. To the left is better, and so is further down; nobody is in the corner. The
# mean of n estimates has the error bias² + variance / n: with few throws per update the variance counts, with many the bias.
#
# - **Gumbel-Softmax** buys bias for variance, all the way. The ring is your temperature.
# - **Straight-through Gumbel-Softmax** shows $f$ a clean choice and takes the soft gradient. It is best at some middle
#   temperature; colder, its bias comes *back*.
# - **Gumbel-Rao** averages the soft gradient over noise that would have led to the same choice: same bias, less variance.
# - Estimators without bias stand at the left. RLOO throws twice for each estimate, MuProp evaluates $f$ twice.

# %%
sweeps = {
    "Gumbel-Softmax": "gumbel_softmax",
    "ST Gumbel-Softmax": "st_gumbel_softmax",
    "Gumbel-Rao": "gumbel_rao",
}
temperatures = [4.0, 2.0, 1.0, 0.5, 0.25, 0.125]
unbiased = {
    "REINFORCE": ("score_function", {}),
    "with baseline": ("score_function", {"baseline": exact.value}),
    "RLOO": ("rloo", {}),
    "MuProp": ("muprop", {}),
}
figure, (left, axis) = plt.subplots(
    1,
    2,
    figsize=(9, 5),
    sharey=True,
    layout="constrained",
    gridspec_kw={"width_ratios": [1, 2.6]},
)
for (label, name), colour, marker in zip(sweeps.items(), COLOURS, "os^", strict=False):
    found = [quality(name, {"temperature": t}) for t in temperatures]
    axis.plot(
        [each.bias for each in found],
        [each.variance for each in found],
        f"{marker}-",
        color=colour,
        label=label,
    )
    if name == "gumbel_softmax":
        for i, offset in ((0, -3), (1, -3), (2, -3), (-1, 6)):
            axis.annotate(
                f"T={temperatures[i]:g}",
                (found[i].bias, found[i].variance),
                (-10, offset),
                textcoords="offset points",
                ha="right",
                fontsize=9,
                color=colour,
            )
mine = quality("gumbel_softmax", {"temperature": TEMPERATURE})
axis.plot(mine.bias, mine.variance, "o", ms=15, mfc="none", mec=BLUE, mew=2)
for label, name, marker in (
    ("Straight-through", "straight_through", "v"),
    ("ReinMax", "reinmax", "D"),
    ("DARN", "darn", "X"),
):
    found = quality(name, {})
    axis.plot(found.bias, found.variance, marker, color="0.2", ms=8, label=label)
axis.set(xscale="log", yscale="log", xlabel="bias", xlim=(0.02, 0.9))
axis.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
axis.set_xticks([], minor=True)
axis.set_title("with a bias", loc="left", fontsize=11)
axis.legend(frameon=False, fontsize=9, loc="lower left")
for place, (name, options) in enumerate(unbiased.values()):
    left.plot(place, quality(name, options).variance, "o", color="0.2", ms=7)
left.set_xticks(range(len(unbiased)), list(unbiased), rotation=60, ha="right")
left.set(xlim=(-0.5, len(unbiased) - 0.5), ylabel="variance")
left.set_title("without", loc="left", fontsize=11)
plt.show()

# %% [markdown]
# ## 4. One cell of Table 1
#
# Now in earnest: 392 pixels of the upper half of a digit set 200 bits by chance, these set another 200 bits by chance, and those say how
# likely each of the 392 pixels of the lower half is black. All the dice are thrown anew for every digit at every update, and the surprise
# about the true lower half is the cost. We train the same net by two estimators, each for 12,000 updates. The paper's figures run to
# some 500,000.

# %%
data = datasets.binarized_mnist(DATA_DIR)
print(f"{len(data.train):,} digits, {data.source}")
mean = data.train.mean(0, dtype=np.float64).astype(np.float32)
UPDATES = max(int(240 * BUDGET), 2) * 50


def train(estimator):
    """Returns the trained model, and the mean surprise of every 50 updates in nats."""
    config = GumbelSoftmaxConfig(
        task="sbn",
        latent="bernoulli",
        estimator=estimator,
        learning_rate=3e-3,
        temperature=str(TEMPERATURE),
    )
    model = GumbelSoftmaxModel(config, mean, seed=0)
    rng, losses = np.random.default_rng(0), []
    while model.updates < UPDATES:
        batches = data.train[rng.integers(len(data.train), size=(50, 100))]
        losses.append(model.updates_on(batches)["loss"])
    return model, losses


models, curves = {}, {}
for estimator in ("gumbel_softmax", "score_function"):
    models[estimator], curves[estimator] = train(estimator)

names = {
    "gumbel_softmax": f"Gumbel-Softmax, T = {TEMPERATURE:g}",
    "score_function": "REINFORCE",
}
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for (estimator, losses), colour in zip(curves.items(), COLOURS, strict=False):
    x = 50 * (1 + np.arange(len(losses)))
    axis.plot(x, losses, color=colour, label=names[estimator])
axis.set(xlabel="updates", ylabel="surprise, nats", ylim=(60, 150))
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# The curve of Gumbel-Softmax is that of *soft* samples, which tell the next layer more than a choice could; so what counts is
# measured with clean choices, on digits that neither has seen: the surprise of one throw, and the bound with 100 throws,
# $-\log \frac{1}{100} \sum_i p(x \mid z_i)$. After 100,000
# updates and with 1000 throws this net reaches 59.2 with Gumbel-Softmax and 71.9 with REINFORCE; the paper has 58.5 and 72.0. All of
# the table, made here and in the paper: [scores/gumbel_softmax](../../scores/gumbel_softmax/table1/table.md).

# %%
rng = np.random.default_rng(1)
some = data.test[rng.permutation(len(data.test))[: max(int(500 * BUDGET), 50)]]
for estimator, model in models.items():
    found = model.evaluate(some, samples=100)
    print(
        f"{names[estimator]:24} one throw {found['nll_1']:6.1f}   "
        f"of 100 throws {found['nll']:6.1f} nats"
    )

# %% [markdown]
# What it learned: the top row are digits of the test set. Below, each column keeps the upper half and draws the lower half anew, six
# throws of the dice. Ambiguous upper halves get different ends.

# %%
for estimator, model in models.items():
    page = pictures.draw(model.nets, some[:14], seed=0)["completions"]
    print(names[estimator])
    large = Image.fromarray(page).resize((2 * page.shape[1], 2 * page.shape[0]), 0)
    display(large, include=["image/png"])

# %% [markdown]
# ## Where to go on
#
# - `TEMPERATURE = 0.1`: the bias of section 2 is gone, but the noise of section 3 is 30 times as high. Does section 4 learn faster?
#   With 5.0 it gets easier on soft samples, and worse on real choices: compare the curve with the two numbers below it.
# - Put `"rloo"` or `"straight_through"` in place of `"score_function"` in section 4, or `task="vae"`, and `reconstructions` in place
#   of `completions`.
# - Your own cost: replace `cost` in section 2 by any function of $z$; nothing else changes.
# - `estimators/README.md` says which estimator to take when; `python -m launch.gumbel_softmax` trains cells of the table properly;
#   `docs/lecture.md` has the equations.

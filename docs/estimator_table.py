"""Writes the tables of estimators/README.md from scores/: a part of `make estimators`."""

import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "estimators" / "README.md"
MEASURED = ROOT / "scores" / "estimators" / "toys" / "estimators.json"
TRAINED = ROOT / "scores" / "gumbel_softmax" / "table1" / "score.json"
START = "<!-- written by `make estimators` from here -->"
END = "<!-- to here -->"
CERTAIN = 4  # standard errors from which on a bias is no noise


class Text(NamedTuple):
    """What cannot be measured, and which measured row stands for the estimator."""

    label: str
    formula: str
    when: str


TEXTS: Mapping[str, Text] = {
    "score_function": Text(
        "REINFORCE, baseline E f",
        "(f(z) − b) (z − p)",
        "f is a black box; only ever with a baseline (here the mean cost, known): with a good one, the best that needs no f′",
    ),
    "nvil": Text(
        "NVIL",
        "(f(z) − c − b(x)) (z − p) / max(1, s)",
        "as above, where the input x foretells the cost; the scale keeps learning rates portable",
    ),
    "rloo": Text(
        "RLOO, 2 samples",
        "mean_i (f_i − mean_{j≠i} f_j) (z_i − p)",
        "black box without a baseline, several evaluations are cheap: nothing to tune",
    ),
    "vimco": Text(
        "VIMCO, 2 samples",
        "Σ_i (B − B_{−i}) (z_i − p)",
        "the objective itself is a bound of several samples",
    ),
    "muprop": Text(
        "MuProp",
        "(f(z) − f(p) − f′(p)·(z − p)) (z − p) + J(p) f′(p)",
        "f is nearly linear; strongly curved costs make it worse than a baseline",
    ),
    "rebar": Text(
        "REBAR, learned",
        "RELAX with c(v) = η f(softmax(v / T))",
        "no bias is allowed and f is differentiable, also between the corners",
    ),
    "relax": Text(
        "RELAX, learned",
        "(f(z) − c(ṽ)) (z − p) + ∂c(v) − ∂c(ṽ)",
        "as REBAR, with a network that may learn more than f relaxed; also for black boxes",
    ),
    "arm": Text(
        "ARM", "(f(b) − f(b̃)) (½ − u)", "take `disarm`: never a lower variance"
    ),
    "disarm": Text(
        "DisARM",
        "½ (f(b) − f(b̃)) (b − b̃) σ(abs(logits))",
        "bits and a black box without a baseline: the best pair of evaluations",
    ),
    "darn": Text(
        "DARN",
        "bits: f′_i(z) (z_i − ½) (z_i − p_i); classes: (f′(z)·(z − 1/K)) (z − p)",
        "for comparison; on bits it is `reinmax`, on more than two classes a bad choice",
    ),
    "straight_through": Text(
        "Straight-through, T = 1",
        "J(p) f′(z)",
        "large nets that adapt to it (DreamerV2): cheap, little noise, and nothing to tune",
    ),
    "slope_annealed_straight_through": Text(
        "Slope-annealed ST, slope 2",
        "a J(softmax(a logits)) f′(z)",
        "for comparison; the slope a makes samples less random as it grows",
    ),
    "gumbel_softmax": Text(
        "Gumbel-Softmax, T = 0.5",
        "J(y) f′(y) / T, y = softmax((logits + g) / T)",
        "f takes relaxed samples: at T = 1 the least error of a single estimate; T between ½ and 1, or annealed",
    ),
    "st_gumbel_softmax": Text(
        "ST Gumbel-Softmax, T = 0.5",
        "J(y) f′(z) / T",
        "f needs exact corners; more noise than the soft one at the same T",
    ),
    "gumbel_rao": Text(
        "Gumbel-Rao, 10 samples, T = 0.5",
        "mean_m J(y_m) f′(z) / T, y_m given z",
        "instead of `st_gumbel_softmax`, unless K is large: same mean, less noise, no more evaluations of f",
    ),
    "reinmax": Text(
        "ReinMax, T = 1",
        "2 J((z + p) / 2) f′(z) − ½ J(p) f′(z)",
        "f needs exact corners and is smooth; no bias where f is quadratic, but more noise than straight-through",
    ),
}


def page(text: str, measured: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Returns a README with the tables between the markers replaced.

    Args:
        text: The README.
        measured: What `launch.estimators` found on small problems.
        trained: What `launch.gumbel_softmax --table` found on MNIST.
    """
    before, rest = text.split(START)
    _, after = rest.split(END)
    lines = [*_overview(measured), "", *_numbers(measured), "", *_mnist(trained)]
    return "\n".join([before + START, "", *lines, "", END + after])


def _overview(measured: Mapping[str, Any]) -> Iterator[str]:
    rows = {row["label"]: row for row in measured["rows"]}
    yield (
        "| estimator | gradient with respect to the logits | bias | variance | f, f′ | µs | when to use |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, text in TEXTS.items():
        row = rows[text.label]
        found = row["problems"].values()
        bias = "none" if row["unbiased"] else _range(map(_bias, found))
        variance = _range(each["relative_variance"] for each in found)
        calls = f"{row['evaluations']['values']:g}, {row['evaluations']['gradients']:g}"
        times = row["cpu_us"].values()
        temperature = row["options"].get("temperature", 1.0)
        option = f", T = {temperature:g}" if temperature != 1 else ""
        yield (
            f"| `{name}`{option} | {text.formula} | {bias} | {variance} | {calls} "
            f"| {sum(times) / len(times):.1f} | {text.when} |"
        )


def _numbers(measured: Mapping[str, Any]) -> Iterator[str]:
    names = list(measured["rows"][0]["problems"])
    yield (
        f"Distance of the mean from the exact gradient and, behind the slash, variance of one estimate, both as they "
        f"come, from {measured['draws']:,} estimates each:"
    )
    yield ""
    yield " | ".join(["| as measured", *names]) + " |"
    yield "|---" * (1 + len(names)) + "|"
    for row in measured["rows"]:
        if row["sweep"]:
            continue
        cells = []
        for name in names:
            found = row["problems"][name]
            within = row["unbiased"] or found["z"] < CERTAIN
            bias = "0" if within else f"{found['bias']:.3f}"
            cells.append(f"{bias} / {found['variance']:.3g}")
        yield f"| {row['label']} | " + " | ".join(cells) + " |"
    yield ""
    yield (
        f"0: unbiased by theory, or less than four standard errors. Time on {measured['hardware']}, "
        f"{measured['batch_timed']:,} estimates at a time. Command: `{measured['command']}`."
    )


def _mnist(trained: Mapping[str, Any]) -> Iterator[str]:
    rows, paper = trained["table"], trained["reference"]
    yield (
        "And what they make of nets, on MNIST: test negative log-likelihood in nats after "
        f"{trained['updates']:,} updates, with the learning rate that suits each best, in parentheses the paper's (Jang et al. "
        "2017, table 1). SBN: the lower half of a digit from the upper one through two layers of latents; VAE: the whole digit from one. "
        "20 classes of 10, or 200 bits."
    )
    yield ""
    yield " | ".join(["| test nats", *(_model(row) for row in rows)]) + " |"
    yield "|---" + "|---:" * len(rows) + "|"
    names = dict.fromkeys(name for row in rows.values() for name in row)
    for name in names:
        cells = [_nats(rows[row].get(name), paper[row].get(name)) for row in rows]
        yield f"| `{name}` | " + " | ".join(cells) + " |"
    yield ""
    yield (
        f"One seed, three of straight-through and Gumbel-Softmax; how it was done and how far to trust it: "
        f"[scores/gumbel_softmax](../scores/gumbel_softmax/README.md). Command: `{trained['command']}`."
    )


def _model(row: str) -> str:
    task, latent = row.split("-")
    return f"{task.upper()}, {'bits' if latent == 'bernoulli' else 'classes'}"


def _nats(here: float | None, paper: float | None) -> str:
    if here is None:
        return "–"
    return f"{here:.1f}" + (f" ({paper:.1f})" if paper is not None else "")


def _bias(found: Mapping[str, float]) -> float:
    """The bias in lengths of the gradient; 0 where it may be noise."""
    return found["relative_bias"] if found["z"] >= CERTAIN else 0.0


def _range(values: Iterable[float]) -> str:
    low, *_, high = sorted(values)
    return f"{_short(low)} to {_short(high)}"


def _short(value: float) -> str:
    if not value:
        return "0"
    return (
        f"{value:.0f}"
        if value >= 9.5
        else f"{value:.1f}"
        if value >= 0.95
        else f"{value:.2f}"
    )


def main() -> None:
    """Writes the page."""
    measured, trained = (json.loads(p.read_text()) for p in (MEASURED, TRAINED))
    PAGE.write_text(page(PAGE.read_text(), measured, trained))
    print(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

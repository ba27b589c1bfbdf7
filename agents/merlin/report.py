"""What a memory does in an episode, drawn: reads, writes, usage, what was decoded, the return foretold, surprise.

Names of what `core.look` returns, per step: `reads` [K, N] and `policy_reads` [1, N], weights over the memory's rows;
`written` [N], one-hot; `usage` [N]; `latent` [Z]; `kl`, in nats; `value`; `policy` [A], probabilities; `decoded/KEY`,
what the latent state says is to be seen. A baseline has those that it has parts for.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from agents import video
from agents.api import Report, Spaces
from agents.merlin.config import MERLINConfig
from agents.watching import Watched

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _DPI = 8.0, 110
_TRUTH, _MODEL, _WRITE, _CURSOR = "#333333", "#D55E00", "#D55E00", (230, 60, 60)
_MAP = "Blues"
_STRIP = 8  # pictures of an image key
_SIDE = 420  # pixels of an episode's picture beside the panels
_FRAMES = 200  # of a video; each takes some megabytes


def show(watched: Watched, spaces: Spaces, config: MERLINConfig) -> Report:
    """Returns the picture 'memory', and the same beside the episode with a line where it is.

    Args:
        watched: The episode.
        spaces: The spaces of one row.
        config: The settings.

    Raises:
        ImportError: If matplotlib is missing.
    """
    picture, left, right = _draw(watched, spaces, config)
    frames = _beside(watched.frames, picture, left, right, len(watched.reward))
    returned = _returns(watched, config.discount)
    scalars = {
        "watched_return": float(watched.reward.sum()),
        "watched_value_error": float(
            np.abs(returned - watched.inner["value"])[:-1].mean()
        ),
    }
    return Report(scalars, {"memory": frames}, {"memory": picture})


def _returns(watched: Watched, discount: float) -> np.ndarray:
    """Returns the discounted return at each step, [T]; of an episode that was cut, the last value stands for the rest."""
    found = watched.returns(discount)
    if watched.terminated:
        return found
    ahead = np.arange(len(found))[::-1]
    return found + discount**ahead * watched.inner["value"][-1]


def _draw(
    watched: Watched, spaces: Spaces, config: MERLINConfig
) -> tuple[np.ndarray, float, float]:
    """Returns the panels as a picture, and where on it the first and the last step are, in pixels from the left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(watched, spaces, config)
    heights = [height for height, _ in panels]
    figure = Figure((_WIDTH, 0.5 + 1.12 * sum(heights)), _DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(
        len(panels), 1, sharex=True, height_ratios=heights, squeeze=False
    )[:, 0]
    for ax, (_, draw) in zip(axes, panels, strict=True):
        draw(ax)
    last = len(watched.reward) - 1
    axes[0].set_xlim(-0.5, last + 0.5)
    axes[-1].set_xlabel("step of the episode")
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    left, right = (axes[0].transData.transform((x, 0))[0] for x in (0, last))
    return picture, left, right


def _panels(
    watched: Watched, spaces: Spaces, config: MERLINConfig
) -> list[tuple[float, Any]]:
    """Returns (relative height, what draws it) from top to bottom."""
    inner, panels = watched.inner, []
    writes = inner["written"].argmax(-1) if "written" in inner else None
    if "policy_reads" in inner:
        panels.append(
            (1.2, _memory(inner["policy_reads"][:, 0], writes, "read by the policy"))
        )
    if "reads" in inner:
        for k in range(inner["reads"].shape[1]):
            title = f"read {k + 1} of {inner['reads'].shape[1]}"
            panels.append((1.0, _memory(inner["reads"][:, k], writes, title)))
        panels.append((1.0, _memory(inner["usage"], None, "usage so far")))
    actions = watched.action[:-1]
    panels.append((0.7, _choices(inner["policy"], actions, "policy")))
    panels.append(
        (
            1.0,
            _lines(
                {
                    "return": _returns(watched, config.discount)[:-1],
                    "predicted": inner["value"][:-1],
                },
                "discounted return",
            ),
        )
    )
    if "kl" in inner:
        panels.append((0.7, _bars(inner["kl"], "KL, nats")))
    for key, value in watched.observation.items():
        decoded = inner.get(f"decoded/{key}")
        if decoded is None:
            continue
        truth = value / 255 if value.dtype == np.uint8 else value.astype(np.float32)
        if truth.ndim == 4:
            panels.append((1.6, _strip(truth, decoded, key)))
        elif key in spaces.factors:
            panels.append((0.8, _choices(truth, None, f"{key}: seen")))
            panels.append((0.8, _choices(decoded, None, f"{key}: decoded")))
        else:
            panels.append((0.8, _parts(truth, decoded, key)))
    return panels


def _memory(weights: np.ndarray, writes: np.ndarray | None, title: str) -> Any:
    def draw(ax: "Axes") -> None:
        from matplotlib.colors import PowerNorm

        # Small weights, which are many, stay visible beside a large one.
        scale = PowerNorm(0.5, 0, max(weights.max(), 1e-6))
        ax.imshow(
            weights.T, aspect="auto", cmap=_MAP, interpolation="nearest", norm=scale
        )
        if writes is not None:
            ax.plot(
                np.arange(len(writes)), writes, ".", color=_WRITE, ms=3, label="written"
            )
        ax.set_ylabel("row")
        _title(
            ax,
            f"{title}; largest {weights.max():.2f}"
            + (" (dots: row written)" if writes is not None else ""),
        )

    return draw


def _choices(values: np.ndarray, chosen: np.ndarray | None, title: str) -> Any:
    def draw(ax: "Axes") -> None:
        ax.imshow(
            values.T, aspect="auto", cmap=_MAP, interpolation="nearest", vmin=0, vmax=1
        )
        if chosen is not None:
            ax.plot(np.arange(len(chosen)), chosen, ".", color=_WRITE, ms=4)
        ax.set_ylabel("class")
        _title(ax, title + (" (dots: action taken)" if chosen is not None else ""))

    return draw


def _lines(series: dict[str, np.ndarray], title: str) -> Any:
    def draw(ax: "Axes") -> None:
        for (name, values), colour in zip(
            series.items(), (_TRUTH, _MODEL), strict=False
        ):
            ax.plot(values, color=colour, label=name, lw=1.5)
        ax.legend(loc="upper left", fontsize=7, frameon=False, ncols=2)
        _title(ax, title)

    return draw


def _bars(values: np.ndarray, title: str) -> Any:
    def draw(ax: "Axes") -> None:
        ax.bar(np.arange(len(values)), values, color="#0072B2", width=0.9)
        _title(ax, title)

    return draw


def _parts(truth: np.ndarray, decoded: np.ndarray, key: str) -> Any:
    def draw(ax: "Axes") -> None:
        for i in range(truth.shape[1]):
            hidden = "" if i == 0 else "_"  # one line of each in the legend
            ax.plot(truth[:, i], color=_TRUTH, lw=1.2, label=f"{hidden}seen")
            ax.plot(decoded[:, i], "--", color=_MODEL, lw=1.2, label=f"{hidden}decoded")
        ax.legend(loc="upper left", fontsize=7, frameon=False, ncols=2)
        _title(ax, key)

    return draw


def _strip(truth: np.ndarray, decoded: np.ndarray, key: str) -> Any:
    """Some pictures as seen, and under each as decoded."""

    def draw(ax: "Axes") -> None:
        length = len(truth)
        some = np.unique(np.linspace(0, length - 1, min(_STRIP, length)).astype(int))
        half = max(length / len(some) / 2 * 0.92, 0.4)
        for t in some:
            for row, pictures in enumerate((truth, decoded)):
                shown = video.to_rgb(np.asarray(pictures[t][None], np.float32))[0]
                ax.imshow(
                    shown,
                    extent=(t - half, t + half, row + 0.97, row + 0.03),
                    aspect="auto",
                )
        ax.set_ylim(2, 0)
        ax.set_yticks([0.5, 1.5], ["seen", "decoded"])
        _title(ax, key)

    return draw


def _title(ax: "Axes", text: str) -> None:
    ax.set_title(text, fontsize=8, loc="left", pad=2)
    ax.tick_params(labelsize=7)
    ax.grid(visible=False)
    ax.yaxis.label.set_fontsize(7)


def _beside(
    frames: np.ndarray | None,
    picture: np.ndarray,
    left: float,
    right: float,
    length: int,
) -> np.ndarray:
    """Returns the episode with the panels beside it and a line where it is, [T, H, W, 3].

    Of a long episode it is every k-th step, so that T is at most `_FRAMES`, and the last.
    """
    places = np.linspace(left, right, length).astype(int)
    some = _some(length)
    large = np.zeros((len(some), 0, 0, 3), np.uint8)
    if frames is not None:
        factor = max(1, _SIDE // max(frames.shape[1:3]))
        large = frames[some].repeat(factor, 1).repeat(factor, 2)
    side, (height, width, _) = large.shape[2], picture.shape
    shape = (len(some), max(large.shape[1], height), side + width, 3)
    shown = np.full(shape, 255, np.uint8)
    shown[:, : large.shape[1], :side] = large
    shown[:, :height, side:] = picture
    for frame, x in zip(shown, places[some], strict=True):
        frame[:height, side + x : side + x + 2] = _CURSOR
    return shown


def _some(length: int) -> np.ndarray:
    """Which steps of an episode the video shows."""
    stride = -(-length // _FRAMES)
    return np.arange(length)[::-1][::stride][::-1]

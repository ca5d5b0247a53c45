"""The plots of a report, as PNG bytes; no window, no global state.

Shapes: F frames, S shots.
"""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facekit.evaluation.scores import ShotScores

__all__ = [
    "BLUE",
    "DPI",
    "GREEN",
    "INK",
    "LIKENESS_MAP",
    "LINE",
    "MARGIN",
    "RED",
    "SOFT",
    "clean_axes",
    "frame_curves",
    "likeness_bars",
    "lower_end",
    "new_plot",
    "plot_png",
    "short_labels",
    "similarity_matrix",
]

INK = "#1d2433"
SOFT = "#8b93a7"
LINE = "#e3e7ef"
BLUE = "#2f6fed"
GREEN = "#1f9d6b"
RED = "#d64545"
LIKENESS_MAP = LinearSegmentedColormap.from_list(
    "likeness", ["#b3372f", "#f2c879", "#f7f3df", "#8fcfae", "#157a52"]
)
DPI = 150
MARGIN = 0.05
"""Room below the lowest cosine of a plot, so that its dot stays whole."""


def similarity_matrix(matrix_SS: np.ndarray, names: Sequence[str], *, ceiling: float) -> bytes:
    """Draw every shot against every shot; grey where a shot has no face to compare.

    Args:
        matrix_SS: Cosines, NaN where there is none.
        names: A label per shot.
        ceiling: The photos' own likeness, the middle of the good end of the colours.
    """
    count = len(names)
    labels = short_labels(names)
    figure, axes = new_plot(5.6, 5.0)
    axes.set_facecolor("#eceff4")  # shows where a cell is masked
    picture = axes.imshow(
        np.ma.masked_invalid(matrix_SS), cmap=LIKENESS_MAP, vmin=0.0, vmax=max(ceiling, 0.5)
    )
    tilt = 0 if max(map(len, labels)) <= 3 else 55
    side = "center" if tilt == 0 else "right"
    axes.set_xticks(range(count), labels, rotation=tilt, ha=side, rotation_mode="anchor")
    axes.set_yticks(range(count), labels)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(-0.5, count), minor=True)
    axes.set_yticks(np.arange(-0.5, count), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    for i, j in np.argwhere(np.isfinite(matrix_SS)) if count <= 20 else ():
        if i != j:
            told = f"{matrix_SS[i, j]:.2f}".replace("0.", ".")
            axes.text(j, i, told, ha="center", va="center", fontsize=6.5, color=INK)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.02)
    bar.ax.tick_params(labelsize=7, length=2, color=SOFT)
    bar.outline.set_visible(False)
    return plot_png(figure)


def short_labels(names: Sequence[str]) -> list[str]:
    """Return what tells names apart in little room: their leading numbers, or their places."""
    heads = [name.partition("-")[0] for name in names]
    if len(names) <= 6 and max(map(len, names)) <= 24:
        return list(names)
    if all(head.isdigit() for head in heads) and len(set(heads)) == len(heads):
        return heads
    return [str(index + 1) for index in range(len(names))]


def likeness_bars(shots: Sequence[ShotScores], *, ceiling: float, gate: float | None) -> bytes:
    """Draw each shot's likeness as a bar, its frames as dots, ceiling and gate as lines."""
    figure, axes = new_plot(5.8, max(2.4, 0.28 * len(shots) + 0.9))
    rows = np.arange(len(shots))
    values = [shot.sim_held for shot in shots]
    colors = [_color(value, ceiling, gate) for value in values]
    axes.barh(rows, [value or 0.0 for value in values], color=colors, height=0.62, alpha=0.9)
    for row, shot in zip(rows, shots, strict=True):
        seen = shot.similarities_F[np.isfinite(shot.similarities_F)]
        axes.plot(
            seen,
            np.full(len(seen), row),
            "o",
            color=INK,
            markersize=2.4,
            alpha=0.45,
            markeredgewidth=0,
        )
        if shot.sim_held is None:
            axes.text(0.01, float(row), "not scorable", va="center", fontsize=7.5, color=SOFT)
    bottom = len(shots) - 0.5
    axes.vlines(ceiling, -0.6, bottom, color=INK, linewidth=1.2)
    axes.text(ceiling, -0.7, " ceiling", ha="left", va="bottom", fontsize=7.5, color=INK)
    if gate is not None:
        axes.vlines(gate * ceiling, -0.6, bottom, color=SOFT, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.text(gate * ceiling, -0.7, "gate ", ha="right", va="bottom", fontsize=7.5, color=SOFT)
    axes.set_yticks(rows, [shot.shot.name for shot in shots], fontsize=8)
    axes.set_ylim(bottom, -1.3)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(lower_end(shots), max(1.0, ceiling * 1.05))
    axes.set_xlabel("cosine to unseen photos", fontsize=8, color=INK)
    clean_axes(axes, grid="x")
    return plot_png(figure)


def lower_end(shots: Sequence[ShotScores]) -> float:
    """Return where an axis of cosines begins: at 0, or a little below the lowest frame."""
    seen = np.concatenate([shot.similarities_F for shot in shots])
    lowest = float(np.min(seen, initial=0.0, where=np.isfinite(seen)))
    return lowest - MARGIN if lowest < 0 else 0.0


def frame_curves(shots: Sequence[ShotScores], *, ceiling: float, fps: float) -> bytes:
    """Draw likeness over time, a panel per shot; crosses are frames that cannot be judged."""
    columns = min(4, len(shots))
    rows = -(-len(shots) // columns)
    height = 1.25 * rows + 0.5
    figure = Figure(figsize=(2.45 * columns, height), dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    longest = max(len(shot.similarities_F) for shot in shots) / fps
    low = lower_end(shots)
    for index, (axes, shot) in enumerate(zip(grid.flat, shots, strict=False)):
        seconds = np.arange(len(shot.similarities_F)) / fps
        values = shot.similarities_F
        axes.axhline(ceiling, color=INK, linewidth=0.8, alpha=0.6)
        if low < 0:
            axes.axhline(0.0, color=SOFT, linewidth=0.8)
        axes.fill_between(seconds, 0, np.nan_to_num(values), color=BLUE, alpha=0.10, linewidth=0)
        axes.plot(seconds, values, color=BLUE, linewidth=1.5, marker="o", markersize=2.6)
        lost = np.asarray([status != "scored" for status in shot.statuses])
        axes.plot(
            seconds[lost], np.zeros(int(lost.sum())), "x", color=RED, markersize=4, clip_on=False
        )
        axes.set_title(shot.shot.name, fontsize=8, color=INK, loc="left", pad=4)
        axes.set_ylim(low, 1.0)
        axes.set_yticks([*([-0.5] if low <= -0.5 else []), 0.0, 0.5, 1.0])
        axes.set_xlim(-0.03 * longest, longest * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        clean_axes(axes, grid="y")
        is_last = index + columns >= len(shots)
        axes.tick_params(labelsize=7, labelbottom=is_last)
        if is_last:
            axes.set_xlabel("seconds", fontsize=7.5, color=SOFT, labelpad=2)
    for axes in list(grid.flat)[len(shots) :]:
        axes.set_visible(False)
    figure.subplots_adjust(
        left=0.03,
        right=0.995,
        top=1 - 0.22 / height,
        bottom=0.42 / height,
        hspace=0.42,
        wspace=0.08,
    )
    return plot_png(figure)


def _color(value: float | None, ceiling: float, gate: float | None) -> str:
    if value is None:
        return SOFT
    return RED if gate is not None and value < gate * ceiling else GREEN


def new_plot(width: float, height: float) -> tuple[Figure, Axes]:
    """Begin a plot of that many inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def clean_axes(axes: Axes, *, grid: str) -> None:
    """Leave of the axes what is read: a line below and a grid along `x` or `y`."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis=grid, color=LINE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def plot_png(figure: Figure) -> bytes:
    """Draw a plot as PNG; the same plot gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    return buffer.getvalue()

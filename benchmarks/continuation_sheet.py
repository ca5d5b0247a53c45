"""The picture of the long shots: likeness over time, one line per way, and the shots below it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from facekit.evaluation.plots import BLUE, DPI, GREEN, INK, LINE, RED, SOFT
from facekit.media.files import atomic_write
from facekit.types import Clip

__all__ = ["mean_curve", "write_curves", "write_frames"]

_COLORS = {"facekit": GREEN, "identity": BLUE, "plain": RED}


def mean_curve(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Mean likeness of each second over shots, NaN where no shot has a face; float64."""
    longest = max(len(row["likeness_per_second"]) for row in rows)
    table = np.full((len(rows), longest), np.nan)
    for row, values in enumerate(each["likeness_per_second"] for each in rows):
        table[row, : len(values)] = [np.nan if value is None else value for value in values]
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    sums = np.where(known, table, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def write_curves(
    path: Path, rows: Sequence[Mapping[str, Any]], ways: Mapping[str, str], fps: float
) -> None:
    """Draw likeness over time: every shot thin, their mean thick, and the 5 % that may be lost.

    Args:
        path: A .png, replaced at once.
        rows: One per shot and way, with ``way``, ``likeness_per_second`` and ``start``.
        ways: What to call each way.
        fps: Told below the plot.

    Raises:
        OutputError: It cannot be written.
    """
    figure = Figure(figsize=(7.2, 3.6), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for way, title in ways.items():
        own = [row for row in rows if row["way"] == way]
        if not own:
            continue
        for row in own:
            values = [np.nan if each is None else each for each in row["likeness_per_second"]]
            axes.plot(np.arange(len(values)) + 0.5, values, color=_COLORS[way], lw=0.7, alpha=0.35)
        curve = mean_curve(own)
        axes.plot(np.arange(len(curve)) + 0.5, curve, color=_COLORS[way], lw=2.2, label=title)
    starts = [row["start"] for row in rows if row["start"] is not None]
    if starts:
        lowest = 0.95 * float(np.mean(starts))
        axes.axhline(lowest, color=SOFT, lw=1, ls="--")
        axes.annotate(
            "5 % below the first chunk", (0.5, lowest), (0, -9), textcoords="offset points",
            fontsize=7, color=SOFT,
        )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.set_xlim(0, None)
    axes.set_xlabel(f"seconds of one shot ({fps:g} frames each)", color=INK, fontsize=8)
    axes.set_ylabel("likeness, reporting encoder", color=INK, fontsize=8)
    axes.tick_params(labelsize=7, colors=SOFT)
    axes.grid(color=LINE, lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    figure.tight_layout()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white", metadata={"Software": None})


def write_frames(path: Path, clips: Mapping[str, Clip], columns: int = 9) -> None:
    """Put frames of one shot side by side, a row for each way, times below.

    Args:
        path: A .png, replaced at once.
        clips: What to call each way, and its clip; all of one size and speed.
        columns: Frames per row, spread evenly over the longest clip; a shorter one ends early.

    Raises:
        OutputError: It cannot be written.
    """
    longest = max(clip.num_frames for clip in clips.values())
    places = np.linspace(0, longest - 1, columns).astype(int)
    height, width = next(iter(clips.values())).frames.shape[1:3]
    tile = 7.2 / columns
    figure = Figure(figsize=(7.2, len(clips) * (tile * height / width + 0.34)), dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(clips), columns, squeeze=False)
    for row, (title, clip) in zip(grid, clips.items(), strict=True):
        for axes, place in zip(row, places, strict=True):
            axes.set_axis_off()
            if place < clip.num_frames:
                axes.imshow(clip.frames[place], interpolation="lanczos")
                label = f"{place / clip.fps:.0f} s"
                axes.text(width / 2, -2, label, fontsize=6, color=SOFT, ha="center", va="bottom")
        row[0].set_title(title, fontsize=7, color=INK, loc="left", pad=9)
    figure.subplots_adjust(0.005, 0.01, 0.995, 0.91, wspace=0.03, hspace=0.4)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white", metadata={"Software": None})

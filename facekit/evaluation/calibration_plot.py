"""The picture of a calibration: what is alike, where the threshold lies, what it lets pass."""

from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from facekit.evaluation.plots import BLUE, DPI, GREEN, INK, RED, SOFT, clean_axes, plot_png
from facekit.identity.calibration import roc
from facekit.types import FloatArray

__all__ = ["calibration_plot"]

_COLORS = (BLUE, GREEN)


def calibration_plot(
    own: Mapping[str, FloatArray], other: FloatArray, *, floor: float, far: float
) -> bytes:
    """Draw similarities of the cast and of other people, and the curve between them, as PNG.

    Args:
        own: What the faces of the cast come from ("photos", "takes") -> their similarities to the
            photos of their own character, any number.
        other: Similarities of other people's faces, at least one.
        floor: The threshold that was chosen.
        far: The part of other people's faces that it was to let pass.
    """
    figure = Figure(figsize=(9.0, 3.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    every = np.concatenate([other, *own.values()])
    bins = np.linspace(min(every.min(), floor) - 0.02, max(every.max(), floor) + 0.02, 40)
    left.hist(
        other, bins, density=True, color=SOFT, alpha=0.6, label=f"other people ({len(other)})"
    )
    for color, (name, values) in zip(_COLORS, own.items(), strict=False):
        if not len(values):
            continue
        told = f"{name} of the cast ({len(values)})"
        left.hist(values, bins, density=True, histtype="step", linewidth=2, color=color, label=told)
        curve = roc(values, other)
        least = 0.5 / len(other)  # a log axis has no zero
        right.step(np.maximum(curve.far, least), curve.tar, where="post", color=color, linewidth=2)
    left.axvline(floor, color=RED, linewidth=1.5, label=f"threshold {floor:.2f}")
    left.set_xlabel("likeness to the photos of the character", color=INK)
    left.set_yticks([])
    left.legend(frameon=False, fontsize=8, labelcolor=INK)
    reached = float((other >= floor).mean())
    right.axvline(max(reached, 0.5 / len(other)), color=RED, linewidth=1.5)
    right.axvline(far, color=SOFT, linewidth=1, linestyle=":")
    right.set_xscale("log")
    right.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    right.set_xlim(0.4 / len(other), 1.1)
    right.set_ylim(0, 1.03)
    right.set_xlabel("other people's faces let pass", color=INK)
    right.set_ylabel("faces of the cast let pass", color=INK)
    for axes in (left, right):
        clean_axes(axes, grid="both" if axes is right else "x")
    return plot_png(figure)

"""The picture of what gates win: likeness and pass rate against the takes that they cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from facekit.evaluation.plots import BLUE, DPI, GREEN, INK, RED, SOFT, clean_axes, plot_png
from facekit.media.files import write_bytes

__all__ = ["write_picture"]

_COLORS = {"one": INK, "gates": BLUE, "calibrated": GREEN, "blind": SOFT, "best_of_3": RED}
_STEP = 0.03
"""Ways that cost the same stand beside each other."""
_PANELS = (
    ("likeness_second", "likeness, photos that no gate has seen"),
    ("likeness_third", "likeness, the other encoder"),
    ("pass_second", "shots that pass with other photos"),
)


def write_picture(path: Path, content: Mapping[str, Any]) -> None:
    """Draw the ways of a result, with their intervals.

    Args:
        path: A .png, replaced at once.
        content: What `gates.json` holds.
    """
    figure = Figure(figsize=(11.0, 3.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(_PANELS))
    for axes, (key, title) in zip(panels, _PANELS, strict=True):
        for place, (way, told) in enumerate(content["ways"].items()):
            found, takes = told[key], told["takes"]
            if found is None:
                continue
            low, high = found["ci95"] or (found["mean"], found["mean"])
            axes.errorbar(
                takes["mean"] + (place - 2) * _STEP,
                found["mean"],
                yerr=[[found["mean"] - low], [high - found["mean"]]],
                fmt="o",
                color=_COLORS[way],
                capsize=3,
                label=content["titles"][way],
            )
        axes.set_title(title, fontsize=9, color=INK)
        axes.set_xlabel("takes drawn per shot", color=INK)
        clean_axes(axes, grid="y")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    write_bytes(path, plot_png(figure))

"""Plots of a report on many shots, as PNG bytes: every shot against every shot, and the film.

Shapes: F frames, S shots.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from facekit.errors import UsageError
from facekit.evaluation import plots
from facekit.evaluation.film import FilmShot, film_trend
from facekit.evaluation.plots import BLUE, GREEN, INK, LIKENESS_MAP, LINE, RED, SOFT

__all__ = ["FilmCurve", "film_drift", "likeness_heatmap"]

_MOST_LABELS = 48
"""More names than this cannot be read; every second, third ... is left."""
_MOST_NUMBERS = 16
"""Numbers in the cells of a larger matrix cannot be read."""
_CELL_INCH = 0.27
_PANEL_INCH = 1.9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmCurve:
    """One character over the film."""

    name: str
    ceiling: float
    """The photos' own likeness, which counts as 100 %."""
    shots: tuple[FilmShot, ...]
    """Only those that the character is in, in order of the film."""


def likeness_heatmap(
    matrix_SS: np.ndarray,
    names: Sequence[str],
    *,
    ceiling: float,
    groups: Sequence[str] = (),
    worst: tuple[int, int] | None = None,
    told: str = "likeness, part of the photos' own",
) -> bytes:
    """Draw how alike a character is in every two shots, as a share of the photos' own likeness.

    Args:
        matrix_SS: Cosines of the shots' mean faces; NaN where a shot has no face to compare.
        names: Of the shots, in the order of the film.
        ceiling: The photos' own likeness, as a cosine above 0.
        groups: The sequence of each shot; lines separate sequences. Empty draws no lines.
        worst: The pair of shots that is framed.
        told: What the bar of colours says; another ceiling means something else.

    Raises:
        UsageError: No shots, names or groups that do not go with the matrix, or no ceiling.
    """
    count = len(names)
    if not count or matrix_SS.shape != (count, count) or (groups and len(groups) != count):
        raise UsageError(
            f"a matrix of {matrix_SS.shape}, {count} names and {len(groups)} groups, expected as"
            " many names as rows and columns and as many groups or none; give one per shot"
        )
    if ceiling <= 0:
        raise UsageError(f"ceiling {ceiling}, expected more than 0; measure it on the photos")
    shares = np.array(matrix_SS, dtype=np.float64) / ceiling
    np.fill_diagonal(shares, np.nan)  # a shot against itself says nothing
    side = min(11.0, max(3.6, _CELL_INCH * count + 1.6))
    figure, axes = plots.new_plot(side + 0.7, side)
    figure.set_layout_engine("compressed")  # knows that the cells are square
    axes.set_facecolor("#eceff4")  # shows where a cell is masked
    picture = axes.imshow(np.ma.masked_invalid(shares), cmap=LIKENESS_MAP, vmin=0.0, vmax=1.0)
    _name_shots(axes, names)
    if count <= _MOST_LABELS:
        _draw_lines(axes, range(1, count), count, "white", 0.8)
    begins = [place for place in range(1, len(groups)) if groups[place] != groups[place - 1]]
    _draw_lines(axes, begins, count, INK, 1.2)
    if count <= _MOST_NUMBERS:
        for i, j in np.argwhere(np.isfinite(shares)):
            share = f"{100 * shares[i, j]:.0f}"
            axes.text(j, i, share, ha="center", va="center", fontsize=6.5, color=INK)
    if worst is not None:
        for i, j in (worst, worst[::-1]):
            frame = Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2.2)
            axes.add_patch(frame)
    bar = figure.colorbar(picture, ax=axes, fraction=0.04, pad=0.02, format=PercentFormatter(1.0))
    bar.ax.tick_params(labelsize=7, length=2, color=SOFT)
    bar.set_label(told, fontsize=7.5, color=INK)
    bar.outline.set_visible(False)
    return plots.plot_png(figure)


def _draw_lines(axes: Axes, places: Sequence[int], count: int, color: str, width: float) -> None:
    """Draw lines before the rows and columns that are named."""
    ends = np.asarray(places, dtype=np.float64) - 0.5
    axes.hlines(ends, -0.5, count - 0.5, color=color, linewidth=width)
    axes.vlines(ends, -0.5, count - 0.5, color=color, linewidth=width)


def _name_shots(axes: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // _MOST_LABELS)
    places = range(0, len(names), step)
    labels = [names[place] for place in places]
    size = 8 if len(labels) <= 24 else 6
    axes.set_xticks(places, labels, rotation=90, fontsize=size)
    axes.set_yticks(places, labels, fontsize=size)
    axes.tick_params(length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def film_drift(
    curves: Sequence[FilmCurve], *, gate: float | None = None, per_minute: bool = True
) -> bytes:
    """Draw likeness over the time of the film, a panel per character.

    Dots are frames, bars are shots, the dashed line is the trend over shots; a red cross is a
    shot in which no face can be judged. 100 % is the photos' own likeness.

    Args:
        curves: One per character.
        gate: Share of the photos' own likeness below which a shot is red.
        per_minute: Tell the trend per minute; else from the first shot to the last, which says
            more of a film of seconds.

    Raises:
        UsageError: No characters, one without shots, or without a ceiling.
    """
    if not curves or any(not curve.shots or curve.ceiling <= 0 for curve in curves):
        told = ", ".join(f"{each.name}: {len(each.shots)} shots" for each in curves) or "nobody"
        raise UsageError(
            f"{told}, expected characters with a shot each and a ceiling above 0; leave out who is"
            " in no shot"
        )
    height = _PANEL_INCH * len(curves) + 0.35
    figure = Figure(figsize=(9.0, height), dpi=plots.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(curves), 1, sharex=True, squeeze=False)
    end = max(shot.start_s + shot.seconds for curve in curves for shot in curve.shots)
    for axes, curve in zip(grid.flat, curves, strict=True):
        low, high = _draw_film(axes, curve, gate, per_minute)
        axes.set_ylim(min(0.0, low), max(1.1, high))
        axes.set_xlim(0, end)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(_clock))
        axes.tick_params(labelsize=7.5)
        plots.clean_axes(axes, grid="y")
    grid[-1, 0].set_xlabel("film time", fontsize=8, color=SOFT)
    return plots.plot_png(figure)


def _draw_film(
    axes: Axes, curve: FilmCurve, gate: float | None, per_minute: bool
) -> tuple[float, float]:
    """Draw one character; return the lowest and the highest value with room around."""
    axes.axhline(1.0, color=INK, linewidth=0.9, alpha=0.6)
    if gate is not None:
        axes.axhline(gate, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    seen = [0.0]
    for shot in curve.shots:
        left, right = shot.start_s, shot.start_s + shot.seconds
        axes.axvline(left, color=LINE, linewidth=0.6)
        if shot.mean is None:
            axes.plot((left + right) / 2, 0.0, "x", color=RED, markersize=5, clip_on=False)
            continue
        values = shot.similarities_F / curve.ceiling
        seen += [float(np.nanmin(values)), float(np.nanmax(values))]
        axes.plot(shot.frame_times_s(), values, "o", color=BLUE, markersize=1.8, alpha=0.4, mew=0)
        share = shot.mean / curve.ceiling
        color = RED if gate is not None and share < gate else GREEN
        axes.hlines(share, left, right, color=color, linewidth=3.0)
    trend, title = film_trend(curve.shots), curve.name
    if trend is not None:
        first, last = _scorable_span(curve.shots)
        ends = np.asarray([trend.begin, trend.end]) / curve.ceiling
        axes.plot([first, last], ends, color=INK, linewidth=1.2, linestyle=(0, (2, 2)))
        whole = trend.slope_per_min if per_minute else trend.end - trend.begin
        change = round(100 * whole / curve.ceiling, 1) + 0.0
        title += f"   trend {change:+.1f} points {'a minute' if per_minute else 'over the film'}"
    axes.set_title(title, fontsize=8.5, color=INK, loc="left", pad=4)
    return min(seen) - plots.MARGIN, max(seen) + plots.MARGIN


def _scorable_span(shots: Sequence[FilmShot]) -> tuple[float, float]:
    known = [shot for shot in shots if shot.mean is not None]
    return known[0].start_s, known[-1].start_s + known[-1].seconds


def _clock(seconds: float, _: int) -> str:
    """Write a time such as 1:05, or 2.5 s where the film is so short that it matters."""
    if seconds != int(seconds):
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

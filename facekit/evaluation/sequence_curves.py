"""Small drawings of a sequence's page, as SVG that takes its colours from the page."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

import numpy as np

from facekit.evaluation.sequence_content import FaceCurve, ShotFrames

__all__ = ["frame_curve", "verdict_bar"]

_WIDTH, _HEIGHT, _EDGE = 300.0, 72.0, 5.0


def frame_curve(curve: FaceCurve, frames: ShotFrames) -> str:
    """Draw likeness along the frames of a shot.

    The dashed line is what the gate asks for, upright lines are seams, crosses are frames in which
    no face is scored, and what is shaded is handles.
    """
    values = np.asarray(curve.similarities_F, np.float64)
    count = len(values)
    known = values[np.isfinite(values)]
    low = min(0.0, float(known.min(initial=0.0)))

    def x(place: float) -> float:
        return _EDGE + (_WIDTH - 2 * _EDGE) * place / max(1, count - 1)

    def y(value: float) -> float:
        return _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * (value - low) / (1.0 - low)

    drawn = []
    first, last = frames.cut
    for begin, end in ((0, first), (last, count - 1)):
        if end > begin:
            drawn.append(
                f'<rect class="shade" x="{x(begin):.1f}" y="0" width="{x(end) - x(begin):.1f}"'
                f' height="{_HEIGHT:g}"/>'
            )
    drawn.append(_line("base", 0, y(0.0), _WIDTH, y(0.0)))
    if curve.least is not None:
        drawn.append(_line("gate", 0, y(curve.least), _WIDTH, y(curve.least)))
    drawn += [_line("seam", x(seam), 0, x(seam), _HEIGHT) for seam in frames.seams]
    for is_known, group in groupby(range(count), lambda place: bool(np.isfinite(values[place]))):
        places = list(group)
        if is_known and len(places) > 1:
            points = " ".join(f"{x(place):.1f},{y(values[place]):.1f}" for place in places)
            drawn.append(f'<polyline points="{points}"/>')
        elif is_known:
            drawn.append(f'<circle cx="{x(places[0]):.1f}" cy="{y(values[places[0]]):.1f}" r="2"/>')
        else:
            drawn += [_cross(x(place), y(0.0), curve.statuses_F[place]) for place in places]
    told = f"{curve.character}: {_told(known, count)}"
    return (
        f'<svg class="curve" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img"'
        f' aria-label="{escape(told)}" preserveAspectRatio="none">{"".join(drawn)}</svg>'
    )


def _told(known: np.ndarray, count: int) -> str:
    if not known.size:
        return f"no face scored in {count} frames"
    return (
        f"likeness {known.mean():.2f} on average, {known.min():.2f} at least,"
        f" {known.size} of {count} frames scored"
    )


def _line(kind: str, left: float, top: float, right: float, bottom: float) -> str:
    at = f'x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}"'
    return f'<line class="{kind}" {at}/>'


def _cross(x: float, y: float, why: str) -> str:
    path = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
    return f'<path class="lost" d="{path}"><title>{escape(why)}</title></path>'


def verdict_bar(counts: Mapping[str, int], kinds: Mapping[str, str], order: Sequence[str]) -> str:
    """Draw how many shots have each verdict, as parts of one bar.

    Args:
        counts: Verdict -> shots.
        kinds: Verdict -> class of its colour.
        order: Verdicts from left to right.
    """
    told = ", ".join(f"{counts[word]} {word}" for word in order)
    parts = "".join(
        f'<i class="{kinds.get(word, "none")}" style="flex:{counts[word]}"></i>' for word in order
    )
    return f'<div class="bar" role="img" aria-label="{escape(told)}">{parts}</div>'

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from facekit.evaluation import plots
from facekit.evaluation.measure import measure_character
from tests.tiny.drawn_takes import draw_set


@pytest.fixture(scope="module")
def shots():
    drawn = draw_set(count=2, num_frames=4)
    return measure_character("mira", drawn.takes, drawn.reference).shots


def with_lowest(shots, value):
    rows = [np.array([0.5, value, np.nan, 0.4])] + [np.full(4, 0.6)] * (len(shots) - 1)
    return tuple(
        dataclasses.replace(shot, similarities_F=row) for shot, row in zip(shots, rows, strict=True)
    )


def test_an_axis_reaches_below_the_lowest_frame(shots):
    """The worst frames left the chart and looked like missing data."""
    assert plots.lower_end(with_lowest(shots, 0.2)) == 0.0
    assert plots.lower_end(with_lowest(shots, -0.47)) == pytest.approx(-0.52)
    nothing = [dataclasses.replace(shot, similarities_F=np.full(4, np.nan)) for shot in shots]
    assert plots.lower_end(nothing) == 0.0


@pytest.mark.parametrize("draw", ["bars", "curves"])
def test_both_charts_show_it(shots, draw, monkeypatch):
    ends = []
    kind = "set_xlim" if draw == "bars" else "set_ylim"
    real = getattr(plots.Axes, kind)

    def note(axes, *given, **named):
        ends.append(np.min(given[0]))
        return real(axes, *given, **named)

    monkeypatch.setattr(plots.Axes, kind, note)
    low = with_lowest(shots, -0.47)
    if draw == "bars":
        png = plots.likeness_bars(low, ceiling=0.8, gate=0.85)
    else:
        png = plots.frame_curves(low, ceiling=0.8, fps=8.0)
    assert min(ends) < -0.47
    assert Image.open(io.BytesIO(png)).width > 100

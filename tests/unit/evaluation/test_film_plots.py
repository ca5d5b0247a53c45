import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from facekit.errors import UsageError
from facekit.evaluation import plots
from facekit.evaluation.film import FilmShot
from facekit.evaluation.film_plots import FilmCurve, film_drift, likeness_heatmap

NAMES = ("SH0010", "SH0020", "SH0030")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What is drawn, before it is turned into pixels, which takes longest."""
    found: list[Figure] = []
    monkeypatch.setattr(plots, "plot_png", lambda figure: found.append(figure) or b"")
    return found


def matrix(*values: float) -> np.ndarray:
    full = np.ones((3, 3))
    full[np.triu_indices(3, 1)] = values
    return np.where(np.tri(3, dtype=bool), full.T, full)


def lines(axes: object, color: str) -> list[np.ndarray]:
    """Both ends of every line that `hlines` or `vlines` drew in a colour."""
    return [
        segment
        for each in axes.collections
        if to_hex(each.get_color()[0]) == color
        for segment in each.get_segments()
    ]


def test_both_plots_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "DPI", 30)
    for png in (
        likeness_heatmap(matrix(0.3, 0.2, np.nan), NAMES, ceiling=0.3),
        film_drift([curve(0.7, np.nan, 0.2, 0.4)], gate=0.5),
    ):
        picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        assert picture.shape[1] > 100
        assert 0.1 < (picture == 255).all(axis=2).mean() < 0.9
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 30


def test_colours_are_shares_of_the_photos_own_likeness(figures: list[Figure]) -> None:
    """A cosine of 0.3 is all that photos of this person have in common."""
    likeness_heatmap(matrix(0.3, 0.15, np.nan), NAMES, ceiling=0.3)
    axes = figures[0].axes[0]
    (picture,) = axes.images
    shown = picture.get_array()
    assert picture.get_clim() == (0.0, 1.0)
    assert shown[0, 1] == pytest.approx(1.0)
    assert shown[2, 0] == pytest.approx(0.5)
    assert shown.mask.tolist() == [[True, False, False], [False, True, True], [False, True, True]]
    assert {text.get_text() for text in axes.texts} == {"100", "50"}


def test_the_worst_pair_and_sequences_are_marked(figures: list[Figure]) -> None:
    groups = ("SEQ010", "SEQ010", "SEQ020")
    likeness_heatmap(matrix(0.8, 0.4, 0.8), NAMES, ceiling=0.8, worst=(0, 2), groups=groups)
    axes = figures[0].axes[0]
    assert [patch.get_xy() for patch in axes.patches] == [(1.5, -0.5), (-0.5, 1.5)]
    across, down = lines(axes, plots.INK)
    assert (set(across[:, 1]), set(down[:, 0])) == ({1.5}, {1.5})
    likeness_heatmap(matrix(0.8, 0.4, 0.8), NAMES, ceiling=0.8)
    plain = figures[1].axes[0]
    assert not plain.patches
    assert not lines(plain, plots.INK)


def test_names_of_a_large_film_are_thinned_out(figures: list[Figure]) -> None:
    names = [str(place) for place in range(100)]
    likeness_heatmap(np.full((100, 100), 0.5), names, ceiling=0.8)
    axes = figures[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names[::3]
    assert not axes.texts
    assert max(figures[0].get_size_inches()) < 12


def test_a_matrix_that_does_not_go_with_its_names_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a matrix of \(3, 3\), 2 names and 0 groups, expected"):
        likeness_heatmap(np.ones((3, 3)), NAMES[:2], ceiling=0.8)
    with pytest.raises(UsageError, match="3 names and 1 groups"):
        likeness_heatmap(np.ones((3, 3)), NAMES, ceiling=0.8, groups=("SEQ010",))
    with pytest.raises(UsageError, match=r"ceiling 0\.0, expected more than 0"):
        likeness_heatmap(np.ones((3, 3)), NAMES, ceiling=0.0)


def curve(*means: float, name: str = "mira") -> FilmCurve:
    shots = [
        FilmShot(name=str(place), start_s=2.0 * place, seconds=2.0, similarities_F=np.full(4, mean))
        for place, mean in enumerate(means)
    ]
    return FilmCurve(name=name, ceiling=0.8, shots=tuple(shots))


def test_shots_below_the_gate_are_red_and_shots_without_a_face_are_crossed(
    figures: list[Figure],
) -> None:
    film_drift([curve(0.72, np.nan, 0.2)], gate=0.5)
    axes = figures[0].axes[0]
    (good,), (bad,) = lines(axes, plots.GREEN), lines(axes, plots.RED)
    assert good.ravel() == pytest.approx([0, 0.9, 2, 0.9])
    assert bad.ravel() == pytest.approx([4, 0.25, 6, 0.25])
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[3.0]]


def test_each_character_has_a_panel_with_its_trend(figures: list[Figure]) -> None:
    film_drift([curve(0.8, 0.72, 0.64), curve(-0.4, 0.9, name="tomas")])
    first, second = figures[0].axes
    assert first.get_title(loc="left") == "mira   trend -300.0 points a minute"
    assert second.get_title(loc="left") == "tomas"
    film_drift([curve(0.8, 0.72, 0.64)], per_minute=False)
    title = figures[1].axes[0].get_title(loc="left")
    assert title == "mira   trend -30.0 points over the film"
    assert first.get_ylim() == (-plots.MARGIN, 1.1)
    assert second.get_ylim() == pytest.approx((-0.55, 1.175))
    assert first.get_xlim() == second.get_xlim() == (0, 6)


def test_a_film_of_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="nobody, expected characters with a shot each"):
        film_drift([])
    with pytest.raises(UsageError, match="tomas: 0 shots, expected characters"):
        film_drift([FilmCurve(name="tomas", ceiling=0.8, shots=())])

"""What is published of a rendered sequence."""

import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from benchmarks.film import figures, find_browser, remember_run, small_png
from facekit.errors import UsageError
from facekit.evaluation.sequence_json import sequence_json
from tests.tiny.sequences import character, pictures, sequence, shot


def test_figures_are_those_of_the_report():
    drawn = pictures()
    shots = [shot("A", drawn=drawn), shot("B", "fail", 0.2, drawn=drawn), shot("C", "to do", None)]
    rows = [{"name": x.name, "likeness": x.likeness, "aspect": x.aspect} for x in shots]
    report = sequence_json(sequence(shots, [character("mira", shots[:2])]), rows, {})
    told = figures(report, [{"made": 3, "draw_s": 6.0, "took_s": 8.0}])
    assert told["verdicts"] == {"pass": 1, "fail": 1, "to do": 1}
    assert (told["shots"], told["takes"], told["retakes"], told["film_s"]) == (3, 4, 1, 4.5)
    assert (told["draw_s"], told["wasted_s"], told["outside_sampler_share"]) == (8.0, 6.0, 0.25)
    assert told["likeness_p05_mean"] == 0.4
    assert told["characters"]["mira"]["least_alike"] == ["A", "B"]
    json.dumps(told, allow_nan=False)
    assert figures(report, [])["outside_sampler_share"] is None


def test_runs_add_up_and_those_that_made_nothing_do_not_count(tmp_path):
    path = tmp_path / "runs.json"
    one = {"made": 2, "draw_s": 5.0, "other_s": 1.0, "took_s": 7.0, "out": "x"}
    remember_run(path, one)
    remember_run(path, {**one, "made": 0})
    assert len(remember_run(path, one)) == 2


def test_a_picture_is_made_to_fit():
    noise = np.random.default_rng(0).integers(0, 256, (90, 300, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(noise).save(buffer, "PNG")
    small = small_png(buffer.getvalue(), 15_000)
    assert len(small) <= 15_000
    with Pillow.open(io.BytesIO(small)) as picture:
        assert picture.width < 300


def test_a_browser_is_missed_before_anything_is_drawn():
    with pytest.raises(UsageError, match="no-such-browser: not found, expected Chromium"):
        find_browser("no-such-browser")

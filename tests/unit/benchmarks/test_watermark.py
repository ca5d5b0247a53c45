"""The benchmark runs to its end on a stand-in; what comes out of that is published nowhere."""

import json

import numpy as np
import pytest

from benchmarks.watermark import encoded, main, psnr_db
from tests.tiny.provenance import frames
from tests.tiny.seals import TinySeal, stored


def test_it_runs_from_weights_to_a_result(tmp_path, capsys):
    path, digest = stored(TinySeal(), tmp_path / "stand-in.jit")
    words = ["--weights", str(path), "--sha256", digest, "--characters", "1", "--num-frames", "3"]
    main([*words, "--side", "96", "--strengths", "0.1", "1", "--out", str(tmp_path)])

    told = json.loads((tmp_path / "watermark.json").read_text())
    assert (told["weights_sha256"], told["clips"]) == (digest, 2)
    weak, whole = told["strengths"]
    assert weak["psnr_db_median"] > whole["psnr_db_median"] > 10
    assert whole["share_of_unmarked_taken_for_marked"] == 0
    found = {row["change"]: row for row in whole["changes"]}
    assert found["mirrored"]["agreement_median"] == pytest.approx(0.5, abs=0.15)
    assert found["mirrored"]["share_recognised"] == 0
    lost = {row["change"]: row for row in weak["changes"]}
    assert lost["h264_crf_35"]["agreement_median"] < found["h264_crf_35"]["agreement_median"]
    assert {"h264_crf_18", "resized_0.5", "cropped_5%", "every_second_frame"} <= set(found)


def test_a_codec_costs_what_it_is_told_to():
    pictures = frames(0, side=96)

    few, many = (psnr_db(pictures, encoded(pictures, crf)) for crf in (10, 40))

    assert 99 > few > many > 10
    assert psnr_db(pictures, pictures) == 99
    assert encoded(pictures, 18).dtype == np.uint8

import json

import numpy as np
import pytest
import torch

from benchmarks import likeness
from benchmarks.likeness_tables import around_face, build_page, build_results
from benchmarks.likeness_work import FIGURES, Method, _shots_digest
from facekit.faces import vendors
from facekit.toon import Figure, Scene, ToonCharacter, draw
from tests.tiny.drawn_faces import DrawnFaces
from tests.tiny.training import TinyFaces

OVERRIDES = (
    "photos.min_same_person=-1",
    "photos.duplicate_distance=0",
    "encoder.train=tiny",
    "encoder.report=judge",
    "validate.every=0",
    'validate.prompts=["close-up of {character}"]',
    "loss.identity=0",
)


class Judge(TinyFaces):
    name = "judge"
    digest = "1" * 64


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    known = {**vendors._loaders, "tiny": TinyFaces, "judge": Judge}
    monkeypatch.setattr(vendors, "_loaders", known)
    monkeypatch.setattr(likeness, "SWEEP_RANKS", (2,))
    monkeypatch.setattr(likeness, "SWEEP_RATES", (1e-3, 1e-4))
    monkeypatch.setattr(likeness, "SWEEP_CHARACTERS", 1)

    def call(*extra: str) -> str:
        values = [part for value in OVERRIDES for part in ("--set", value)]
        fixed = ["--recipe", "tiny/train", "--characters", "2", "--prompts", "2"]
        fixed += ["--seeds", "1", "--num-frames", "1"]
        folders = ["--work", str(tmp_path / "work"), "--docs", str(tmp_path / "docs")]
        arguments = [*fixed, "--budget-s", "0.1", *folders, *values, *extra]
        assert likeness.main(arguments) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.slow
def test_a_part_is_measured_once_and_not_published(run, tmp_path):
    """A plain LoRA is among it, though the recipe guides the identity."""
    asked = ["--methods", "base,lora,l0,l2,truth", "--set", "sample.identity_guidance=2.0"]
    first = run(*asked)
    work = tmp_path / "work"
    results = json.loads((work / "docs" / "results" / "likeness.json").read_text())
    stamps = {p: p.stat().st_mtime_ns for p in (work / "runs").rglob("scores.json")}

    second = run(*asked)

    assert "sweep  rank 2" in first
    assert "a part, not published" in first
    assert not (tmp_path / "docs").exists()
    assert len(stamps) == 5 * 2
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    assert second.count("character 2/2") == 5
    assert list(results["methods"]) == ["base", "lora", "l0", "l2", "truth"]
    for row in results["methods"].values():
        assert {*FIGURES, "train_seconds"} <= row.keys()
    assert len(results["l2_minus_lora_sim_held_ci95"]) == 2
    assert results["methods"]["base"]["motion_ratio"] in (None, 1.0)
    assert results["methods"]["lora"]["train_seconds"] > 0
    assert results["methods"]["base"]["train_seconds"] == 0
    page = (work / "docs" / "likeness.md").read_text()
    assert "| L2, tokens + LoRA |" in page
    assert (work / "docs" / "likeness.png").read_bytes()[:4] == b"\x89PNG"


def test_clips_of_another_vae_are_not_taken_for_this_ones(run, tmp_path):
    values = [part for value in OVERRIDES for part in ("--set", value)]
    given = ["--recipe", "tiny/train", "--prompts", "1", "--seeds", "1", "--num-frames", "1"]
    bench = likeness.open_bench(likeness.parse([*given, "--work", str(tmp_path), *values]))
    before = _shots_digest(bench)
    assert _shots_digest(bench) == before

    with torch.no_grad():
        next(iter(bench.backbone.pipe.vae.parameters())).mul_(1.5)

    assert _shots_digest(bench) != before


def test_unknown_methods_are_refused(run):
    with pytest.raises(SystemExit, match="none of these exists, expected some of base, lora"):
        run("--methods", "magic", "--no-sweep")


def unit(method: str, character: int, sim_held: float | None) -> dict:
    figures = dict.fromkeys((*FIGURES, "xmin_ungated", "coverage", "drift"), 0.5)
    figures["xmin"] = 0.5 if sim_held and sim_held > 0.4 else None
    return {
        "method": method,
        "character": character,
        "train_seconds": 10.0,
        "figures": {**figures, "sim_held": sim_held, "prompt_delta": -0.02},
    }


def test_the_table_is_made_from_the_results_alone():
    methods = [Method(key=key, title=key.upper(), recipe=None) for key in ("lora", "l2")]
    units = {
        "lora": [unit("lora", 1, 0.3), unit("lora", 2, 0.5)],
        "l2": [unit("l2", 1, 0.5), unit("l2", 2, 0.8)],
    }
    about = {
        "command": "x",
        "machine": {"cores": 2, "device": "cpu"},
        "torch_threads": 1,
        "settings": {
            "characters": 2,
            "prompts": 2,
            "seeds": 1,
            "num_frames": 1,
            "num_photos": 8,
            "held_out": 2,
            "num_judges": 6,
            "budget_s": 10.0,
            "train_encoder": "a@0",
            "report_encoder": "b@0",
            "lora_sweep": [{"rank": 8, "lr": 1e-4, "likeness": 0.4}],
        },
    }

    results = build_results(methods, units, about=about)
    page = build_page(json.loads(json.dumps(results)))

    assert results["l2_minus_lora_sim_held"] == pytest.approx(0.25)
    assert results["l2_minus_lora_sim_held_ci95"] == pytest.approx([0.2, 0.3])
    assert "| L2 | 0.650 [0.500, 0.800] |" in page
    assert "| 0.500 (n = 1) |" in page, "the mean of one character of two looks like that of both"
    assert page.count("(n = ") == 1
    assert results["methods"]["lora"]["xmin_count"] == 1
    assert "-2.0 [-2.0, -2.0]" in page
    assert "+0.250 [+0.200, +0.300]" in page
    assert "| 8 | 0.0001 | 0.400 |" in page


def test_methods_are_paired_by_character():
    methods = [Method(key=key, title=key, recipe=None) for key in ("lora", "l2")]
    units = {"lora": [unit("lora", 1, 0.3)], "l2": [unit("l2", 2, 0.5)]}

    with pytest.raises(ValueError, match="not measured on the same characters"):
        build_results(methods, units, about={})


def test_pictures_are_cut_around_the_face():
    mira = ToonCharacter.from_seed(1_000_001)
    figure = Figure(character=mira, face_height=0.5, center_xy=(0.85, 0.45))
    drawing = draw(Scene(figures=(figure,), width=176), with_masks=False)

    cut = around_face(drawing.image, DrawnFaces([drawing]))

    assert cut.shape == (96, 96, 3)
    assert np.array_equal(cut, drawing.image[:, 80:])
    assert np.array_equal(around_face(drawing.image, DrawnFaces()), drawing.image[:, 40:136])

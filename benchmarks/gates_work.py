"""The units of the benchmark of gates: a show rendered with every take, each judged three times."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.judge_photos import NUM_JUDGES, NUM_PHOTOS
from benchmarks.multi_character_people import Bench, Subject
from facekit.digests import json_digest
from facekit.evaluation.metrics import centroid, counted_similarities, demands_face, mean_or_none
from facekit.evaluation.take_gates import judge_take
from facekit.evaluation.tracks import track_frames
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import TakeRecord, take_name
from facekit.identity.gallery import build_gallery
from facekit.media.files import write_text
from facekit.media.images import read_image
from facekit.media.video import read_clip
from facekit.types import Clip, FloatArray
from facekit.workflows.calibrate import plan_calibrate, run_calibrate
from facekit.workflows.render import plan_render, run_render
from facekit.workflows.render_calibration import CALIBRATION_FILE
from facekit.workflows.render_draw import Studio
from facekit.workflows.render_files import read_json
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_judge import Judge, JudgePlan, limits_of
from facekit.workflows.render_takes import shown_frames

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "the_letter.yaml"
SHOTS = {
    "SEQ010": ("SH0010", "SH0050"),
    "SEQ020": ("SH0040", "SH0050", "SH0060", "SH0070"),
    "SEQ030": tuple(f"SH{10 * number:04d}" for number in range(1, 10)),
}
"""Shots of the example in which somebody is alone and that go on from no other one."""
MAX_TAKES = 3
Row = dict[str, Any]


QUICK_SHOTS = {"SEQ010": (), "SEQ020": (), "SEQ030": ("SH0010", "SH0030", "SH0050")}
QUICK_STEPS = 6


def make_board(subjects: Sequence[Subject], number: int, quick: bool = False) -> str:
    """Write the example's shots with other people, every take of each, as YAML.

    Args:
        subjects: In the order of the example's cast.
        number: Of the show; gives it seeds of its own.
        quick: One shot of each, in few steps.
    """
    board = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    board["project"] = {"id": f"show{number}"}
    board["deliver"]["mezzanine"] = "none"
    board["cast"] = {
        name: {"preset": str(Path(subject.character.source).resolve())}
        for name, subject in zip(board["cast"], subjects, strict=True)
    }
    board["gates"].pop("budget", None)
    board["gates"]["max_takes"] = MAX_TAKES
    if quick:
        board["engine"]["defaults"]["num_inference_steps"] = QUICK_STEPS
    for sequence in board["sequences"]:
        keep = (QUICK_SHOTS if quick else SHOTS)[sequence["id"]]
        sequence["shots"] = [shot for shot in sequence["shots"] if shot["id"] in keep]
        for place, shot in enumerate(sequence["shots"]):
            shot["takes"] = MAX_TAKES
            shot["aspects"] = shot["aspects"][:1]
            shot["seed"] = 10_000 * number + 100 * place + 1000 * int(sequence["id"][3:5])
    board["sequences"] = [one for one in board["sequences"] if one["shots"]]
    return str(yaml.safe_dump(board, sort_keys=False))


def run_show(bench: Bench, number: int, quick: bool = False) -> list[Row]:
    """Render and judge one show, or read what an earlier run left; one entry per take."""
    subjects = [Subject(bench, 3 * number + index) for index in range(3)]
    folder = bench.work.resolve() / (f"quick{number}" if quick else f"show{number}")
    board_path = folder / "board.yaml"
    text = make_board(subjects, number, quick)
    content = {
        "board": json_digest({"text": text}),
        "backbone": bench.backbone.parts_digest,
        "encoders": [encoder_id(bench.train_faces), encoder_id(bench.report_faces)],
        "version": 1,
    }
    done = folder / f"rows-{json_digest(content)[:12]}.json"
    if done.is_file():
        stored: list[Row] = json.loads(done.read_text(encoding="utf-8"))
        return stored
    write_text(board_path, text)
    out = folder / "renders"
    (out / CALIBRATION_FILE).unlink(missing_ok=True)
    own = _rendered(bench, board_path, out)
    plan = plan_calibrate(board_path, out=out, device="cpu")
    told = run_calibrate(plan, bench.progress, faces=bench.report_faces)
    calibrated = _rendered(bench, board_path, out)
    judges = [
        _Second(bench, subjects, plan.render.board.shots, faces)
        for faces in (bench.report_faces, bench.train_faces)
    ]
    rows = []
    for shot in plan.render.board.shots:
        version = plan.render.state.shots[shot.name].version
        for number_of in range(1, MAX_TAKES + 1):
            path = version / TAKES_DIR / f"{take_name(number_of)}.mp4"
            clip, _ = shown_frames(read_clip(path), shot)
            record = read_json(path.with_suffix(".json")) or {}
            rows.append(
                {
                    "show": number,
                    "shot": shot.name,
                    "kind": shot.kind,
                    "who": f"{number}-{shot.characters[0].id}",
                    "take": number_of,
                    "draw_s": record["draw_s"],
                    "own": _told(own[shot.name, number_of]),
                    "calibrated": _told(calibrated[shot.name, number_of]),
                    "floor": told.found.floor,
                    "own_floor": told.found.own_floor,
                    "second": judges[0].judge(clip, shot),
                    "third": judges[1].judge(clip, shot),
                }
            )
    write_text(done, json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return rows


def _rendered(bench: Bench, board: Path, out: Path) -> dict[tuple[str, int], TakeRecord]:
    """Draw and measure what is missing, and read what the gates say of every take."""
    plan = plan_render(board, out=out, device="cpu")
    studio = Studio(
        plan.board.recipe,
        plan.device,
        plan.judge,
        backbone=bench.backbone,
        faces=bench.train_faces,
        judging=bench.report_faces,
    )
    run_render(plan, bench.progress, studio=studio)
    state = plan_render(board, out=out, device="cpu").state
    return {(name, take.number): take for name, shot in state.shots.items() for take in shot.takes}


def _told(take: TakeRecord) -> Row:
    return {
        "verdict": take.verdict,
        "score": take.score,
        "closest": take.closest,
        "reasons": list(take.reasons),
    }


class _Second:
    """Somebody else's opinion: photos that neither training nor the gates have seen."""

    def __init__(
        self,
        bench: Bench,
        subjects: Sequence[Subject],
        shots: Sequence[ShotPlan],
        faces: FaceVendor,
    ) -> None:
        names = sorted({person.id for shot in shots for person in shot.characters})
        order = list(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["cast"])
        photos = {}
        for name in names:
            folder = bench.work / "judges" / subjects[order.index(name)].name
            photos[name] = tuple(
                folder / f"{NUM_PHOTOS + index:02d}.png" for index in range(NUM_JUDGES)
            )
        self.plan = JudgePlan(encoder=faces.name, photos=photos)
        self.judging = Judge(self.plan, bench.backbone.device, faces)
        self.faces = faces
        self.photos_ND: Mapping[str, FloatArray] = {
            name: build_gallery(
                [read_image(path) for path in paths],
                [path.name for path in paths],
                faces,
                among=True,
            ).vectors
            for name, paths in photos.items()
        }

    def judge(self, clip: Clip, shot: ShotPlan) -> Row:
        """Hold a take to the same gates with other photos, and say how like its face is."""
        who = shot.characters[0].id
        _, figures = self.judging.measure(clip, shot, {}, 0)
        found = judge_take(figures, limits_of(shot, self.plan, self.judging.floor))
        track = track_frames(tuple(clip.frames), self.faces)
        likeness = counted_similarities(
            track.embeddings_FD,
            self.photos_ND[who],
            is_scored=track.is_scored,
            is_missing=track.is_missing,
            demanded=demands_face(shot.kind),
        )
        middle = centroid(track.embeddings_FD[track.is_scored])
        return {
            "verdict": found.verdict,
            "p05": figures.characters[who].p05,
            "likeness": mean_or_none(likeness),
            "middle": None if middle is None else [round(float(x), 4) for x in np.asarray(middle)],
        }

"""Calibrate a board's gates on its own material: photos of the cast, and takes that are there.

Shapes: N photos, D embedding, C members.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import facekit
from facekit.digests import json_digest
from facekit.errors import UsageError
from facekit.evaluation.calibration_plot import calibration_plot
from facekit.faces.protocols import FaceVendor
from facekit.identity.gallery import build_gallery
from facekit.identity.similarity import weighted_mean
from facekit.media.files import ensure_new, write_bytes
from facekit.media.images import read_image
from facekit.media.unpack import scan_photos
from facekit.types import FloatArray, Progress
from facekit.weights import known_digest
from facekit.workflows.calibrate_result import Calibrated
from facekit.workflows.calibrate_takes import CalibrationTake, find_takes, take_scores
from facekit.workflows.device import AUTO
from facekit.workflows.render import RenderPlan, plan_render
from facekit.workflows.render_calibration import (
    CALIBRATION_FILE,
    CALIBRATION_SCHEMA,
    FAR,
    Thresholds,
    material_of,
    thresholds_of,
)
from facekit.workflows.render_files import write_json
from facekit.workflows.render_judge import Judge

__all__ = ["CalibratePlan", "plan_calibrate", "run_calibrate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratePlan:
    """What thresholds are made of."""

    render: RenderPlan
    file: Path
    far: float
    """Part of the faces of other people that may be taken for a member."""
    others: Sequence[Path]
    """Photos of people who are not in the show."""
    takes: Sequence[CalibrationTake]
    """Takes that are there, of shots in which somebody is alone."""

    def describe(self) -> str:
        """Photos, takes, encoder and the file."""
        judge = self.render.judge
        photos = ", ".join(
            f"{name} {len(judge.photo_digests(name))}"
            + (" (by its templates)" if name in judge.kept else "")
            for name in judge.photos
        )
        lines = [
            f"photos that training held out: {photos}",
            f"photos of other people: {len(self.others)}",
            f"takes of somebody alone: {len(self.takes)}",
            f"reporting encoder: {judge.encoder}",
            f"other people let pass: {self.far:.2%} at most",
            f"out: {self.file}",
        ]
        return "\n".join([*lines, *(f"warning: {told}" for told in judge.warnings)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "judge": self.render.judge.to_json(),
            "others": [str(path) for path in self.others],
            "takes": [str(take.clip) for take in self.takes],
            "far": self.far,
            "out": str(self.file),
        }


def plan_calibrate(
    board: Path,
    *,
    out: Path | None = None,
    device: str = AUTO,
    far: float = FAR,
    others: Sequence[Path | str] = (),
    photos: Sequence[str] = (),
    force: bool = False,
) -> CalibratePlan:
    """Find what there is to compare.

    Args:
        board: The storyboard.
        out: Folder of its renders.
        device: Of the reporting encoder.
        far: Part of the faces of other people that may be taken for a member.
        others: Photos of people who are not in the show: files, folders, patterns, archives.
        photos: Where the photos of the cast are now, as for `plan_render`; they are not kept.
        force: Whether thresholds that are there may be replaced.

    Raises:
        StoryboardError: Mistakes of the board.
        UsageError: Nobody to tell a member from: photos of fewer than two members are at hand, and
            none of other people.
        MediaError: A path does not exist.
        OutputExists: It was calibrated already.
    """
    plan = plan_render(board, out=out, device=device, photos=photos)
    file = ensure_new(plan.board.out_dir / CALIBRATION_FILE, force)
    strangers = scan_photos(others) if others else []
    if len(plan.judge.photos) < (1 if strangers else 2):
        raise UsageError(
            f"{board}: photos of {len(plan.judge.photos)} of the cast are at hand, expected two"
            " members at least, for each is told from the others; name photos of other people with"
            " --others, or set gates.identity.p05 to a number"
        )
    # What an earlier calibration said is no part of this one.
    judge = dataclasses.replace(plan.judge, floor=None, p05=None, calibrated="", calibrated_by="")
    return CalibratePlan(
        render=dataclasses.replace(plan, judge=judge),
        file=file,
        far=far,
        others=strangers,
        takes=find_takes(plan),
    )


def run_calibrate(
    plan: CalibratePlan, progress: Progress, *, faces: FaceVendor | None = None
) -> Calibrated:
    """Compare every face with every member, choose thresholds and keep them.

    A member is what its photos that training held out show. Compared with it are those photos
    (each with the others), the photos that it was made from, the photos of everybody else, and the
    takes that are there of shots in which one character is alone. A take counts as one face, for
    its frames are all alike: for its own character by the likeness that its gate asks for, for the
    others by its mean likeness.

    Args:
        plan: What to compare.
        progress: Counts takes, then members.
        faces: The reporting encoder, when it is loaded already.

    Raises:
        FaceError: A photo without a face.
        UsageError: There is nothing to compare.
        OutputError: The file cannot be written.
    """
    judge = Judge(plan.render.judge, plan.render.device, faces)
    centres = {name: weighted_mean(rows) for name, rows in judge.cast.items()}
    progress.start(len(plan.takes), "takes")
    taken = []
    for take in plan.takes:
        taken.append((take.who, take_scores(take, judge)))
        progress.advance(1, take.clip.stem)
    progress.finish()
    strangers_ND = _embedded(plan.others, judge)
    same: dict[str, FloatArray] = {}
    other: dict[str, FloatArray] = {}
    in_takes: dict[str, FloatArray] = {}
    progress.start(len(judge.cast), "comparing")
    for name, rows_ND in judge.cast.items():
        left_out = [
            weighted_mean(np.delete(rows_ND, place, axis=0)) @ row
            for place, row in enumerate(rows_ND)
            if len(rows_ND) > 1
        ]
        photos = [row @ centres[name] for row in judge.enrolled[name]]
        same[name] = np.asarray([*left_out, *photos], np.float32)
        own = [told[name].p05 for who, told in taken if who == name and told]
        in_takes[name] = np.asarray(own, np.float32)
        strangers = [
            row @ centres[name]
            for member, others in judge.cast.items()
            if member != name
            for row in [*others, *judge.enrolled[member]]
        ]
        strangers += [row @ centres[name] for row in strangers_ND]
        strangers += [told[name].mean for who, told in taken if who != name and told]
        other[name] = np.asarray(strangers, np.float32)
        progress.advance(1, name)
    progress.finish()
    found = thresholds_of(same, other, judge.faces.min_same_person, plan.far)
    return _kept(plan, judge, found, (same, in_takes, other))


def _kept(
    plan: CalibratePlan,
    judge: Judge,
    found: Thresholds,
    compared: tuple[Mapping[str, FloatArray], Mapping[str, FloatArray], Mapping[str, FloatArray]],
) -> Calibrated:
    """Write thresholds and picture; the picture first, for renders go by the other file."""
    same, in_takes, other = compared
    cast = plan.render.cast
    material = {name: one.to_json() for name, one in material_of(judge.plan, cast).items()}
    sources = {
        "cast": material,
        "takes": sorted(take.fingerprint for take in plan.takes),
        "others": sorted(known_digest(path) for path in plan.others),
        "encoder": judge.encoder,
    }
    done = Calibrated(
        file=plan.file,
        picture=plan.file.with_suffix(".png"),
        found=found,
        takes={
            name: (len(values), int((values.astype(np.float64) >= found.floor).sum()))
            for name, values in in_takes.items()
            if len(values)
        },
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        digest=json_digest({**sources, "far": plan.far}),
    )
    own = {"photos": _joined(same), "takes": _joined(in_takes)}
    picture = calibration_plot(own, _joined(other), floor=found.floor, far=plan.far)
    write_bytes(done.picture, picture)
    told = {key: value for key, value in done.to_json().items() if key not in ("file", "picture")}
    write_json(
        plan.file,
        {
            "schema": CALIBRATION_SCHEMA,
            "facekit": facekit.__version__,
            **told,
            **sources,
        },
    )
    return done


def _joined(values: Mapping[str, FloatArray]) -> FloatArray:
    return np.concatenate([np.ravel(row) for row in values.values()])


def _embedded(paths: Sequence[Path], judge: Judge) -> FloatArray:
    if not paths:
        return np.zeros((0, judge.faces.dim), np.float32)
    images = [read_image(path) for path in paths]
    return build_gallery(images, [str(path) for path in paths], judge.faces, among=True).vectors

"""Calibrate a board's gates on its own material: photos of the cast, and takes that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.errors import UsageError
from facekit.faces.protocols import FaceVendor
from facekit.identity.gallery import build_gallery
from facekit.identity.similarity import weighted_mean
from facekit.media.files import ensure_new
from facekit.media.images import read_image
from facekit.types import FloatArray, Progress
from facekit.workflows.device import AUTO
from facekit.workflows.photos import find_photos
from facekit.workflows.preset_files import load_any
from facekit.workflows.render import RenderPlan, plan_render
from facekit.workflows.render_calibration import CALIBRATION_FILE, Thresholds, thresholds_of
from facekit.workflows.render_files import read_json, versions, write_json
from facekit.workflows.render_judge import Judge

__all__ = ["CalibratePlan", "Calibrated", "plan_calibrate", "run_calibrate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratePlan:
    """What thresholds are made of."""

    render: RenderPlan
    file: Path

    def describe(self) -> str:
        """Photos, encoder and the file."""
        judge = self.render.judge
        photos = ", ".join(f"{name} {len(paths)}" for name, paths in judge.photos.items())
        return "\n".join(
            [f"photos: {photos}", f"reporting encoder: {judge.encoder}", f"out: {self.file}"]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"judge": self.render.judge.to_json(), "out": str(self.file)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was found."""

    file: Path
    found: Thresholds

    def describe(self) -> str:
        """The threshold, and what it does on this material."""
        one = self.found
        return "\n".join(
            [
                f"floor: {one.floor:.3f}, from {one.num_same} faces of the cast and"
                f" {one.num_other} of other people",
                f"faces of the cast that reach it: {one.tar:.0%}",
                f"written: {self.file}; renders of this board use it from now on",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"file": str(self.file), **self.found.to_json()}


def plan_calibrate(
    board: Path, *, out: Path | None = None, device: str = AUTO, force: bool = False
) -> CalibratePlan:
    """Find what there is to compare.

    Args:
        board: The storyboard.
        out: Folder of its renders.
        device: Of the reporting encoder.
        force: Whether thresholds that are there may be replaced.

    Raises:
        StoryboardError: Mistakes of the board.
        UsageError: Fewer than two members of the cast have photos at hand.
        OutputExists: It was calibrated already.
    """
    plan = plan_render(board, out=out, device=device)
    file = ensure_new(plan.board.out_dir / CALIBRATION_FILE, force)
    if len(plan.judge.photos) < 2:
        raise UsageError(
            f"{board}: photos of {len(plan.judge.photos)} of the cast are at hand, expected two"
            " members at least, for each is told from the others; add a member, or set"
            " gates.identity.p05 to a number"
        )
    return CalibratePlan(render=plan, file=file)


def run_calibrate(
    plan: CalibratePlan, progress: Progress, *, faces: FaceVendor | None = None
) -> Calibrated:
    """Compare every face with every member, choose thresholds and keep them.

    A member is what its photos that training held out show. Compared with it are those photos
    (each with the others), the photos that it was made from, and the mean faces of the takes that
    are there, of shots in which a character is alone.

    Args:
        plan: What to compare.
        progress: Counts the members.
        faces: The reporting encoder, when it is loaded already.

    Raises:
        FaceError: A photo without a face.
        OutputError: The file cannot be written.
    """
    judge = Judge(plan.render.judge, plan.render.device, faces)
    centres = {name: weighted_mean(rows) for name, rows in judge.cast.items()}
    taken = _faces_of_takes(plan.render)
    enrolled = {name: _enrolled(plan.render, name, judge) for name in judge.cast}
    same: dict[str, FloatArray] = {}
    other: dict[str, FloatArray] = {}
    progress.start(len(judge.cast), "comparing")
    for name, rows_ND in judge.cast.items():
        left_out = [
            weighted_mean(np.delete(rows_ND, place, axis=0)) @ row
            for place, row in enumerate(rows_ND)
            if len(rows_ND) > 1
        ]
        own = [row @ centres[name] for row in [*enrolled[name], *taken.get(name, [])]]
        same[name] = np.asarray([*left_out, *own], np.float32)
        strangers = [
            row @ centres[name]
            for member, others in judge.cast.items()
            if member != name
            for row in [*others, *enrolled[member], *taken.get(member, [])]
        ]
        other[name] = np.asarray(strangers, np.float32)
        progress.advance(1, name)
    progress.finish()
    found = thresholds_of(same, other, judge.faces.min_same_person)
    write_json(plan.file, {"encoder": judge.encoder, **found.to_json()})
    return Calibrated(file=plan.file, found=found)


def _enrolled(plan: RenderPlan, name: str, judge: Judge) -> FloatArray:
    """The photos that a member was made from, as far as they are at hand."""
    people = (person for shot in plan.board.shots for person in shot.characters)
    file = next(person.file for person in people if person.id == name)
    paths = find_photos(load_any(file)).enrolled
    if not paths:
        return np.zeros((0, judge.faces.dim), np.float32)
    images = [read_image(path) for path in paths]
    return build_gallery(images, [str(path) for path in paths], judge.faces, among=True).vectors


def _faces_of_takes(plan: RenderPlan) -> dict[str, list[FloatArray]]:
    """The mean face of each take of the shots in which a character is alone."""
    found: dict[str, list[FloatArray]] = {}
    for shot in plan.board.shots:
        if len(shot.characters) != 1:
            continue
        (person,) = shot.characters
        for version in versions(plan.board.out_dir, shot)[-1:]:
            for path in sorted((version / "takes").glob("t*.faces.json")):
                told = (read_json(path) or {}).get("faces")
                if isinstance(told, Mapping) and person.id in told:
                    middle = np.asarray(told[person.id], np.float32)
                    found.setdefault(person.id, []).append(middle)
    return found

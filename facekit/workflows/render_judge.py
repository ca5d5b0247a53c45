"""Who is in a take: its faces against photos of the whole cast, by the reporting encoder."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from facekit.adapters.character import Character
from facekit.adapters.judging_faces import JudgingFaces
from facekit.digests import json_digest
from facekit.errors import FacekitError, RenderError, UsageError
from facekit.evaluation.cast_report import CastReport, report_cast
from facekit.evaluation.measure import check_report_encoder
from facekit.evaluation.take_figures import TakeFigures, TakeLimits, take_figures
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces
from facekit.generation.storyboard_shot import ShotPlan
from facekit.identity.gallery import build_gallery
from facekit.identity.similarity import weighted_mean
from facekit.media.images import read_image
from facekit.types import Clip, FloatArray
from facekit.weights import known_digest
from facekit.workflows.characters import evaluation_recipe
from facekit.workflows.evaluate_settings import train_encoder_of
from facekit.workflows.photos import FoundPhotos, find_photos, parse_photos
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_judging import check_measured_by, kept_judging

__all__ = ["Judge", "JudgePlan", "limits_of", "middles", "parse_photos", "plan_judge"]

_FIGURES = 4
"""Another number where other figures are taken of a take, so that takes are measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePlan:
    """What takes are judged by."""

    encoder: str
    """Name of the reporting encoder; empty where nobody is in the show."""
    photos: Mapping[str, tuple[Path, ...]]
    """Member of the cast -> photos; none for one that its templates tell, and whom nothing tells
    is not in it."""
    floor: float | None = None
    """Similarity below which a face is nobody of the cast; None is the encoder's own."""
    p05: Mapping[str, float] | None = None
    """Calibrated least likeness per member; None is the floor for all."""
    calibrated: str = ""
    """When and on what the thresholds were found, in words; empty where they are the encoder's."""
    calibrated_by: str = ""
    """Name and digest of the encoder that they belong to; empty likewise."""
    warnings: tuple[str, ...] = ()
    enrolled: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Member -> photos that trained: they tell how alike the photos are among themselves, and
    decide no verdict."""
    kept: Mapping[str, JudgingFaces] = field(default_factory=dict)
    """Member -> what its templates hold in place of photos that are not at hand."""

    @property
    def digest(self) -> str:
        """Tells two ways of judging apart; photos and what templates keep of them are one way."""
        photos = {name: self.photo_digests(name) for name in self.photos}
        return json_digest(
            {"encoder": self.encoder, "photos": photos, "floor": self.floor, "figures": _FIGURES}
        )

    def photo_digests(self, name: str) -> list[str]:
        """sha256 of each photo that judges a member, in their order."""
        if name in self.kept:
            return list(self.kept[name].held_out_sha256)
        return [known_digest(path) for path in self.photos.get(name, ())]

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "encoder": self.encoder,
            "photos": {name: [str(path) for path in paths] for name, paths in self.photos.items()},
            "by_templates": {name: len(one.held_out_HD) for name, one in self.kept.items()},
            "floor": self.floor,
            "p05": None if self.p05 is None else dict(self.p05),
            "calibrated": self.calibrated or None,
        }


def plan_judge(
    cast: Mapping[str, Path],
    *,
    encoder: str | None = None,
    photos: Mapping[str, str] | None = None,
    must_find: Collection[str] = (),
    revoked: bool = False,
) -> JudgePlan:
    """Find photos and encoder for a cast; the templates of a preset stand for photos that are away.

    Args:
        cast: Member -> character file.
        encoder: Which one reports; that of the first character's recipe when None.
        photos: Member -> folder that its photos are in now; others have them where they trained.
        must_find: Members without whose photos nothing is planned; of others a warning tells it.
        revoked: Whether presets that were revoked will do, for what is there to be looked at.

    Raises:
        UsageError: The encoder that trained would judge, there is no such encoder, or photos that
            must be found are not there.
        MediaError: A photo that must be found is another picture.
        RecipeError: A recipe beside a character is damaged.
    """
    held_out: dict[str, tuple[Path, ...]] = {}
    enrolled: dict[str, tuple[Path, ...]] = {}
    kept: dict[str, JudgingFaces] = {}
    warnings: list[str] = []
    for name, file in cast.items():
        character = load_any(file, revoked=revoked)
        recipe = evaluation_recipe(str(file), revoked=revoked)
        encoder = encoder or recipe.encoder.report
        check_report_encoder(train_encoder_of(character, recipe), encoder)
        try:
            found = _own_photos(name, character, (photos or {}).get(name))
            held_out[name], enrolled[name] = found.held_out, found.enrolled
            if found.has_new:
                warnings.append(
                    f"{name}: judged by {len(found.held_out)} photos of which its file knows"
                    " none; they count as photos of it that training never saw"
                )
        except FacekitError as error:
            if name in must_find:
                raise
            known, why = kept_judging(character, encoder)
            if known is not None:
                kept[name], held_out[name] = known, ()
                continue
            told = why or str(error).partition(", expected")[0]
            warnings.append(f"{name}: no photos to judge by, so its shots need a look: {told}")
    if encoder:
        check_vendor(encoder)
    return JudgePlan(
        encoder=encoder or "",
        photos=held_out,
        warnings=tuple(warnings),
        enrolled=enrolled,
        kept=kept,
    )


def _own_photos(name: str, character: Character, folder: str | None) -> FoundPhotos:
    found = find_photos(character, [] if folder is None else [folder])
    if found.has_new and character.file.header.photos:
        raise UsageError(
            f"{folder}: holds other photos than those of {name}, expected the folder of its own, by"
            f" the names that its character file knows; name that one with --photos {name}=FOLDER"
        )
    return found


class Judge:
    """Measures takes; loaded once.

    Args:
        plan: Photos and encoder.
        device: Of the encoder.
        faces: The reporting encoder, when it is loaded already.

    Raises:
        UsageError: There are no photos.
        RenderError: The thresholds were calibrated with another encoder, or templates were measured
            with other weights of it.
        FaceError: A photo without a face.
    """

    def __init__(
        self, plan: JudgePlan, device: torch.device, faces: FaceVendor | None = None
    ) -> None:
        if not plan.photos:
            raise UsageError("no photos of anybody, expected those of one member; nothing to judge")
        self.plan = plan
        self.digest = plan.digest
        self.faces: FaceVendor = (faces or load_faces(plan.encoder)).to(device)
        if plan.calibrated_by and plan.calibrated_by != self.encoder:
            raise RenderError(
                f"the gates were calibrated with {plan.calibrated_by}, expected {self.encoder},"
                " which judges now; run facekit lab calibrate BOARD --force"
            )
        for name, one in plan.kept.items():
            check_measured_by(name, one, self.encoder)
        self.cast = {
            name: plan.kept[name].held_out_HD if name in plan.kept else self._embed(paths)
            for name, paths in plan.photos.items()
        }
        """Member -> embeddings of the photos that judge, (N, D)."""
        self.enrolled = {name: self._enrolled(name) for name in self.cast}
        """Member -> embeddings of the photos that trained, as far as they are known."""
        self.ceilings: dict[str, float] = {
            name: float(np.mean(rows @ weighted_mean(self.cast[name])))
            for name, rows in self.enrolled.items()
            if len(rows)
        }
        """Member -> how alike the photos that trained are to those that judge, as takes are
        compared; a take that reaches it is as like as the photos."""

    def _enrolled(self, name: str) -> FloatArray:
        if name in self.plan.kept:
            return self.plan.kept[name].enrolled_ED
        paths = self.plan.enrolled.get(name)
        return self._embed(paths) if paths else np.zeros((0, self.faces.dim), np.float32)

    def _embed(self, paths: Sequence[Path]) -> FloatArray:
        pictures = [read_image(path) for path in paths]
        sources = [str(path) for path in paths]
        return build_gallery(pictures, sources, self.faces, among=True).vectors

    @property
    def floor(self) -> float:
        """Similarity below which a face is nobody of the cast."""
        return self.faces.min_same_person if self.plan.floor is None else self.plan.floor

    def measure(
        self, clip: Clip, shot: ShotPlan, masks_FHW: Mapping[str, FloatArray], start_frame: int
    ) -> tuple[CastReport, TakeFigures]:
        """Find and count everybody in a clip.

        Args:
            clip: The delivered part of a take, as it was drawn.
            shot: Says who should be in it.
            masks_FHW: Where they should be, where that is known.
            start_frame: What the first frame is called.
        """
        known = {name: mask for name, mask in masks_FHW.items() if name in self.cast}
        report = report_cast(
            clip,
            self.cast,
            self.faces,
            floor=self.floor,
            masks_FHW=known,
            start_frame=start_frame,
        )
        present = [person.id for person in shot.characters]
        return report, take_figures(report, present, clip.num_frames)

    @property
    def encoder(self) -> str:
        """Name and digest of the encoder."""
        return encoder_id(self.faces)


def limits_of(shot: ShotPlan, judge: JudgePlan, floor: float) -> TakeLimits:
    """What the takes of a shot must reach.

    Args:
        shot: Its gates.
        judge: Calibrated likeness.
        floor: The one in use.
    """
    gates = shot.gates
    asked = gates.identity.p05
    auto = dict(judge.p05 or {})
    # A gate that is off asks for no photos.
    unknown = [person.id for person in shot.characters] if asked == "off" else []
    names = dict.fromkeys([*judge.photos, *unknown])
    return TakeLimits(
        p05={name: auto.get(name, floor) if asked == "auto" else asked for name in names},
        coverage=gates.identity.coverage,
        on_na=gates.identity.on_na,
        wrong_person=gates.wrong_person,
        swap=gates.swap,
        drift_slope=gates.drift_slope,
        demanded=frozenset(person.id for person in shot.characters if person.face_required),
    )


def middles(report: CastReport, present: Sequence[str]) -> dict[str, list[float]]:
    """The mean face of each character of a take that was found, for comparing shots."""
    found: dict[str, list[float]] = {}
    for name in present:
        own = [track for track in report.tracks if track.match == name]
        best = max(own, key=lambda track: int(track.is_scored.sum()), default=None)
        if best is not None and best.middle_D is not None:
            found[name] = [round(float(value), 5) for value in np.asarray(best.middle_D)]
    return found

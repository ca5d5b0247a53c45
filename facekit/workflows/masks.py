"""The face masks that training looks at: a parser's, those of a dataset, or the ellipse."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from facekit.curation.manifest import ParserRecord, record_parser
from facekit.curation.stored import read_masks
from facekit.faces.parse import ELLIPSE, EllipseParser, face_mask, mask_bytes
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.faces.vendors import load_parser, parser_facts
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.recipe import Recipe
from facekit.training.cache import EncodingCache, Item, content_key
from facekit.training.makers import parser_maker
from facekit.types import Progress
from facekit.workflows.datasets import StoredDataset

__all__ = ["MaskPlan", "MasksUsed", "choose_masks", "draw_masks", "plan_masks"]

_LEAST_OF_ELLIPSE = 0.2
"""A parser that marks less of the face than this has missed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasksUsed:
    """Who draws the masks of a run."""

    parser: str
    """``bisenet``, ``ellipse``, or empty where nothing is trained that looks at masks."""
    digest: str = ""
    """Sha256 of its weights; empty where there are none."""
    licence: str = ""
    shortfall: str = ""
    """What it cannot do and why; empty for a real parser."""
    stored: bool = False
    """Whether they are those of a dataset."""

    def describe(self) -> str:
        """One line, for people."""
        if not self.parser:
            return "none, for nothing is trained that looks at them"
        where = "as the dataset was checked" if self.stored else ""
        weights = f"weights {self.digest[:12]}" if self.digest else ""
        terms = f"licence {self.licence}" if self.digest else ""
        told = "; ".join(part for part in (weights, terms, where, self.shortfall) if part)
        return f"{self.parser} ({told})" if told else self.parser

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return asdict(self)

    def to_summary(self) -> Mapping[str, str]:
        """What the character file keeps: the same from photos and from their dataset."""
        return {"parser": self.parser, "digest": self.digest, "licence": self.licence}


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPlan:
    """The masks that a run is to use, and what draws them."""

    used: MasksUsed
    drawn_by: FaceParser | None = None
    """Where no dataset holds them, and they are not the ellipse."""
    dataset: StoredDataset | None = None
    """That holds them, where they are not the ellipse."""

    @property
    def made_by(self) -> str:
        """As `PhotoSet.masks` has it."""
        used = self.used
        drawn = used.parser not in ("", ELLIPSE)
        return f"{used.parser}@{used.digest[:12]}" if drawn else ""


def plan_masks(recipe: Recipe, dataset: StoredDataset | None) -> MasksUsed:
    """Say which masks a recipe will use, without loading anything; the digest is not known then."""
    if not _are_looked_at(recipe):
        return MasksUsed(parser="")
    if dataset is not None:
        return _stored(dataset.manifest.parser)
    facts, reason = parser_facts(recipe.encoder.train)
    if facts is None:
        return MasksUsed(parser=ELLIPSE, shortfall=EllipseParser(reason).shortfall)
    return MasksUsed(parser=facts.name, licence=facts.licence)


def choose_masks(recipe: Recipe, dataset: StoredDataset | None, faces: FaceVendor) -> MaskPlan:
    """Load what draws the masks; a dataset's are its own, and nothing is loaded for them."""
    if not _are_looked_at(recipe):
        return MaskPlan(used=MasksUsed(parser=""))
    if dataset is not None:
        used = _stored(dataset.manifest.parser)
        return MaskPlan(used=used, dataset=None if used.parser == ELLIPSE else dataset)
    parser = load_parser(faces)
    record = record_parser(parser)
    used = MasksUsed(
        parser=record.name,
        digest=record.digest,
        licence=record.licence,
        shortfall=record.shortfall,
    )
    return MaskPlan(used=used, drawn_by=None if record.name == ELLIPSE else parser)


def draw_masks(
    photos: PhotoSet, plan: MaskPlan, progress: Progress
) -> tuple[PhotoSet, tuple[str, ...]]:
    """Give the photos to train on their masks.

    The ellipse is drawn by training, at the size of each view, so those photos stay as they are.
    A parser's are kept in the cache. Where it has missed the face, the ellipse takes its place.

    Args:
        photos: Those held out are not looked at.
        plan: Of `choose_masks`.
        progress: Counts the photos that a parser looks at.

    Returns:
        The photos, and a line for each that the parser has missed.

    Raises:
        MediaError: A mask of the dataset is missing or damaged.
        OutputError: The cache cannot be written.
    """
    if plan.dataset is not None:
        photos = read_masks(plan.dataset.folder, plan.dataset.manifest, photos)
    elif plan.drawn_by is not None:
        items = [_mask_item(photo, plan.drawn_by) for photo in photos.train]
        drawn = EncodingCache().encode("masks", items, parser_maker(plan.drawn_by), progress)
        train = zip(photos.train, drawn, strict=True)
        photos = replace(
            photos, train=tuple(replace(photo, mask=m["mask"].numpy()) for photo, m in train)
        )
    kept, missed = [], []
    for photo in photos.train:
        share = _share_of_ellipse(photo)
        if share < _LEAST_OF_ELLIPSE:
            missed.append(
                f"{photo.source}: {plan.used.parser} marks {share:.0%} of the place of the face,"
                f" expected at least {_LEAST_OF_ELLIPSE:.0%}, so its mask is the ellipse; look at"
                " what covers the face"
            )
        kept.append(replace(photo, mask=None) if share < _LEAST_OF_ELLIPSE else photo)
    return replace(photos, train=tuple(kept), masks=plan.made_by), tuple(missed)


def _mask_item(photo: Photo, parser: FaceParser) -> Item:
    return Item(
        content=content_key(photo.image, str(photo.face.to_json())),
        make=lambda: {"mask": torch.from_numpy(_drawn(photo, parser))},
        name=Path(photo.source).name,
    )


def _drawn(photo: Photo, parser: FaceParser) -> npt.NDArray[np.uint8]:
    return mask_bytes(parser.parse(photo.image, photo.face).face)


def _are_looked_at(recipe: Recipe) -> bool:
    """Whether the masked loss takes part."""
    loss = recipe.loss
    is_trained = recipe.identity.level != "L0"
    return is_trained and loss.flow > 0 and loss.face_mask_probability > 0


def _stored(record: ParserRecord) -> MasksUsed:
    return MasksUsed(
        parser=record.name,
        digest=record.digest,
        licence=record.licence,
        shortfall=record.shortfall,
        stored=True,
    )


def _share_of_ellipse(photo: Photo) -> float:
    """How much of the ellipse a photo's mask marks; all of it without a mask."""
    if photo.mask is None:
        return 1.0
    ellipse = face_mask(photo.image, photo.face)
    area = float(ellipse.sum())
    return float((photo.mask * ellipse).sum()) / (255.0 * area) if area > 0 else 1.0

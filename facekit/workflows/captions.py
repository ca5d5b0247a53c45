"""What training will say of photos: their own texts, or those of a captioning model, linted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facekit.curation.captioning import load_captioner
from facekit.curation.inspection import Inspection
from facekit.curation.manifest import CaptionRecord
from facekit.curation.memory import Known
from facekit.recipe import CaptionsSection
from facekit.training.captions import drop_face_clauses, write_caption
from facekit.types import Progress

__all__ = ["CaptionSummary", "add_captions", "caption_record", "summarise_captions"]

_TRIGGER = "{trigger}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionSummary:
    """How the usable photos are captioned, and what was left out of their texts."""

    num_template: int
    """Photos of which only shot size and trigger are said."""
    num_texts: int
    """Photos with a text beside them."""
    num_model: int
    """Photos that a model has captioned."""
    model: str | None
    """Which one."""
    face_words: Mapping[str, tuple[str, ...]]
    """By the text's name: words about the face, whose clauses are left out."""

    def lines(self) -> list[str]:
        """What there is to tell: nothing where every caption is the template's."""
        if not (self.num_texts or self.num_model):
            return []
        counts = [
            (self.num_texts, "by their own text"),
            (self.num_model, f"by {self.model}"),
            (self.num_template, "by shot size alone"),
        ]
        told = [f"{number} {how}" for number, how in counts if number]
        return [
            f"captions: {', '.join(told)}",
            *(
                f"caption: {name} speaks of the face ({', '.join(words)}); clauses about it are"
                " left out, since they would bind the likeness to the words"
                for name, words in self.face_words.items()
            ),
        ]

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "num_template": self.num_template,
            "num_texts": self.num_texts,
            "num_model": self.num_model,
            "model": self.model,
            "face_words": {name: list(words) for name, words in self.face_words.items()},
        }


def add_captions(
    inspection: Inspection, captions: CaptionsSection, progress: Progress
) -> Inspection:
    """Let the recipe's captioning model caption the usable photos that have no text.

    Nothing is loaded where the recipe names none, the photos will not do, or each has a text.

    Raises:
        UsageError: The recipe names an unknown model.
        WeightsMissing: The model is not here; the message says how to get it.
        MediaError: A photo is no longer there.
        OutputError: The cache cannot be written.
    """
    usable = {verdict.source for verdict in inspection.verdicts if verdict.usable}
    wanted = [
        known.candidate
        for known in inspection.looked_at
        if known.candidate.source.name in usable and known.candidate.sidecar is None
    ]
    if captions.model is None or not wanted or not inspection.accepted:
        return inspection
    captioner = load_captioner(captions.model)
    progress.start(len(wanted), f"captioning with {captioner.name}")
    written = {}
    for candidate in wanted:
        written[candidate.source.name] = captioner.caption(candidate.file)
        progress.advance(1, Path(candidate.source.name).name)
    progress.finish()
    return inspection.with_captions(written, captioner.name)


def caption_record(known: Known, size_px: tuple[int, int]) -> CaptionRecord:
    """Write down the caption of a photo as its whole view will have it.

    Args:
        known: With one face.
        size_px: Height and width of the picture.
    """
    candidate = known.candidate
    assert candidate.crop is not None  # only photos with one face are usable
    near = candidate.crop.face.height_px / min(size_px)
    own = candidate.sidecar
    kept, words = drop_face_clauses(own) if own else (None, ())
    return CaptionRecord(
        origin=_origin(known),
        named=candidate.source.caption_name if own else "",
        own=own,
        text=write_caption(_TRIGGER, near, kept),
        face_words=words,
    )


def summarise_captions(inspection: Inspection, captions: CaptionsSection) -> CaptionSummary:
    """Count the captions of the usable photos, and list the face words in them."""
    usable = {verdict.source for verdict in inspection.verdicts if verdict.usable}
    taken = [known for known in inspection.looked_at if known.candidate.source.name in usable]
    origins = [_origin(known) for known in taken]
    found = {}
    for known in taken:
        if known.candidate.sidecar:
            words = drop_face_clauses(known.candidate.sidecar)[1]
            if words:
                found[known.candidate.source.caption_name] = words
    return CaptionSummary(
        num_template=origins.count("template"),
        num_texts=origins.count("sidecar"),
        num_model=origins.count("model"),
        model=captions.model,
        face_words=found,
    )


def _origin(known: Known) -> Literal["template", "sidecar", "model"]:
    candidate = known.candidate
    if not candidate.sidecar:
        return "template"
    return "model" if candidate.captioned_by else "sidecar"

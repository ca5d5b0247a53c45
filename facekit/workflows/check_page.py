"""The page of checked photos: every verdict beside its picture, in one file to be mailed."""

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from facekit.curation.findings import Finding, Role
from facekit.curation.manifest import CaptionRecord, DatasetManifest, FaceRecord, PhotoEntry
from facekit.curation.stored import read_vectors
from facekit.evaluation.page_parts import section, strong, table, text
from facekit.faces.quality import FaceQuality
from facekit.workflows.check_grids import coverage, likeness

__all__ = ["build_check_page"]

_STYLES = (
    ("facekit.evaluation", "report.css"),
    ("facekit.workflows", "check_page.css"),
)
_CHIPS = {Role.TRAIN: "pass", Role.HELD_OUT: "kept", Role.REFUSED: "fail"}
_WORDS = {Role.TRAIN: "trained on", Role.HELD_OUT: "held out", Role.REFUSED: "refused"}
_FILTERS = (("all", "all"), ("train", "trained on"), ("held", "held out"), ("refused", "refused"))
_KEYS = {Role.TRAIN: "train", Role.HELD_OUT: "held", Role.REFUSED: "refused"}


def build_check_page(folder: Path, manifest: DatasetManifest, name: str | None) -> str:
    """Return the whole page.

    Args:
        folder: The dataset; thumbnails and embeddings are read from it.
        manifest: What it says.
        name: What the character is called.

    Raises:
        MediaError: The embeddings are missing.
    """
    style = "".join(
        (files(package) / file).read_text(encoding="utf-8") for package, file in _STYLES
    )
    title = f"Will these photos make {escape(name)}?" if name else "Will these photos do?"
    parts = (
        _header(manifest, title),
        _tiles(manifest),
        _advice(manifest),
        _photos(folder, manifest),
        coverage(manifest.photos),
        likeness(manifest, read_vectors(folder, manifest)),
        _settings(manifest),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _header(manifest: DatasetManifest, title: str) -> str:
    usable = [photo for photo in manifest.photos if photo.role is not Role.REFUSED]
    lead = (
        f"{len(usable)} of {len(manifest.photos)} photos can be used, and"
        f" {manifest.rules.min_usable} are needed. Every photo is judged by itself, and then"
        " compared with the others."
    )
    verdict, mark = ("they will do", "pass") if manifest.accepted else ("refused", "fail")
    return (
        f'<header><div><h1>{title}</h1><p class="lead">{escape(lead)}</p></div>'
        f'<div class="verdict {mark}">{verdict}</div></header>'
    )


def _tiles(manifest: DatasetManifest) -> str:
    roles = [photo.role for photo in manifest.photos]
    compared = [
        photo.similarity
        for photo in manifest.photos
        if photo.role is not Role.REFUSED and photo.similarity is not None
    ]
    least = f"{min(compared):.2f}" if compared else "-"
    tiles = (
        ("trained on", str(roles.count(Role.TRAIN)), "What the character is learned from."),
        (
            "held out",
            str(roles.count(Role.HELD_OUT)),
            "Never trained on. They differ most from the rest and measure the result.",
        ),
        ("refused", str(roles.count(Role.REFUSED)), "Not used at all; the reasons are below."),
        (
            "least alike",
            least,
            "Similarity of the least alike photo that is used to the others; below"
            f" {manifest.min_same_person:.2f} it is somebody else.",
        ),
    )
    cards = "".join(
        f'<div class="tile"><div class="name">{escape(name)}</div>'
        f'<div class="value">{value}</div><p class="meaning">{escape(meaning)}</p></div>'
        for name, value, meaning in tiles
    )
    return f'<div class="tiles">{cards}</div>'


def _advice(manifest: DatasetManifest) -> str:
    if not manifest.advice:
        return ""
    lines = "".join(
        f"<li>{escape(advice.sentence)} <span>has {_number(advice.value)}, good is"
        f" {_number(advice.limit)}</span></li>"
        for advice in manifest.advice
    )
    return section(
        "What would make them better", f'<ul class="advice">{lines}</ul>', "None of it refuses."
    )


def _photos(folder: Path, manifest: DatasetManifest) -> str:
    roles = [_KEYS[photo.role] for photo in manifest.photos]
    buttons = "".join(
        f'<input type="radio" name="show" id="show-{key}"{" checked" if key == "all" else ""}>'
        f'<label for="show-{key}">{word} <b>'
        f"{len(roles) if key == 'all' else roles.count(key)}</b></label>"
        for key, word in _FILTERS
    )
    cards = "".join(_card(folder, photo) for photo in manifest.photos)
    return section(
        "Photo by photo",
        f'<div class="shown">{buttons}<div class="cards">{cards}</div></div>',
        "The frame is the face that was found, the dots are its eyes, nose and mouth. Choose with"
        " the arrow keys; the numbers of a photo open with the Enter key.",
    )


def _card(folder: Path, photo: PhotoEntry) -> str:
    findings = "".join(_finding(finding, "bad") for finding in photo.findings)
    notes = "".join(_finding(note, "noted") for note in photo.notes)
    said = f"<ul>{findings}{notes}</ul>" if findings or notes else ""
    return (
        f'<article class="card {_KEYS[photo.role]}"><div class="picture">'
        f"{_picture(folder, photo)}</div>"
        f'<h3 class="file">{escape(photo.name)}</h3>'
        f'<span class="chip {_CHIPS[photo.role]}">{_WORDS[photo.role]}</span>{said}'
        f"{_caption(photo.caption)}{_numbers(photo)}</article>"
    )


def _picture(folder: Path, photo: PhotoEntry) -> str:
    if photo.thumbnail is None or photo.size_px is None:
        return "<p>no picture</p>"
    content = base64.b64encode((folder / photo.thumbnail).read_bytes()).decode("ascii")
    height, width = photo.size_px
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(photo.name)}">'
        f'<image href="data:image/webp;base64,{content}" width="{width}" height="{height}"'
        f' preserveAspectRatio="none"/>{_marks(photo.face, max(height, width) / 110)}</svg>'
    )


def _marks(face: FaceRecord | None, stroke: float) -> str:
    """Draw the box and the landmarks; nothing where there is no single face."""
    if face is None:
        return ""
    left, top, right, bottom = face.box_xyxy_px
    dots = "".join(
        f'<circle cx="{x + 0.5:.1f}" cy="{y + 0.5:.1f}" r="{1.6 * stroke:.1f}"/>'
        for x, y in face.landmarks_px
    )
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
        f' height="{bottom - top:.1f}" stroke-width="{stroke:.1f}"/>{dots}'
    )


def _finding(finding: Finding, style: str) -> str:
    numbers = ""
    if finding.value is not None and finding.limit is not None:
        numbers = f" <span>{_number(finding.value)}, threshold {_number(finding.limit)}</span>"
    return f'<li class="{style}">{escape(finding.sentence)}{numbers}</li>'


def _caption(caption: CaptionRecord | None) -> str:
    if caption is None:
        return ""
    dropped = ""
    if caption.face_words:
        words = ", ".join(caption.face_words)
        dropped = (
            f'<span class="dropped">left out, for it speaks of the face: {escape(words)}</span>'
        )
    return f'<p class="caption">{escape(caption.text)}{dropped}</p>'


def _numbers(photo: PhotoEntry) -> str:
    if photo.measured is None:
        return ""
    rows = [(strong(name), text(value)) for name, value in _measured(photo.measured)]
    if photo.similarity is not None:
        rows.append((strong("alike"), text(f"{photo.similarity:.3f}")))
    if photo.sha256:
        rows.append((strong("sha256"), text(photo.sha256[:12])))
    return f"<details><summary>numbers</summary>{table((), rows)}</details>"


def _measured(quality: FaceQuality) -> list[tuple[str, str]]:
    """Every measurement under its own name, whatever is measured."""
    fields = type(quality).__dataclass_fields__
    values = [(name, getattr(quality, name)) for name in fields]
    return [(name, _number(value)) for name, value in values if isinstance(value, int | float)]


def _settings(manifest: DatasetManifest) -> str:
    encoder, parser = manifest.encoder, manifest.parser
    rules = manifest.rules.model_dump()
    masks = parser.name + (f" {parser.digest}" if parser.digest else "")
    rows: Sequence[tuple[str, str]] = (
        ("encoder", f"{encoder.asked} ({encoder.name})"),
        ("encoder sha256", encoder.digest),
        ("encoder licence", encoder.licence),
        ("face masks", f"{masks}{'; ' if parser.shortfall else ''}{parser.shortfall}"),
        ("captions", manifest.captions.model or "shot size and trigger, or the text beside"),
        ("thresholds", ", ".join(f"{key} {value}" for key, value in rules.items())),
        ("somebody else below", f"{manifest.min_same_person:.3f}"),
        ("photos in", manifest.folder),
        ("facekit", manifest.made_by),
    )
    return section("How this was made", table((), [(strong(k), text(v, "code")) for k, v in rows]))


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"

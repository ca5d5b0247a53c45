"""The photos of a check's page: a card for each, and all numbers side by side."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

from facekit.curation.coverage import usual_pitch_deg
from facekit.curation.findings import Finding, Role
from facekit.curation.manifest import CaptionRecord, DatasetManifest, FaceRecord, PhotoEntry
from facekit.evaluation.page_parts import NOTHING, Cell, number, section, strong, table, text
from facekit.faces.quality import FaceQuality

__all__ = ["MOST_OPEN", "all_numbers", "finding_item", "number_text", "photo_cards"]

MOST_OPEN = 24
"""The table of more photos is folded."""

_CHIPS = {Role.TRAIN: "pass", Role.HELD_OUT: "kept", Role.REFUSED: "fail"}
_WORDS = {Role.TRAIN: "trained on", Role.HELD_OUT: "held out", Role.REFUSED: "refused"}
_FILTERS = (("all", "all"), ("train", "trained on"), ("held", "held out"), ("refused", "refused"))
_KEYS = {Role.TRAIN: "train", Role.HELD_OUT: "held", Role.REFUSED: "refused"}
_COLUMNS = ("face px", "sharp", "light", "turn", "nod", "alike")


def photo_cards(folder: Path, manifest: DatasetManifest) -> str:
    """Write every photo with what was found in it and what was decided.

    Args:
        folder: The dataset; thumbnails are read from it.
        manifest: What it says.
    """
    roles = [_KEYS[photo.role] for photo in manifest.photos]
    buttons = "".join(
        f'<input type="radio" name="show" id="show-{key}"{" checked" if key == "all" else ""}>'
        f'<label for="show-{key}">{word} <b>'
        f"{len(roles) if key == 'all' else roles.count(key)}</b></label>"
        for key, word in _FILTERS
    )
    usual_deg = _usual_pitch_deg(manifest)
    ranks = {name: rank for rank, name in enumerate(manifest.views, 1)}
    cards = "".join(
        _card(folder, photo, ranks.get(photo.name), usual_deg) for photo in manifest.photos
    )
    return section(
        "Photo by photo",
        f'<div class="shown">{buttons}<div class="cards">{cards}</div></div>',
        "The frame is the face that was found, the dots are its eyes, nose and mouth. Of several"
        " people the one that was taken has the full frame, and what is dark was cut away. Best"
        " views are the photos to train on that show most between them. Choose with the arrow"
        " keys; the numbers of a photo open with the Enter key.",
    )


def all_numbers(manifest: DatasetManifest) -> str:
    """Write the measurements of all photos as one table; empty where no face was measured."""
    if all(photo.measured is None for photo in manifest.photos):
        return ""
    usual_deg = _usual_pitch_deg(manifest)
    head = (text("photo"), *(Cell(html=name, style="number") for name in _COLUMNS), text("verdict"))
    rows = [
        (
            text(photo.name, "name"),
            *map(number, _row(photo, usual_deg)),
            text(_verdict(photo), "said"),
        )
        for photo in manifest.photos
    ]
    shown = table(head, rows)
    if len(rows) > MOST_OPEN:
        shown = f"<details><summary>{len(rows)} photos</summary>{shown}</details>"
    return section(
        "All numbers",
        shown,
        "Turn is towards the picture's right, and nod down, in degrees, beside the middle nod of"
        f" the photos that are used ({usual_deg:.0f}): how long a face is looks like a nod.",
    )


def finding_item(finding: Finding, style: str) -> str:
    """Write a finding as an item of a list, with its number and its threshold where it refuses.

    Args:
        finding: Of a photo or of the set.
        style: "bad", "noted" or "overruled".
    """
    told = "<b>overruled:</b> " if style == "overruled" else ""
    numbers = ""
    if style != "noted" and finding.value is not None and finding.limit is not None:
        numbers = (
            f" <span>{number_text(finding.value)}, threshold {number_text(finding.limit)}</span>"
        )
    return f'<li class="{style}">{told}{escape(finding.sentence)}{numbers}</li>'


def number_text(value: float) -> str:
    """Write a number with three digits that count, of small ones those behind the point."""
    if abs(value) < 1.0:
        return f"{round(float(value), 3) + 0.0:g}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def _usual_pitch_deg(manifest: DatasetManifest) -> float:
    photos = (photo for photo in manifest.photos if photo.role is not Role.REFUSED)
    return usual_pitch_deg([photo.measured for photo in photos if photo.measured is not None])


def _card(folder: Path, photo: PhotoEntry, rank: int | None, usual_pitch_deg: float) -> str:
    said = "".join(
        finding_item(finding, style)
        for style, findings in (
            ("bad", photo.findings),
            ("overruled", photo.allowed),
            ("noted", photo.notes),
        )
        for finding in findings
    )
    best = "" if rank is None else f' <span class="chip best">best view {rank}</span>'
    return (
        f'<article class="card {_KEYS[photo.role]}"><div class="picture">'
        f"{_picture(folder, photo)}</div>"
        f'<h3 class="file">{escape(photo.name)}</h3>'
        f'<span class="chip {_CHIPS[photo.role]}">{_WORDS[photo.role]}</span>{best}'
        f"{f'<ul>{said}</ul>' if said else ''}"
        f"{_caption(photo.caption)}{_numbers(photo, usual_pitch_deg)}</article>"
    )


def _picture(folder: Path, photo: PhotoEntry) -> str:
    """Draw the picture before it was cut, in pixels of the picture as it is used."""
    if photo.thumbnail is None or photo.whole_size_px is None:
        return "<p>no picture</p>"
    content = base64.b64encode((folder / photo.thumbnail).read_bytes()).decode("ascii")
    height, width = photo.whole_size_px
    left, top, right, bottom = photo.cut_xyxy_px or (0, 0, width, height)
    veil = ""
    if photo.cut_xyxy_px is not None:
        outer, inner = (-left, -top, width, height), (0, 0, right - left, bottom - top)
        veil = f'<path class="away" d="{_outline(*outer)}{_outline(*inner)}"/>'
    stroke = max(height, width) / 110
    others = [face for face in photo.people if face != photo.face]
    marks = "".join(_frame(face, stroke, "other") for face in others)
    marks += _frame(photo.face, stroke, "taken") if photo.face is not None else ""
    return (
        f'<svg viewBox="{-left} {-top} {width} {height}" role="img"'
        f' aria-label="{escape(photo.name)}"><image'
        f' href="data:image/webp;base64,{content}" x="{-left}" y="{-top}" width="{width}"'
        f' height="{height}" preserveAspectRatio="none"/>{veil}{marks}</svg>'
    )


def _outline(x: int, y: int, width: int, height: int) -> str:
    return f"M{x} {y}h{width}v{height}h{-width}z"


def _frame(face: FaceRecord, stroke: float, style: str) -> str:
    """Draw the box and the landmarks of a face."""
    left, top, right, bottom = face.box_xyxy_px
    radius = min(1.6 * stroke, 0.05 * (right - left))
    dots = "".join(
        f'<circle cx="{x + 0.5:.1f}" cy="{y + 0.5:.1f}" r="{radius:.1f}"/>'
        for x, y in face.landmarks_px
    )
    dashes = f' stroke-dasharray="{3 * stroke:.1f} {2 * stroke:.1f}"' if style == "other" else ""
    return (
        f'<g class="{style}"><rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
        f' height="{bottom - top:.1f}" stroke-width="{stroke:.1f}"{dashes}/>{dots}</g>'
    )


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


def _numbers(photo: PhotoEntry, usual_pitch_deg: float) -> str:
    if photo.measured is None:
        return ""
    nod = ("nod_deg", f"{photo.measured.pitch_deg - usual_pitch_deg:+.1f}")
    rows = [(strong(name), text(value)) for name, value in (*_measured(photo.measured), nod)]
    if photo.similarity is not None:
        rows.append((strong("alike"), text(f"{photo.similarity:.3f}")))
    if photo.sha256:
        rows.append((strong("sha256"), text(photo.sha256[:12])))
    return f"<details><summary>numbers</summary>{table((), rows)}</details>"


def _measured(quality: FaceQuality) -> Iterable[tuple[str, str]]:
    """Every measurement under its own name, whatever is measured."""
    for name in type(quality).__dataclass_fields__:
        value = getattr(quality, name)
        if isinstance(value, int | float):
            yield name, number_text(value)


def _row(photo: PhotoEntry, usual_pitch_deg: float) -> tuple[str, ...]:
    """One text per column of `_COLUMNS`."""
    alike = NOTHING if photo.similarity is None else f"{photo.similarity:.2f}"
    quality = photo.measured
    if quality is None:
        return (*(NOTHING,) * 5, alike)
    return (
        f"{quality.face_px:.0f}",
        f"{quality.sharpness:.2f}",
        f"{quality.brightness:.2f}",
        f"{round(quality.yaw_deg):+d}",
        f"{round(quality.pitch_deg - usual_pitch_deg):+d}",
        alike,
    )


def _verdict(photo: PhotoEntry) -> str:
    """The role, and the codes of what was found."""
    parts = [_WORDS[photo.role]]
    for word, findings in (("", photo.findings), ("overruled ", photo.allowed)):
        parts += [word + finding.code.value.replace("_", " ") for finding in findings]
    return ", ".join(parts)

"""The two tables of a check's page: what the photos cover, and how alike all faces are."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from PIL import Image as PillowImage

from facekit.curation.advice import FRONT_DEG
from facekit.curation.checks import group_people
from facekit.curation.findings import Role
from facekit.curation.manifest import DatasetManifest, PhotoEntry
from facekit.evaluation.page_parts import Cell, block, section, strong, table, text
from facekit.faces.quality import FaceQuality
from facekit.identity.similarity import similarity_matrix
from facekit.media.embed import png_uri
from facekit.types import FloatArray, Image

__all__ = ["DISTANCE", "GRIDS", "LIGHT", "MOST_LABELLED", "YAW", "Axis", "coverage", "likeness"]

MOST_LABELLED = 24
"""A matrix of more faces is drawn as a picture, without a number in each cell."""

_PICTURE_PX = 900
_GOOD, _BAD, _EVEN = (21, 130, 90), (196, 58, 58), (250, 250, 252)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One measurement, in classes."""

    name: str
    value: Callable[[FaceQuality], float]
    edges: tuple[float, ...]
    """Between the classes, rising."""
    labels: tuple[str, ...]
    """One more than edges."""

    def place(self, quality: FaceQuality) -> int:
        """The class of a face."""
        return int(np.searchsorted(self.edges, self.value(quality), side="right"))


YAW = Axis(
    name="turn of the head",
    value=lambda quality: quality.yaw_deg,
    edges=(-45.0, -FRONT_DEG, FRONT_DEG, 45.0),
    labels=("far left", "left", "front", "right", "far right"),
)
DISTANCE = Axis(
    name="distance",
    value=lambda quality: -quality.face_fraction,
    edges=(-0.5, -0.25),
    labels=("near", "middle", "far"),
)
LIGHT = Axis(
    name="light on the face",
    value=lambda quality: quality.brightness,
    edges=(0.3, 0.55),
    labels=("dark", "middle", "bright"),
)

GRIDS: tuple[tuple[Axis, Axis], ...] = ((YAW, DISTANCE), (YAW, LIGHT))
"""Columns and rows of each table; a new pair is one more table."""


def coverage(photos: Sequence[PhotoEntry]) -> str:
    """Write how the usable photos spread, one table per pair; empty without usable photos."""
    usable = [p for p in photos if p.role is not Role.REFUSED and p.measured is not None]
    if not usable:
        return ""
    blocks = "".join(
        f"<div>{block(f'{rows.name} by {columns.name}', _grid(usable, columns, rows))}</div>"
        for columns, rows in GRIDS
    )
    return section(
        "What they cover",
        f'<div class="two">{blocks}</div>',
        "Usable photos in each class; left and right are the picture's. Empty classes in the"
        " middle are worth a photo more than another one in a full class.",
    )


def _grid(photos: Sequence[PhotoEntry], columns: Axis, rows: Axis) -> str:
    counts = np.zeros((len(rows.labels), len(columns.labels)), int)
    held = np.zeros_like(counts)
    for photo in photos:
        if photo.measured is not None:
            at = rows.place(photo.measured), columns.place(photo.measured)
            counts[at] += 1
            held[at] += photo.role is Role.HELD_OUT
    head = (text(""), *(text(label, "cell") for label in columns.labels))
    body = [
        (strong(label), *(_count(int(n), int(h)) for n, h in zip(line, kept, strict=True)))
        for label, line, kept in zip(rows.labels, counts, held, strict=True)
    ]
    return f'<div class="grid">{table(head, body)}</div>'


def _count(count: int, held_out: int) -> Cell:
    if not count:
        return Cell(html="0", style="cell empty")
    kept = f"<small>{held_out} held out</small>" if held_out else ""
    return Cell(html=f"<b>{count}</b>{kept}", style=f"cell full{min(count, 4)}")


def likeness(manifest: DatasetManifest, vectors: Mapping[str, FloatArray]) -> str:
    """Write how alike all measured faces are, person by person; empty for fewer than two."""
    shown = [photo for photo in manifest.photos if (photo.pixels_sha256 or "") in vectors]
    if len(shown) < 2:
        return ""
    stacked = np.stack([vectors[photo.pixels_sha256 or ""] for photo in shown])
    groups = group_people(stacked, manifest.min_same_person)
    order = [index for group in groups for index in group]
    between = similarity_matrix(stacked[order])
    names = [shown[index].name for index in order]
    limit = manifest.min_same_person
    small = len(order) <= MOST_LABELLED
    drawn = _labelled(between, names, limit) if small else _drawn(between, groups, limit)
    people = "".join(_person(number, group, shown) for number, group in enumerate(groups, 1))
    return section(
        "How alike the faces are",
        f'{drawn}<ol class="people">{people}</ol>',
        f"Similarity of every measured face to every other, refused ones too, person by person."
        f" Green is above {limit:.2f}, the same person; red is below.",
    )


def _person(number: int, group: Sequence[int], shown: Sequence[PhotoEntry]) -> str:
    count = f"{len(group)} face{'s' if len(group) > 1 else ''}"
    named = ", ".join(shown[index].name for index in group)
    return (
        f"<li><details><summary>person {number}: {count}</summary>"
        f"<p>{escape(named)}</p></details></li>"
    )


def _labelled(between: FloatArray, names: Sequence[str], limit: float) -> str:
    head = (text(""), *(text(str(number), "cell") for number in range(1, len(names) + 1)))
    rows = [
        (
            Cell(html=f"<b>{number}</b> {escape(name)}", style="who"),
            *(_shaded(float(value), limit) for value in line),
        )
        for number, (name, line) in enumerate(zip(names, between, strict=True), 1)
    ]
    return f'<div class="matrix">{table(head, rows)}</div>'


def _shaded(value: float, limit: float) -> Cell:
    red, green, blue = _colours(np.array([[value]], np.float32), limit)[0, 0]
    told = f"{value:.2f}".replace("0.", ".")
    style = f"background:rgb({red},{green},{blue})"
    return Cell(html=f'<span style="{style}">{told}</span>', style="cell")


def _drawn(between: FloatArray, groups: Sequence[Sequence[int]], limit: float) -> str:
    count = len(between)
    side = max(1, _PICTURE_PX // count)
    pixels = _colours(between, limit).repeat(side, 0).repeat(side, 1)
    edges = np.cumsum([0, *map(len, groups)]) * side
    for _, edge in pairwise(edges[:-1].tolist()):
        pixels[edge, :] = pixels[:, edge] = 60
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    told = f"similarity of {count} faces, {len(groups)} people"
    return f'<img class="plot matrix" alt="{told}" src="{png_uri(buffer.getvalue())}">'


def _colours(values: FloatArray, limit: float) -> Image:
    """White at the limit, green at 1, red as far below it; shape (N, N, 3)."""
    reach = max(1.0 - limit, 1e-3)
    share = np.clip((values - limit) / reach, -1.0, 1.0)[..., None]
    even, good, bad = (np.array(colour, np.float32) for colour in (_EVEN, _GOOD, _BAD))
    mixed = even + np.where(share > 0, (good - even) * share, (even - bad) * share) * 0.8
    return np.asarray(np.clip(mixed, 0, 255).round(), dtype=np.uint8)

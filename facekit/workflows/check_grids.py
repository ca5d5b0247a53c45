"""The two tables of a check's page: what the photos cover, and how alike all faces are."""

import io
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from html import escape
from itertools import pairwise

import numpy as np
from PIL import Image as PillowImage

from facekit.curation.checks import group_people
from facekit.curation.coverage import (
    DISTANCE,
    EXPRESSION,
    LIGHT,
    PITCH,
    YAW,
    Axis,
    Coverage,
    count_places,
    find_places,
)
from facekit.curation.findings import Role
from facekit.curation.manifest import AdviceRecord, DatasetManifest, PhotoEntry
from facekit.evaluation.page_parts import Cell, block, section, strong, table, text
from facekit.identity.similarity import similarity_matrix
from facekit.media.embed import png_uri
from facekit.types import FloatArray, Image

__all__ = ["MOST_LABELLED", "coverage", "likeness"]

MOST_LABELLED = 24
"""A matrix of more faces is drawn as a picture, without a number in each cell."""

_PICTURE_PX = 900
_GOOD, _BAD, _EVEN = (21, 130, 90), (196, 58, 58), (250, 250, 252)

_TITLES = {
    LIGHT.name: "light on the face",
    DISTANCE.name: "distance",
    EXPRESSION.name: "width of the mouth, beside the usual one",
}
_NODS = {"up": "looks up", "level": "level", "down": "looks down"}


def coverage(photos: Sequence[PhotoEntry], advice: Sequence[AdviceRecord]) -> str:
    """Write how the usable photos spread; empty without usable photos.

    Args:
        photos: All of them; the usable ones count.
        advice: What names places that nothing shows; they are marked.
    """
    usable = [p for p in photos if p.role is not Role.REFUSED and p.measured is not None]
    if not usable:
        return ""
    places = find_places([p.measured for p in usable if p.measured is not None])
    held = [p.role is Role.HELD_OUT for p in usable]
    shown = count_places(places)
    kept = count_places([one for one, is_held in zip(places, held, strict=True) if is_held])
    wanted = {
        (axis, place) for one in advice for axis, named in one.missing.items() for place in named
    }
    rows = "".join(
        f"<div>{block(_TITLES[axis.name], _row(axis, shown, kept, wanted))}</div>"
        for axis in (LIGHT, DISTANCE, EXPRESSION)
    )
    return section(
        "What they cover",
        f'{_views(shown, kept, _wanted_views(advice))}<div class="three">{rows}</div>',
        "Usable photos by the turn of the head (left and right are the picture's) and by its nod,"
        " and by three things more. The advice asks for the places that are marked.",
    )


def _wanted_views(advice: Sequence[AdviceRecord]) -> set[tuple[str, str]]:
    """Pitch and yaw of the views that advice asks for."""
    return {
        (pitch, yaw)
        for one in advice
        for pitch in one.missing.get(PITCH.name, ())
        for yaw in one.missing.get(YAW.name, ())
    }


def _views(shown: Coverage, kept: Coverage, wanted: AbstractSet[tuple[str, str]]) -> str:
    head = (text(""), *(text(place, "cell") for place in YAW.places))
    rows = [
        (
            strong(_NODS[pitch]),
            *(
                _count(count, held, (pitch, yaw) in wanted)
                for yaw, count, held in zip(YAW.places, counts, held_counts, strict=True)
            ),
        )
        for pitch, counts, held_counts in zip(PITCH.places, shown.grid, kept.grid, strict=True)
    ]
    return f'<div class="grid">{table(head, rows)}</div>'


def _row(axis: Axis, shown: Coverage, kept: Coverage, wanted: AbstractSet[tuple[str, str]]) -> str:
    counts, held = shown.counts[axis.name], kept.counts[axis.name]
    head = tuple(text(place, "cell") for place in axis.places)
    row = tuple(_count(counts[p], held[p], (axis.name, p) in wanted) for p in axis.places)
    return f'<div class="grid">{table(head, [row])}</div>'


def _count(count: int, held_out: int, is_wanted: bool) -> Cell:
    if not count:
        asked = "<small>add</small>" if is_wanted else ""
        return Cell(html=f"0{asked}", style="cell wanted" if is_wanted else "cell empty")
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

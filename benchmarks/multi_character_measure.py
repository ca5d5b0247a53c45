"""Who stands in each place of a clip, by the report encoder and by what the probe reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from facekit.backbones.spec import BackboneSpec
from facekit.evaluation.cast_report import CastReport, report_cast
from facekit.faces.protocols import FaceVendor
from facekit.generation.named_regions import NAMED_REGIONS
from facekit.generation.regions import box_region, make_masks
from facekit.toon import ToonCharacter
from facekit.toon.probe import load_probe
from facekit.types import Clip, Face, FloatArray, Image, Shot

PLACES_OF = {2: ("left", "right"), 3: ("left-third", "middle-third", "right-third")}


def measure_places(
    clip: Clip,
    people: Mapping[str, ToonCharacter],
    cast: Mapping[str, FloatArray],
    faces: FaceVendor,
    spec: BackboneSpec,
) -> list[dict[str, Any]]:
    """Say who of the cast stands in each place of one clip.

    Args:
        clip: What was made.
        people: Name -> character, as they should stand from left to right.
        cast: Name -> embeddings of photos; whom faces are compared with.
        faces: The report vendor.
        spec: The backbone.

    Returns:
        One entry per person.
    """
    masks = place_masks(clip, tuple(people), spec)
    report = report_cast(clip, cast, faces, masks_FHW=masks)
    rows = []
    for name, toon in people.items():
        number = report.places[name]
        row: dict[str, Any] = {
            "expected": name,
            "found": number is not None,
            "similarities": None,
            "nearest": None,
            "match": None,
            "figures": sum(len(t.frames) * 2 >= clip.num_frames for t in report.tracks),
        }
        if number is not None:
            track = report.tracks[number]
            means = track.means_C()
            row["match"], row["nearest"] = track.match, track.nearest
            if means is not None:
                row["similarities"] = dict(zip(cast, map(float, means), strict=True))
            row["attributes"] = _attributes(report, number, clip, toon)
        rows.append(row)
    return rows


def place_masks(clip: Clip, names: Sequence[str], spec: BackboneSpec) -> Mapping[str, np.ndarray]:
    """The places of a group as masks; one alone may be anywhere."""
    boxes = [NAMED_REGIONS[name] for name in PLACES_OF.get(len(names), ())]
    regions = {
        name: box_region([box])
        for name, box in zip(names, boxes or [(0.0, 0.0, 1.0, 1.0)], strict=True)
    }
    num_frames, height, width = clip.frames.shape[:3]
    shot = Shot(
        name="places",
        prompt="",
        seed=0,
        num_frames=num_frames,
        height=height,
        width=width,
        kind="medium shot",
    )
    return {name: mask.numpy() for name, mask in make_masks(regions, shot, spec).items()}


class _OneFace:
    """A detector that has found its face already."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def detect(self, images: Sequence[Image]) -> list[tuple[Face, ...]]:
        return [(self._face,) for _ in images]


@torch.no_grad()
def _attributes(
    report: CastReport, number: int, clip: Clip, toon: ToonCharacter
) -> dict[str, bool]:
    """Whether hair and glasses of a face are those of a character, in the middle of its track."""
    track = report.tracks[number]
    there = np.flatnonzero(~np.isnan(track.boxes_xyxy_px[:, 0]))
    row = int(there[len(there) // 2])
    face = Face(
        box_xyxy_px=track.boxes_xyxy_px[row],
        landmarks_px=np.zeros((5, 2), np.float32),
        score=1.0,
    )
    (seen,) = load_probe(_OneFace(face)).read([clip.frames[track.frames[row]]])
    found = {"hair_style": seen["hair_style"] == toon.hair_style}
    if toon.hair_style != "bald":
        found["hair_color"] = seen["hair_color"] == toon.hair_color
    return found | {"glasses": seen["glasses"] == toon.glasses}

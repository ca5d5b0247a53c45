"""What would make a set of usable photos better: more angles, lights and distances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.coverage import YAWS, cover
from facekit.curation.findings import Verdict
from facekit.faces.quality import FaceQuality

__all__ = [
    "FRONT_DEG",
    "GOOD_COUNT",
    "LEAST_DISTANCE_RATIO",
    "LEAST_LIGHT_RANGE",
    "LOW_LIGHT",
    "Advice",
    "advise",
    "tell_people",
]

GOOD_COUNT = 8
FRONT_DEG = 15.0
"""Heads turned less than this look to the front."""
LEAST_LIGHT_RANGE = 0.12
LEAST_DISTANCE_RATIO = 1.5
LOW_LIGHT = 0.35
"""Faces darker than this are in low light."""
_LEAST_FOR_EXPRESSIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing that the photos lack as a set; none of it refuses them."""

    code: str
    sentence: str
    value: float
    """What the set has."""
    limit: float
    """What would be good."""

    def to_json(self) -> Mapping[str, object]:
        """The four fields."""
        return {
            "code": self.code,
            "sentence": self.sentence,
            "value": self.value,
            "limit": self.limit,
        }


def advise(verdicts: Sequence[Verdict], wanted_held_out: int) -> tuple[Advice, ...]:
    """Look over the usable photos of a set; no usable photo, no advice.

    Args:
        verdicts: Of all photos; only the usable ones count.
        wanted_held_out: How many photos should have been held out.
    """
    usable = [v.quality for v in verdicts if v.usable and v.quality is not None]
    if not usable:
        return ()
    held_out = sum(verdict.role == "held out" for verdict in verdicts)
    return (
        *_count(len(usable), held_out, wanted_held_out),
        *_recordings([v.clip for v in verdicts if v.usable]),
        *_angles(usable),
        *_views(usable),
        *_expressions(usable),
        *_light(usable),
        *_distance(usable),
    )


def tell_people(taken: Sequence[str], others: Sequence[Sequence[str]]) -> tuple[Advice, ...]:
    """Say that a set shows several people and whose photos were taken; nothing where it is one.

    Args:
        taken: The usable photos.
        others: The photos that show somebody else, person by person.
    """
    if not taken or not others:
        return ()
    named = ", ".join(f"{Path(group[0]).name} ({len(group)})" for group in others)
    return (
        Advice(
            code="several_people",
            value=1 + len(others),
            limit=1,
            sentence=f"the photos seem to show {1 + len(others)} people: the one in"
            f" {Path(taken[0]).name} was taken ({len(taken)} photos), not the one in {named};"
            " check the photos of each person alone",
        ),
    )


def _count(count: int, held_out: int, wanted: int) -> list[Advice]:
    found = []
    if count < GOOD_COUNT:
        found.append(
            Advice(
                code="few_photos",
                value=count,
                limit=GOOD_COUNT,
                sentence=f"{count} usable photos will do; {GOOD_COUNT} or more give a better"
                " likeness",
            )
        )
    if held_out < wanted:
        found.append(
            Advice(
                code="few_held_out",
                value=held_out,
                limit=wanted,
                sentence=f"{held_out} of {wanted} photos can be held out for the measurement;"
                f" {wanted - held_out} more would make it surer",
            )
        )
    return found


def _recordings(clips: Sequence[str | None]) -> list[Advice]:
    if len(clips) < 2 or None in clips or len(set(clips)) > 1:
        return []
    sentence = (
        "all photos are frames of one clip, so what is held out is of the same recording and judges"
        " too kindly; add another clip or photos"
    )
    return [Advice(code="one_clip", value=1, limit=2, sentence=sentence)]


def _angles(usable: Sequence[FaceQuality]) -> list[Advice]:
    views = {
        "from the left": sum(q.yaw_deg < -FRONT_DEG for q in usable),
        "from the front": sum(abs(q.yaw_deg) <= FRONT_DEG for q in usable),
        "from the right": sum(q.yaw_deg > FRONT_DEG for q in usable),
    }
    codes = {"from the left": "no_left", "from the front": "no_front", "from the right": "no_right"}
    looks = {
        "from the left": "with the head turned to the picture's left",
        "from the front": "looking at the camera",
        "from the right": "with the head turned to the picture's right",
    }
    adds = {
        "from the left": "left three-quarter",
        "from the front": "front",
        "from the right": "right three-quarter",
    }
    dim = ", low light" if min(quality.brightness for quality in usable) > LOW_LIGHT else ""
    return [
        Advice(
            code=codes[view],
            value=0,
            limit=1,
            sentence=f"no photo {looks[view]}; add: {adds[view]}{dim}",
        )
        for view, count in views.items()
        if count == 0
    ]


def _views(usable: Sequence[FaceQuality]) -> list[Advice]:
    """Name the views that nothing shows, where something of that side is there."""
    grid = cover(usable).grid
    columns = [sum(row[place] for row in grid) for place in range(len(YAWS))]
    dark = min(usable, key=lambda quality: quality.brightness).brightness > LOW_LIGHT
    found = []
    for side, three_quarter, profile in (("left", 1, 0), ("right", 3, 4)):
        if columns[profile] and not columns[three_quarter]:
            found.append(f"{side} three-quarter" + (", low light" if dark else ""))
    if len(usable) >= GOOD_COUNT:
        rows = [sum(row) for row in grid]
        words = ("from below, looking up", "", "from above, looking down")
        found += [word for word, count in zip(words, rows, strict=True) if word and not count]
    return [
        Advice(code="missing_view", value=0, limit=1, sentence=f"add: {view}") for view in found
    ]


def _expressions(usable: Sequence[FaceQuality]) -> list[Advice]:
    counts = cover(usable).expressions
    if len(usable) < _LEAST_FOR_EXPRESSIONS or counts["usual"] < len(usable):
        return []
    sentence = "all mouths are equally wide; add photos that smile and that do not"
    return [Advice(code="same_expression", value=1, limit=2, sentence=sentence)]


def _light(usable: Sequence[FaceQuality]) -> list[Advice]:
    levels = [quality.brightness for quality in usable]
    spread = max(levels) - min(levels)
    if len(usable) < 2 or spread >= LEAST_LIGHT_RANGE:
        return []
    sentence = (
        f"all faces are equally bright ({min(levels):.2f} to {max(levels):.2f});"
        " add photos in other light"
    )
    return [
        Advice(
            code="same_light", value=round(spread, 3), limit=LEAST_LIGHT_RANGE, sentence=sentence
        )
    ]


def _distance(usable: Sequence[FaceQuality]) -> list[Advice]:
    fractions = [quality.face_fraction for quality in usable]
    ratio = max(fractions) / max(min(fractions), 1e-6)
    if len(usable) < 2 or ratio >= LEAST_DISTANCE_RATIO:
        return []
    sentence = (
        f"all faces are equally near ({min(fractions):.0%} to {max(fractions):.0%} of the"
        " picture's height); add photos from nearer or farther"
    )
    return [
        Advice(
            code="same_distance",
            value=round(ratio, 2),
            limit=LEAST_DISTANCE_RATIO,
            sentence=sentence,
        )
    ]

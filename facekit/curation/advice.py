"""What would make a set of usable photos better: more angles, lights and distances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facekit.curation.coverage import (
    DISTANCE,
    EXPRESSION,
    LIGHT,
    PITCH,
    YAW,
    Axis,
    Coverage,
    cover,
)
from facekit.curation.findings import Verdict

__all__ = ["GOOD_COUNT", "Advice", "advise", "tell_people"]

GOOD_COUNT = 8
"""Photos that make a good set; fewer of them are not asked to show nods."""
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
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The places of the coverage that nothing shows and that should be filled, by the name of their
    axis; empty for what is no matter of coverage."""

    def to_json(self) -> Mapping[str, object]:
        """The five fields."""
        return {
            "code": self.code,
            "sentence": self.sentence,
            "value": self.value,
            "limit": self.limit,
            "missing": {axis: list(places) for axis, places in self.missing.items()},
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
    shown = cover(usable)
    return (
        *_count(len(usable), held_out, wanted_held_out),
        *_recordings([v.clip for v in verdicts if v.usable]),
        *_turns(shown),
        *_nods(shown, len(usable)),
        *_expressions(shown, len(usable)),
        *_alike(shown, LIGHT, ("in low light", "in middle light", "in bright light")),
        *_alike(shown, DISTANCE, ("from far away", "from a middle distance", "from near")),
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
                sentence=f"{count} usable {'photo' if count == 1 else 'photos'}, {GOOD_COUNT} or"
                f" more give a better likeness; add: {GOOD_COUNT - count} more",
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


def _turns(shown: Coverage) -> list[Advice]:
    """Ask for each side that nothing shows, once for low light where nothing shows that either."""
    counts = shown.counts[YAW.name]
    left_profile, left, front, right, right_profile = YAW.places
    asked = []
    for code, place, beside, looks in (
        ("no_left", left, left_profile, "with the head turned to the picture's left"),
        ("no_front", front, None, "looking at the camera"),
        ("no_right", right, right_profile, "with the head turned to the picture's right"),
    ):
        if counts[place]:
            continue
        if beside is not None and counts[beside]:
            asked.append(("missing_view", place, f"{beside}s alone"))
        else:
            asked.append((code, place, f"no photo {looks}"))
    low = LIGHT.places[0]
    found = []
    for index, (code, place, lack) in enumerate(asked):
        is_dim = index == 0 and not shown.counts[LIGHT.name][low]
        missing = {YAW.name: (place,), PITCH.name: ("level",)}
        found.append(
            Advice(
                code=code,
                value=0,
                limit=1,
                sentence=f"{lack}; add: {place}" + (f", {low} light" if is_dim else ""),
                missing={**missing, LIGHT.name: (low,)} if is_dim else missing,
            )
        )
    return found


def _nods(shown: Coverage, count: int) -> list[Advice]:
    counts = shown.counts[PITCH.name]
    if count < GOOD_COUNT:
        return []
    return [
        Advice(
            code="missing_view",
            value=0,
            limit=1,
            sentence=f"no head looks {place}; add: front, looking {place}",
            missing={YAW.name: ("front",), PITCH.name: (place,)},
        )
        for place in ("up", "down")
        if not counts[place]
    ]


def _expressions(shown: Coverage, count: int) -> list[Advice]:
    narrow, usual, wide = EXPRESSION.places
    if count < _LEAST_FOR_EXPRESSIONS or shown.counts[EXPRESSION.name][usual] < count:
        return []
    return [
        Advice(
            code="same_expression",
            value=1,
            limit=2,
            sentence=f"all mouths are equally wide; add: {wide} mouth (a smile), {narrow} mouth"
            " (serious)",
            missing={EXPRESSION.name: (narrow, wide)},
        )
    ]


def _alike(shown: Coverage, axis: Axis, words: Sequence[str]) -> list[Advice]:
    """Ask for the other places of an axis where several photos are all in one.

    Args:
        shown: By the usable photos.
        axis: Light or distance.
        words: How a photo in each of its places is told.
    """
    counts = shown.counts[axis.name]
    told = dict(zip(axis.places, words, strict=True))
    taken = [place for place in axis.places if counts[place]]
    if len(taken) > 1 or sum(counts.values()) < 2:
        return []
    empty = tuple(place for place in axis.places if not counts[place])
    return [
        Advice(
            code=f"same_{axis.name}",
            value=1,
            limit=2,
            sentence=f"all photos are {told[taken[0]]}; add: "
            + ", ".join(told[place] for place in empty),
            missing={axis.name: empty},
        )
    ]

"""Several people in one photo: the one that agrees with the other photos is the character."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facekit.curation.findings import Code, Finding
from facekit.curation.memory import Known, Memory
from facekit.errors import MediaError
from facekit.identity.similarity import similarity_matrix
from facekit.types import Face, FloatArray

__all__ = ["CLEARLY_THE_ONE", "LEAST_KNOWN", "choose_person", "cut_window", "doubt_chosen"]

CLEARLY_THE_ONE = 0.1
"""The character must agree with the other photos better than anybody beside it by this."""

LEAST_KNOWN = 2
"""Photos of the character alone that there must be to tell it from others."""

_UNLIKE = (Code.OCCLUDED, Code.WRONG_PERSON)

_Window = tuple[int, int, int, int]
_BESIDE, _ABOVE, _BELOW = 0.15, 0.3, 0.1
"""What of a head is kept around the box of its face, in parts of the box."""


def choose_person(
    several: Known, known: FloatArray, min_same_person: float, memory: Memory
) -> Known:
    """Tell which of several people is the one of the other photos, and cut the picture to it.

    Args:
        several: A photo with several people.
        known: Embeddings of the photos that show the character alone, shape (K, dim).
        min_same_person: Below it, it is somebody else.
        memory: Looks at the part of the photo that stays, once.

    Returns:
        The photo with one face, a note and no finding; or with several people and the reason why
        nobody could be taken.
    """
    candidate = several.candidate
    people = candidate.people
    if len(known) < LEAST_KNOWN or several.people is None or candidate.size_px is None:
        return several
    mean = known.sum(axis=0, keepdims=True)
    likeness = similarity_matrix(several.people, mean)[:, 0]
    order = np.argsort(-likeness, kind="stable")
    best, second = (float(likeness[index]) for index in order[:2])
    if best < min_same_person:
        return _refuse(
            several,
            best,
            min_same_person,
            f"none of them is like the other photos (at best {best:.2f}, at least"
            f" {min_same_person:.2f} is expected); leave it out or crop the picture to one person",
        )
    if best - second < CLEARLY_THE_ONE:
        return _refuse(
            several,
            best - second,
            CLEARLY_THE_ONE,
            f"two are alike the other photos ({best:.2f} and {second:.2f}); crop the picture to"
            " one person",
        )
    chosen = people[order[0]].face
    window = cut_window(candidate.size_px, chosen, [people[index].face for index in order[1:]])
    if window is None:
        return _refuse(
            several,
            float(len(people)),
            1.0,
            "they are too near each other to cut the picture to one; use another photo",
        )
    try:
        alone = memory.look_at_part(candidate, chosen, window)
    except MediaError:
        return several  # it could be read before, so what was found then stands
    note = Finding(
        code=Code.CHOSEN_FACE,
        value=best,
        limit=second,
        sentence=f"of {len(people)} people the one like the other photos was taken (similarity"
        f" {best:.2f}, the next has {second:.2f}) and the picture cut to it; leave the photo out"
        " if that is wrong",
    )
    beside = tuple(people[index].face.moved(-window[0], -window[1]) for index in order[1:])
    told = replace(alone.candidate, notes=(*candidate.notes, note), beside=beside)
    return replace(alone, candidate=told)


def doubt_chosen(known: Known) -> Known:
    """Say first that a photo shows several people, where the one that was taken is refused.

    What refuses it are the other photos: it is unlike them after all, or something hides its face.
    """
    candidate = known.candidate
    taken = [note for note in candidate.notes if note.code is Code.CHOSEN_FACE]
    if not taken or not any(f.code in _UNLIKE for f in candidate.findings):
        return known
    several = Finding(
        code=Code.SEVERAL_FACES,
        value=taken[0].value,
        limit=taken[0].limit,
        sentence="several people, and the one most like the other photos is refused by them; leave"
        " it out or crop the picture to one person",
    )
    return replace(known, candidate=replace(candidate, findings=(several, *candidate.findings)))


def cut_window(size: tuple[int, int], chosen: Face, others: Sequence[Face]) -> _Window | None:
    """Find the largest part of a picture that shows one head whole and no other face.

    Args:
        size: Height and width of the picture.
        chosen: Who stays.
        others: Who must not be seen.

    Returns:
        Left, top, right and bottom in pixels; None where there is no such part.
    """
    height, width = size
    x0, y0, x1, y1 = (float(value) for value in chosen.box_xyxy_px)
    wide, tall = x1 - x0, y1 - y0
    need = (
        max(0, math.floor(x0 - _BESIDE * wide)),
        max(0, math.floor(y0 - _ABOVE * tall)),
        min(width, math.ceil(x1 + _BESIDE * wide)),
        min(height, math.ceil(y1 + _BELOW * tall)),
    )
    window = (0, 0, width, height)
    for face in others:
        a0, b0, a1, b1 = (float(value) for value in face.box_xyxy_px)
        left, top, right, bottom = window
        if a1 <= left or a0 >= right or b1 <= top or b0 >= bottom:
            continue
        options = (
            (math.ceil(a1), top, right, bottom),
            (left, top, math.floor(a0), bottom),
            (left, math.ceil(b1), right, bottom),
            (left, top, right, math.floor(b0)),
        )
        whole = [o for o in options if _holds(o, need)]
        if not whole:
            return None
        window = max(whole, key=lambda o: (o[2] - o[0]) * (o[3] - o[1]))
    return window


def _holds(window: _Window, need: _Window) -> bool:
    return (
        window[0] <= need[0]
        and window[1] <= need[1]
        and window[2] >= need[2]
        and window[3] >= need[3]
    )


def _refuse(several: Known, value: float, limit: float, why: str) -> Known:
    finding = Finding(
        code=Code.SEVERAL_FACES,
        value=value,
        limit=limit,
        sentence=f"{len(several.candidate.people)} people, and {why}",
    )
    return replace(several, candidate=replace(several.candidate, findings=(finding,)))

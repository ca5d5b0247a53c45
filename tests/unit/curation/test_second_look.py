from dataclasses import replace
from pathlib import Path

import numpy as np

from facekit.curation.findings import Code, Finding
from facekit.curation.memory import Known, Memory
from facekit.curation.second_look import turn_strangers
from facekit.media.images import write_image
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from facekit.types import NoProgress
from tests.tiny.faces import GREEN, RED, DiscFaces, draw_photo

RULES = PhotosSection()
STRANGER = Finding(code=Code.WRONG_PERSON, sentence="somebody else; leave it out")


class Upright(DiscFaces):
    """Takes a red disc for a blue one where the picture is higher than wide."""

    def encode(self, crops):
        vectors = super().encode(crops)
        lying = [crop.face.box_xyxy_px[3] > 96 for crop in crops]
        other = super().encode([replace(c, pixels=c.pixels[..., ::-1].copy()) for c in crops])
        return np.where(np.array(lying)[:, None], other, vectors) if crops else vectors


def judged(folder: Path, *last: np.ndarray) -> list[Known]:
    """Three red discs and then the given pictures, which were taken for somebody else."""
    good = [draw_photo(RED, seed=seed, size=(96, 160)) for seed in range(3)]
    for index, image in enumerate([*good, *last]):
        write_image(folder / f"{index}.png", image)
    found = remembering().look(scan_sources([folder]), NoProgress())
    assert all(known.vector is not None for known in found)
    return [known if index < 3 else marked(known) for index, known in enumerate(found)]


def marked(known: Known) -> Known:
    return replace(known, candidate=replace(known.candidate, findings=(STRANGER,)))


def remembering() -> Memory:
    return Memory(Upright(), 0.5)


def lying(colour: tuple[int, int, int]) -> np.ndarray:
    """Low in a picture that is higher than wide; turned by 90 degrees it is at the left."""
    return draw_photo(colour, seed=7, size=(160, 96), centre=(0.5, 0.8))


def turned_of(photos: list[Known]) -> dict[int, Known]:
    return turn_strangers(photos, RULES, DiscFaces.min_same_person, remembering(), NoProgress())


def test_a_stranger_who_is_the_same_person_when_turned_is_none(tmp_path: Path):
    turned = turned_of(judged(tmp_path, lying(RED)))
    assert list(turned) == [3]
    candidate, vector = turned[3].candidate, turned[3].vector
    assert candidate.turned_deg in (90, 270)
    assert candidate.findings == ()
    assert [note.code for note in candidate.notes] == [Code.TURNED]
    assert vector is not None
    assert vector.shape == (Upright.dim,)


def test_a_stranger_stays_one_however_turned(tmp_path: Path):
    assert turned_of(judged(tmp_path, draw_photo(GREEN, seed=8, size=(96, 160)))) == {}


def test_without_others_nobody_decides(tmp_path: Path):
    photos = judged(tmp_path, lying(RED))
    assert turned_of([marked(known) for known in photos[:-1]] + photos[-1:]) == {}


def test_a_photo_that_is_gone_stays_as_it_was(tmp_path: Path):
    photos = judged(tmp_path, lying(RED))
    photos[-1].candidate.source.path.unlink()
    assert turned_of(photos) == {}

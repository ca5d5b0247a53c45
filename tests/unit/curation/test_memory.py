import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facekit.curation.candidates import Candidate, examine
from facekit.curation.dataset import inspect_photos
from facekit.curation.memory import Memory
from facekit.media.cache import cache_dir
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from facekit.types import NoProgress
from tests.tiny.faces import DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos, write

RULES = PhotosSection(min_sharpness=0.2)


class Counting(DiscFaces):
    """Counts the pictures and crops that it is asked about."""

    def __init__(self) -> None:
        self.pictures = self.crops = 0

    def detect(self, images):
        self.pictures += len(images)
        return super().detect(images)

    def encode(self, crops):
        self.crops += len(crops)
        return super().encode(crops)

    @property
    def asked(self) -> tuple[int, int]:
        return self.pictures, self.crops


class Other(Counting):
    digest = "0" * 64


def same(first, second) -> bool:
    """Whether two inspections say the same, bit for bit."""
    vectors = [
        [None if known.vector is None else known.vector.tobytes() for known in one.looked_at]
        for one in (first, second)
    ]
    return first.verdicts == second.verdicts and vectors[0] == vectors[1]


def test_a_photo_that_is_known_is_not_looked_at_again(tmp_path: Path):
    good_photos(tmp_path)
    bad_photos(tmp_path)
    sources, faces = scan_sources([tmp_path]), Counting()
    cold = inspect_photos(sources, RULES, faces)
    asked = faces.asked
    assert min(asked) > 0
    warm = inspect_photos(sources, RULES, faces)
    assert faces.asked == asked
    assert same(cold, warm)
    assert cold.advice == warm.advice
    assert cold.require().digest == warm.require().digest


def test_other_thresholds_ask_nobody(tmp_path: Path):
    good_photos(tmp_path)
    sources, faces = scan_sources([tmp_path]), Counting()
    inspect_photos(sources, RULES, faces)
    asked = faces.asked
    strict = RULES.model_copy(update={"min_face_px": 45})
    again = inspect_photos(sources, strict, faces)
    assert faces.asked == asked
    assert same(again, inspect_photos(sources, strict, Other()))
    assert sum(verdict.usable for verdict in again.verdicts) < 6


def test_another_encoder_looks_for_itself(tmp_path: Path):
    good_photos(tmp_path)
    sources = scan_sources([tmp_path])
    inspect_photos(sources, RULES, Counting())
    other = Other()
    inspect_photos(sources, RULES, other)
    assert other.asked == (6, 6)


def test_only_a_changed_photo_is_looked_at(tmp_path: Path):
    good_photos(tmp_path)
    sources, faces = scan_sources([tmp_path]), Counting()
    inspect_photos(sources, RULES, faces)
    before = faces.asked
    write(tmp_path / "good_3.png", draw_photo(seed=99, diameter_px=50))
    (tmp_path / "good_0.png").rename(tmp_path / "moved.png")
    inspect_photos(scan_sources([tmp_path]), RULES, faces)
    assert (faces.pictures - before[0], faces.crops - before[1]) == (1, 1)


def test_a_caption_is_read_anew(tmp_path: Path):
    (path,) = good_photos(tmp_path, 1)
    memory = Memory(DiscFaces(), 0.5)
    (source,) = scan_sources([path])
    (candidate,) = examine([source], memory.faces, 0.5, NoProgress())
    memory.keep(candidate, np.ones(4, np.float32))
    path.with_suffix(".txt").write_text("in the park")
    known = memory.recall(source)
    assert known is not None
    assert known.candidate.sidecar == "in the park"
    path.with_suffix(".txt").write_bytes(b"\xff\xfe\xff")
    known = memory.recall(source)
    assert known is not None
    assert [finding.code for finding in known.candidate.findings] == ["unreadable"]


def test_everything_about_a_candidate_is_kept(tmp_path: Path):
    """A new field must be written down too; then add it here."""
    names = {field.name for field in dataclasses.fields(Candidate)}
    told = {"findings", "notes", "crop", "quality", "hash_bits", "turned_deg"}
    assert names == told | {"source", "sidecar", "captioned_by"}
    (path,) = good_photos(tmp_path, 1)
    memory = Memory(DiscFaces(), 0.5)
    (candidate,) = examine(scan_sources([path]), memory.faces, 0.5, NoProgress())
    vector = np.arange(4, dtype=np.float32)
    memory.keep(candidate, vector)
    known = memory.recall(candidate.source)
    assert known is not None
    assert known.vector is not None
    assert known.vector.tobytes() == vector.tobytes()
    kept = known.candidate
    assert kept.crop is not None
    assert candidate.crop is not None
    for name in told - {"crop"}:
        assert getattr(kept, name) == getattr(candidate, name)
    assert (kept.crop.pixels == candidate.crop.pixels).all()
    face = candidate.crop.face
    assert (kept.crop.face.landmarks_px == face.landmarks_px).all()
    assert (kept.crop.face.box_xyxy_px == face.box_xyxy_px).all()
    assert (kept.crop.face.score, kept.crop.source) == (face.score, candidate.crop.source)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08" + b"\0" * 40])
def test_a_damaged_record_is_made_again(tmp_path: Path, content: bytes):
    good_photos(tmp_path, 4)
    sources, faces = scan_sources([tmp_path]), Counting()
    cold = inspect_photos(sources, RULES, faces)
    records = list((cache_dir() / "faces").rglob("*.safetensors"))
    assert len(records) == 4
    for record in records:
        record.write_bytes(content)
    assert same(cold, inspect_photos(sources, RULES, faces))
    assert faces.asked == (8, 8)

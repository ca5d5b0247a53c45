from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facekit.curation.candidates import Candidate, examine, read_sidecar
from facekit.curation.findings import Code
from facekit.errors import MediaError
from facekit.faces.protocols import FaceVendor
from facekit.media.kinds import Kind
from facekit.media.scan import Source, scan_sources
from facekit.types import Face, NoProgress
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo
from tests.tiny.photos import write


def source_of(path: Path) -> Source:
    (source,) = scan_sources([path])
    return source


def look(path: Path, min_score: float = 0.5, faces: FaceVendor | None = None) -> Candidate:
    (candidate,) = examine([source_of(path)], faces or DiscFaces(), min_score, NoProgress())
    return candidate


def test_a_face_in_the_background_is_no_second_person(tmp_path: Path):
    image = draw_photo(BLUE, size=(96, 176), centre=(0.1, 0.3), diameter_px=14)
    image = draw_photo(RED, size=(96, 176), centre=(0.6, 0.5), diameter_px=60, canvas=image)
    candidate = look(write(tmp_path / "a.png", image), 0.5, DiscFaces())
    assert candidate.findings == ()
    assert candidate.crop is not None
    assert candidate.crop.face.width_px > 50


def test_a_face_below_the_score_is_none(tmp_path: Path):
    candidate = look(write(tmp_path / "a.png", draw_photo()), 1.0, DiscFaces())
    (finding,) = candidate.findings
    assert finding.code is Code.NO_FACE
    assert "no face above score 1.00 (best 0.9" in finding.sentence


def test_without_any_face_no_score_is_told(tmp_path: Path):
    candidate = look(write(tmp_path / "a.png", draw_photo(None)), 0.5, DiscFaces())
    (finding,) = candidate.findings
    assert finding.code is Code.NO_FACE
    assert finding.sentence.startswith("no face found; use a photo")
    assert (finding.value, finding.limit) == (None, None)


def test_landmarks_that_are_no_face_are_a_finding(tmp_path: Path):
    class Confused(DiscFaces):
        def detect(self, images):
            marks = np.zeros((5, 2), np.float32)
            box = np.array([0, 0, 40, 40], np.float32)
            return [(Face(box_xyxy_px=box, landmarks_px=marks, score=0.9),) for _ in images]

    candidate = look(write(tmp_path / "a.png", draw_photo()), 0.5, Confused())
    assert candidate.findings[0].code is Code.NOT_ALIGNED


def test_a_sidecar_is_one_line_of_text(tmp_path: Path):
    photo = write(tmp_path / "a.png", draw_photo())
    assert read_sidecar(source_of(photo)) is None
    (tmp_path / "a.txt").write_text(" \n", encoding="utf-8")
    assert read_sidecar(source_of(photo)) is None
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MediaError, match="not readable as UTF-8"):
        read_sidecar(source_of(photo))
    candidate = look(photo)
    assert candidate.findings[0].code is Code.UNREADABLE
    assert "a.txt" in candidate.findings[0].sentence


def test_several_photos_are_looked_at_in_order(tmp_path: Path):
    paths = [write(tmp_path / f"{i:02}.png", draw_photo(diameter_px=30 + i)) for i in range(20)]
    paths[9].write_bytes(b"")
    seen: list[int] = []

    class Counting(DiscFaces):
        def detect(self, images):
            seen.append(len(images))
            return super().detect(images)

    found = examine(scan_sources(paths), Counting(), 0.5, NoProgress())
    assert [candidate.source.path for candidate in found] == paths
    assert found[9].findings[0].code is Code.UNREADABLE
    widths = [c.crop.face.width_px for c in found if c.crop is not None]
    assert widths == sorted(widths)
    assert set(seen) == {1}, "by themselves, so that nothing depends on who else is looked at"


def test_what_is_refused_already_is_not_read(tmp_path: Path):
    refused = Source(name="p.zip/a.jpg", path=tmp_path / "p.zip", kind=Kind.OTHER, refusal="no; go")
    (candidate,) = examine([refused], DiscFaces(), 0.5, NoProgress())
    (finding,) = candidate.findings
    assert (finding.code, finding.sentence) == (Code.UNREADABLE, "no; go")


def test_what_was_known_and_what_was_read_of_the_colours_is_noted(tmp_path: Path):
    PillowImage.fromarray(draw_photo()).save(tmp_path / "a.png", icc_profile=b"no profile")
    source = replace(source_of(tmp_path / "a.png"), remarks=("flat colours; mend them",))
    (candidate,) = examine([source], DiscFaces(), 0.5, NoProgress())
    assert [note.code for note in candidate.notes] == [Code.COLOURS, Code.COLOURS]
    assert candidate.notes[0].sentence == "flat colours; mend them"
    assert candidate.findings == ()

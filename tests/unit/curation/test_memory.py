import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planted import TUNING_SEED, plant
from facekit.curation import memory as memory_module
from facekit.curation.candidates import Candidate
from facekit.curation.covered import region_names
from facekit.curation.inspecting import inspect_photos
from facekit.curation.memory import Memory
from facekit.faces.toon import load_toon_faces
from facekit.media.cache import cache_dir
from facekit.media.scan import scan_sources
from facekit.recipe import PhotosSection
from facekit.resources import datasets_dir
from facekit.types import FaceCrop, NoProgress
from tests.tiny.faces import BLUE, RED, DiscFaces, draw_photo
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


def test_it_does_not_matter_which_photos_were_known_before(tmp_path: Path):
    """In a batch the last digits of an embedding depend on who else is in it."""
    faces = load_toon_faces("toon-a")
    photos = scan_sources([datasets_dir() / "toon_mira"])[:4]
    cold = Memory(faces, 0.5).look(photos, NoProgress())
    shutil.rmtree(cache_dir())
    Memory(faces, 0.5).look(photos[:1], NoProgress())
    Memory(faces, 0.5).look(photos[:3], NoProgress())
    warm = Memory(faces, 0.5).look(photos, NoProgress())
    assert [known.vector.tobytes() for known in warm if known.vector is not None] == [
        known.vector.tobytes() for known in cold if known.vector is not None
    ]


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
    memory, sources = Memory(Counting(), 0.5), scan_sources([path])
    memory.look(sources, NoProgress())
    path.with_suffix(".txt").write_text("in the park")
    (known,) = memory.look(scan_sources([path]), NoProgress())
    assert known.candidate.sidecar == "in the park"
    path.with_suffix(".txt").write_bytes(b"\xff\xfe\xff")
    (known,) = memory.look(scan_sources([path]), NoProgress())
    assert [finding.code for finding in known.candidate.findings] == ["unreadable"]
    assert isinstance(memory.faces, Counting)
    assert memory.faces.pictures == 1


def party() -> np.ndarray:
    image = draw_photo(RED, size=(96, 240), centre=(0.25, 0.5), diameter_px=40)
    return draw_photo(BLUE, size=(96, 240), centre=(0.75, 0.5), diameter_px=40, canvas=image)


def test_what_hides_a_face_is_kept(tmp_path: Path):
    path = write(tmp_path / "dark.png", plant("dark", TUNING_SEED + 210))
    memory, sources = Memory(load_toon_faces("toon-a"), 0.5), scan_sources([path])
    (seen,), (known,) = (memory.look(sources, NoProgress()) for _ in range(2))
    assert seen is not known
    assert seen.candidate.hidden is not None
    assert seen.candidate.hidden.light is not None
    assert known.candidate.hidden == seen.candidate.hidden


def test_everything_about_a_photo_is_kept(tmp_path: Path):
    """A new field must be written down too; then add it here."""
    told = {"findings", "notes", "quality", "traits", "hash_bits", "turned_deg", "size_px"}
    told |= {"cut_xyxy_px", "hidden"}
    told |= {"beside"}  # anew, by whoever chooses one of several people
    names = {field.name for field in dataclasses.fields(Candidate)}
    assert names == told | {"crop", "people", "source", "sidecar", "captioned_by", "allowed"}
    paths = [*good_photos(tmp_path, 1), write(tmp_path / "party.png", party())]
    memory = Memory(Counting(), 0.5)
    one, several = memory.look(scan_sources(paths), NoProgress())
    window = (0, 0, 120, 96)
    part = memory.look_at_part(several.candidate, several.candidate.people[0].face, window)
    again = [
        *memory.look(scan_sources(paths), NoProgress()),
        memory.look_at_part(several.candidate, several.candidate.people[0].face, window),
    ]
    for first, second in zip((one, several, part), again, strict=True):
        for name in told:
            assert getattr(second.candidate, name) == getattr(first.candidate, name), name
        assert same_array(first.vector, second.vector)
        assert same_array(first.people, second.people)
        assert same_crops(first.candidate.crop, second.candidate.crop)
        assert len(first.candidate.people) == len(second.candidate.people)
        for crop, kept in zip(first.candidate.people, second.candidate.people, strict=True):
            assert same_crops(crop, kept)
    assert several.people is not None
    assert several.people.shape == (2, DiscFaces.dim)
    assert part.candidate.cut_xyxy_px == window
    assert isinstance(memory.faces, Counting)
    assert memory.faces.asked == (2, 4)


def same_array(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.tobytes() == second.tobytes()


def same_crops(first: FaceCrop | None, second: FaceCrop | None) -> bool:
    if first is None or second is None:
        return first is second
    return (
        same_array(first.pixels, second.pixels)
        and first.source == second.source
        and first.face.to_json() == second.face.to_json()
    )


def test_covered_crops_are_embedded_once_each(tmp_path: Path):
    memory = Memory(Counting(), 0.5)
    looked_at = memory.look(scan_sources(good_photos(tmp_path, 3)), NoProgress())
    crops = [known.candidate.crop for known in looked_at if known.candidate.crop is not None]
    assert isinstance(memory.faces, Counting)
    before = memory.faces.crops
    first = memory.look_covered(crops[:2])
    per_crop = len(region_names(memory.faces))
    assert memory.faces.crops == before + 2 * per_crop
    both = memory.look_covered([crops[1], crops[2]])
    assert memory.faces.crops == before + 3 * per_crop
    assert (both[0] == first[1]).all()
    assert both.shape == (2, per_crop, DiscFaces.dim)


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


class Stopping(NoProgress):
    """Ctrl-C at a photo."""

    def __init__(self, at: int) -> None:
        self.left = at

    def advance(self, amount: int = 1, text: str = "") -> None:
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt


def test_what_was_looked_at_before_ctrl_c_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory_module, "_AT_ONCE", 2)
    sources = scan_sources(good_photos(tmp_path, 6))
    first = Memory(Counting(), 0.5)
    with pytest.raises(KeyboardInterrupt):
        first.look(sources, Stopping(5))
    again = Memory(Counting(), 0.5)
    assert len(again.look(sources, NoProgress())) == 6
    assert isinstance(again.faces, Counting)
    assert again.faces.pictures == 2

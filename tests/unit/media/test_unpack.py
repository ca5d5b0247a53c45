import zipfile
from pathlib import Path

import numpy as np
import pytest

from facekit.errors import MediaError
from facekit.media import unpack
from facekit.media.archives import list_members
from facekit.media.cache import cache_dir
from facekit.media.images import read_image, write_image
from facekit.media.kinds import Kind
from facekit.media.scan import scan_sources
from facekit.media.unpack import changed_file, frame_file, locate, scan_photos, turn, unpack_sources
from facekit.media.video import write_clip
from facekit.types import Clip
from facekit.weights import file_digest


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 20, 3), dtype=np.uint8)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """An archive with two photos, one with a caption, and one clip; nothing else beside it."""
    made = tmp_path / "made"
    write_image(made / "a.png", noise())
    write_image(made / "b.png", noise(1))
    frames = np.stack([np.full((16, 16, 3), 20 * index, np.uint8) for index in range(8)])
    write_clip(made / "c.mp4", Clip(frames=frames, fps=4.0))
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "p.zip", "w") as archive:
        for name in ("a.png", "b.png", "c.mp4"):
            archive.write(made / name, f"deep/{name}")
        archive.writestr("deep/a.txt", "said")
        archive.writestr("more.zip", "x")
    return tmp_path / "in" / "p.zip"


def test_members_become_files_and_files_stay(packed: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "d.png", noise(2))
    sources = scan_sources([packed, tmp_path / "d.png"])
    ready = unpack_sources(sources)
    assert [source.name for source in ready] == [source.name for source in sources]
    assert [s.kind for s in ready] == [Kind.PHOTO, Kind.PHOTO, Kind.CLIP, Kind.OTHER, Kind.PHOTO]
    first, second, *_ = ready
    np.testing.assert_array_equal(read_image(first.path), noise())
    assert first.caption is not None
    assert first.caption.read_text() == "said"
    assert first.caption_name == f"{packed}/deep/a.txt"
    assert second.caption is None
    assert ready[-1] == sources[-1]
    assert [path.name for path in packed.parent.iterdir()] == ["p.zip"]
    assert unpack_sources(ready[-1:]) == ready[-1:]


def test_a_damaged_member_is_refused(packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    content[content.index(b"deep/a.png") + 60] ^= 0xFF
    packed.write_bytes(content)
    first, second, *_ = unpack_sources(scan_sources([packed]))
    assert first.refusal.startswith("damaged in the archive (")
    assert first.kind is Kind.OTHER
    assert not second.refusal


def test_an_archive_that_is_gone_is_told(packed: Path) -> None:
    sources = scan_sources([packed])
    packed.write_bytes(b"")
    with pytest.raises(MediaError, match=r"p\.zip: not a zip archive"):
        unpack_sources(sources)


def test_names_lead_back_to_files_wherever_the_cache_is(
    packed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = locate(packed / "deep" / "b.png")
    assert place is not None
    np.testing.assert_array_equal(read_image(place), noise(1))
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "elsewhere"))
    again = locate(packed / "deep" / "b.png")
    assert again is not None
    assert again != place
    assert again.read_bytes() == place.read_bytes()
    frame = locate(packed / "deep" / "c.mp4@00:00.750")
    assert frame is not None
    assert abs(int(read_image(frame).mean()) - 60) < 4
    assert locate(tmp_path / "made" / "a.png") == tmp_path / "made" / "a.png"
    for name in ("deep/none.png", "more.zip", "deep/none.mp4@00:00.750"):
        assert locate(packed / name) is None
    assert locate(tmp_path / "none" / "a.png") is None
    with pytest.raises(MediaError, match=r"no frame begins at 0\.100 s"):
        locate(tmp_path / "made" / "c.mp4@00:00.100")


def test_a_frame_is_decoded_once(tmp_path: Path, packed: Path, monkeypatch) -> None:
    clip = tmp_path / "made" / "c.mp4"
    place = frame_file(clip, 250)
    assert place.parent == cache_dir() / "frames" / file_digest(clip)
    monkeypatch.setattr(unpack, "read_frame", None)
    assert frame_file(clip, 250, digest=file_digest(clip)) == place


@pytest.mark.parametrize("turned_deg", [90, 180, 270])
def test_a_turned_photo_is_a_file_of_its_own(tmp_path: Path, turned_deg: int) -> None:
    write_image(tmp_path / "a.png", noise())
    place = changed_file(tmp_path / "a.png", turned_deg)
    assert changed_file(tmp_path / "a.png", turned_deg) == place
    np.testing.assert_array_equal(read_image(place), turn(noise(), turned_deg))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), noise())


def test_turning_is_clockwise() -> None:
    image = noise()
    np.testing.assert_array_equal(turn(image, 90)[0, -1], image[0, 0])
    np.testing.assert_array_equal(turn(turn(image, 90), 270), image)


def test_photos_alone_pass_over_the_rest_unless_it_is_named(packed: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "d.nef").write_bytes(b"x")
    assert scan_photos([made]) == [made / "a.png", made / "b.png"]
    assert scan_photos([made / "c.mp4"]) == [made / "c.mp4"]
    assert [path.parent.parent for path in scan_photos([packed])] == [cache_dir() / "archives"] * 2
    (made / "d.rar").touch()
    with pytest.raises(MediaError, match=r"made/d\.rar: an archive that is not opened;"):
        scan_photos([made / "d.rar"])
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.mp4").write_bytes(b"x")
    with pytest.raises(MediaError, match="only: no photos found, only files of other kinds"):
        scan_photos([tmp_path / "only"])


def test_of_the_list_of_an_archive_only_photos_and_clips_are_unpacked(packed: Path) -> None:
    unpack_sources(scan_sources([packed]))
    files = [path for path in cache_dir().rglob("*") if path.is_file()]
    assert len(files) == 4
    assert len(list_members(packed)) == 4

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from facekit.errors import MediaError
from facekit.media import reading
from facekit.media.images import Picture, write_image
from facekit.media.reading import MOST_THREADS, read_ahead


def photos(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        write_image(path, np.full((8, 8, 3), index, np.uint8))
    return paths


def test_photos_come_in_order_and_a_bad_one_stops_nothing(tmp_path: Path) -> None:
    paths = photos(tmp_path, 30)
    paths[7].write_bytes(b"")
    with read_ahead(paths) as pictures:
        read = list(pictures)
    assert len(read) == 30
    for index, picture in enumerate(read):
        if index == 7:
            assert isinstance(picture, MediaError)
        else:
            assert isinstance(picture, Picture)
            assert picture.image[0, 0, 0] == index


def test_no_more_than_a_few_are_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Path] = []

    def decode(path: Path) -> Picture:
        begun.append(path)
        return Picture(image=np.zeros((1, 1, 3), np.uint8))

    monkeypatch.setattr(reading, "decode_picture", decode)
    paths = [tmp_path / str(index) for index in range(500)]
    with read_ahead(paths) as pictures:
        for index, _ in enumerate(pictures):
            assert len(begun) <= index + 1 + 2 * MOST_THREADS
    assert sorted(begun) == sorted(paths)


def test_several_threads_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=20)

    def decode(path: Path) -> Picture:
        together.wait()
        return Picture(image=np.zeros((1, 1, 3), np.uint8))

    monkeypatch.setattr(reading, "decode_picture", decode)
    monkeypatch.setattr(reading, "_num_cores", lambda: 3)
    with read_ahead([tmp_path] * 6) as pictures:
        assert len(list(pictures)) == 6


def test_leaving_early_drops_what_was_not_begun(tmp_path: Path, monkeypatch) -> None:
    release, begun = threading.Event(), []

    def decode(path: Path) -> Picture:
        begun.append(path)
        if len(begun) > 1:
            release.wait(20)
        return Picture(image=np.zeros((1, 1, 3), np.uint8))

    monkeypatch.setattr(reading, "decode_picture", decode)
    monkeypatch.setattr(reading, "_num_cores", lambda: 2)

    def stop() -> None:
        with read_ahead([tmp_path / str(index) for index in range(100)]) as pictures:
            next(pictures)
            threading.Timer(0.05, release.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert len(begun) <= 4
    assert not [t for t in threading.enumerate() if t.name.startswith("facekit-read")]


def test_what_pillow_warns_of_is_not_said_and_the_filters_are_as_before(
    tmp_path: Path, monkeypatch
) -> None:
    def decode(path: Path) -> Picture:
        warnings.warn("large", stacklevel=1)
        return Picture(image=np.zeros((1, 1, 3), np.uint8))

    monkeypatch.setattr(reading, "decode_picture", decode)
    before = list(warnings.filters)
    with read_ahead([tmp_path]) as pictures:
        assert isinstance(next(pictures), Picture)
    assert list(warnings.filters) == before


def test_nothing_to_read() -> None:
    with read_ahead([]) as pictures:
        assert list(pictures) == []

import os
import stat
from pathlib import Path

import pytest

from facekit.errors import OutputError
from facekit.media.cache import cache_dir, cached_write


def test_where_it_is_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEKIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_dir() == tmp_path / "x" / "facekit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "facekit"
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_only_its_owner_may_look_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    with cached_write(cache_dir() / "frames" / "a.txt") as temporary:
        temporary.write_text("a")
    assert (tmp_path / "cache" / "frames" / "a.txt").read_text() == "a"
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_place_that_cannot_be_written_says_how_to_choose_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "file" / "cache"))
    with (
        pytest.raises(OutputError, match=r"not kept \(Not a directory\).*FACEKIT_CACHE") as refused,
        cached_write(cache_dir() / "a.txt"),
    ):
        pass
    assert refused.value.next_step.startswith("name another one")


def test_a_block_that_fails_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))

    def fail() -> None:
        with cached_write(cache_dir() / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyError("bug")

    with pytest.raises(KeyError):
        fail()
    assert not list((tmp_path / "cache").iterdir())

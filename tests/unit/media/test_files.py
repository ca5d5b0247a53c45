import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facekit.errors import OutputError, OutputExists
from facekit.media import files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes and limits")


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A folder that this process may read and not write, also when root runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if was_root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_ensure_new(tmp_path: Path) -> None:
    assert files.ensure_new(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "empty").mkdir()
    files.ensure_new(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(OutputExists, match=r"file: the file exists; choose .* or add --force"):
        files.ensure_new(tmp_path / "file")
    with pytest.raises(OutputExists, match="the folder exists and is not empty"):
        files.ensure_new(tmp_path)
    files.ensure_new(tmp_path, force=True)


def test_atomic_write_replaces_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    files.write_text(path, "one")
    files.write_text(path, "two")
    assert path.read_text() == "two"
    assert [child.name for child in path.parent.iterdir()] == ["a.txt"]


def test_failure_in_the_block_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.atomic_write(path) as temporary:
            temporary.write_text("half")
            raise KeyError("bug")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]


def test_folder_without_write_permission(sealed: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.txt: not written, permission denied; choose"):
        files.write_text(sealed / "a.txt", "x")
    with pytest.raises(OutputError, match="permission denied"):
        files.ensure_out_dir(sealed / "out")
    with pytest.raises(OutputError, match="permission denied"):
        files.ensure_out_dir(sealed)
    assert not list(sealed.iterdir())


def test_ensure_out_dir_leaves_no_trace(tmp_path: Path) -> None:
    assert files.ensure_out_dir(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not list((tmp_path / "a" / "b").iterdir())


def test_full_disk_when_flushing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"no space left on the disk; nothing was changed; free"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_that_a_library_reports_as_text(tmp_path: Path) -> None:
    def save() -> None:
        with files.atomic_write(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("Error while serializing: I/O error: ... (os error 28)")

    with pytest.raises(OutputError, match="no space left"):
        save()
    assert not list(tmp_path.iterdir())


def filled(folder: Path, text: str) -> None:
    with files.replace_folder(folder) as fresh:
        (fresh / "a.txt").write_text(text)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "weights"
    filled(folder, "old")
    (folder / "gone.txt").touch()
    filled(folder, "new")
    assert [child.name for child in folder.iterdir()] == ["a.txt"]

    class Killed(Exception):
        pass

    def broken_off() -> None:
        with files.replace_folder(folder) as fresh:
            (fresh / "a.txt").write_text("half")
            raise Killed

    with pytest.raises(Killed):
        broken_off()
    assert (folder / "a.txt").read_text() == "new"
    assert [child.name for child in folder.parent.iterdir()] == ["weights"]


KILLED = """
import os, sys
from pathlib import Path
from facekit.media import files

calls = []
real = Path.rename

def rename(self, target):
    calls.append(self)
    if len(calls) == int(sys.argv[2]):
        os._exit(9)
    moved = real(self, target)
    if len(calls) == int(sys.argv[2]) - 10:
        os._exit(9)
    return moved

Path.rename = rename
with files.replace_folder(sys.argv[1]) as fresh:
    (fresh / "a.txt").write_text("new")
"""


@pytest.mark.parametrize(("killed_at", "kept"), [(1, "old"), (11, "old"), (2, "old"), (12, "new")])
def test_a_kill_between_two_names_leaves_a_whole_folder(
    tmp_path: Path, root: Path, killed_at: int, kept: str
) -> None:
    """Before and after each of the two renames; the old set was deleted before the new came."""
    folder = tmp_path / "weights"
    filled(folder, "old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(killed_at)], cwd=root)
    assert done.returncode == 9
    whole = {path.read_text() for path in tmp_path.rglob("a.txt")}
    assert kept in whole
    files.restore_folder(folder)
    assert (folder / "a.txt").read_text() == kept
    filled(folder, "again")
    assert (folder / "a.txt").read_text() == "again"
    assert [child.name for child in tmp_path.iterdir()] == ["weights"]


def test_a_folder_that_cannot_be_moved_is_given_its_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    filled(folder, "old")
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(errno.EIO, "as the system says it")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OutputError, match="weights: not written"):
        filled(folder, "new")
    assert (folder / "a.txt").read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["weights"]


SCRIPT = """
import sys
import numpy as np
from facekit.errors import OutputError
from facekit.media import files, images, video
from facekit.types import Clip
noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
what, path = sys.argv[1:]
try:
    if what == "bytes":
        files.write_bytes(path, noise.tobytes())
    elif what == "image":
        images.write_image(path, noise[0])
    elif what == "clip":
        video.write_clip(path, Clip(frames=noise, fps=8))
    else:
        from safetensors.numpy import save_file
        with files.atomic_write(path) as temporary:
            save_file({"x": noise}, temporary)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("what", "name"),
    [("bytes", "a.bin"), ("image", "a.png"), ("clip", "a.mp4"), ("tensors", "a.safetensors")],
)
def test_no_room_for_the_whole_file(tmp_path: Path, root: Path, what: str, name: str) -> None:
    """A limit on the size of files stands for a disk that fills up half-way."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what, str(tmp_path / name)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert f"{name}: not written, no space left" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_full_path_keeps_links_and_drops_detours(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    assert files.full_path("there/../link/a.png") == tmp_path / "link" / "a.png"


def test_lines_are_added_to_a_log_and_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    for line in ("one", "two"):
        files.append_line(tmp_path / "a" / "log.jsonl", line)
    assert (tmp_path / "a" / "log.jsonl").read_text() == "one\ntwo\n"
    with pytest.raises(OutputError, match="not written"):
        files.append_line(tmp_path / "a" / "log.jsonl" / "b", "three")

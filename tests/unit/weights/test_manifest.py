from pathlib import Path

import pytest

from facekit.errors import ChecksumMismatch, WeightsError, WeightsMissing
from facekit.weights import manifest as weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "faces.safetensors").write_bytes(b"def")
    weights.write_manifest(tmp_path, licence="Apache-2.0", commands={"backbone": "build it"})
    return tmp_path


def test_manifest_round_trip(folder: Path) -> None:
    files = weights.read_manifest(folder)
    assert [file.path for file in files] == ["backbone/model.safetensors", "faces.safetensors"]
    assert files[0].command == "build it"
    assert files[0].num_bytes == 3
    assert weights.verify(folder) == files
    assert weights.verify(folder, below="backbone/") == files[:1]


def test_manifest_is_deterministic(folder: Path) -> None:
    before = (folder / weights.MANIFEST_NAME).read_bytes()
    weights.write_manifest(folder, licence="Apache-2.0", commands={"backbone": "build it"})
    assert (folder / weights.MANIFEST_NAME).read_bytes() == before


def test_altered_file_is_refused(folder: Path) -> None:
    (folder / "faces.safetensors").write_bytes(b"deg")
    with pytest.raises(ChecksumMismatch, match=r"faces\.safetensors: sha256 .*, expected .*; "):
        weights.verify(folder)


def test_missing_file_is_refused(folder: Path) -> None:
    (folder / "faces.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r"faces\.safetensors: no such weights file"):
        weights.verify(folder)


def test_nothing_recorded_is_not_a_pass(folder: Path) -> None:
    with pytest.raises(WeightsMissing, match="nothing recorded below vae/"):
        weights.verify(folder, below="vae/")


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="no manifest"):
        weights.verify(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"files": [{"path": "x"}]}'])
def test_broken_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / weights.MANIFEST_NAME).write_text(text)
    with pytest.raises(WeightsError, match="not a manifest"):
        weights.read_manifest(tmp_path)


def test_before_loading_files_are_verified_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.verify_once(folder, below="faces.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(weights, "file_digest", lambda path: pytest.fail(f"{path} is read again"))
        weights.verify_once(folder, below="faces.safetensors")
    (folder / "faces.safetensors").write_bytes(b"degenerate")
    weights.verify_once(folder, below="backbone/")
    with pytest.raises(ChecksumMismatch, match=r"faces\.safetensors: sha256 .*; restore it"):
        weights.verify_once(folder, below="faces.safetensors")


def test_a_folder_without_a_manifest_promises_nothing(tmp_path: Path) -> None:
    (tmp_path / "faces.safetensors").write_bytes(b"def")
    weights.verify_once(tmp_path, below="faces.safetensors")


def test_a_file_that_the_manifest_does_not_know_is_not_a_shipped_one(folder: Path) -> None:
    (folder / "other.safetensors").write_bytes(b"def")
    with pytest.raises(WeightsMissing, match=r"nothing recorded below other\.safetensors"):
        weights.verify_once(folder, below="other.safetensors")


def test_shipped_toon_weights_are_as_recorded() -> None:
    files = weights.verify()
    assert sum(file.num_bytes for file in files) <= 32_000_000
    assert all(file.command and file.licence for file in files)

from pathlib import Path

import pytest

from facekit import resources
from facekit.errors import InstallationError


def test_checkout_is_the_share_of_a_checkout(root: Path) -> None:
    assert resources.share_dir() == root
    assert (resources.recipes_dir() / "toon" / "train.toml").is_file()
    assert resources.datasets_dir().is_dir()
    assert resources.toon_dir() == root / "facekit" / "toon" / "weights"


def test_wheel_share_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "facekit"
    (package / "_share").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.share_dir() == package / "_share"


def test_incomplete_installation_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "facekit")
    with pytest.raises(InstallationError, match="reinstall facekit"):
        resources.share_dir()

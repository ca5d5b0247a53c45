"""What a node must have just as who asks for a render: files, and the keys that sign."""

import os
from pathlib import Path

import pytest

from facekit.errors import RenderError
from facekit.workflows.credentials import passed_on, prepare_credentials, signs_as
from facekit.workflows.render_ground import Ground


def test_a_node_signs_as_who_asks_or_says_that_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "")
    monkeypatch.setenv("FACEKIT_KEYS", "keys")
    assert signs_as() == ""
    prepare_credentials()
    ground = Ground(
        folder=tmp_path, out_dir=tmp_path / "out", variables=passed_on(), signs_as=signs_as()
    )
    ground.out_dir.mkdir()
    ground.probe.write_text(ground.token)
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "of the node"))
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")

    ground.check()

    assert os.environ["FACEKIT_KEYS"] == str(tmp_path / "keys")
    assert os.environ["FACEKIT_CREDENTIALS"] == ""
    (tmp_path / "keys").rename(tmp_path / "not shared")
    with pytest.raises(RenderError, match="not the keys that sign files where the render was"):
        ground.check()
    monkeypatch.setenv("FACEKIT_CREDENTIALS", "none")
    assert (passed_on()["FACEKIT_CREDENTIALS"], signs_as()) == ("none", "")

import shutil
from pathlib import Path

import pytest

from facekit.errors import PresetRevoked
from facekit.workflows.preset_decisions import revoke
from facekit.workflows.preset_files import open_preset
from facekit.workflows.preset_list import list_presets
from facekit.workflows.preset_memory import ever_revoked
from tests.tiny.shows import ShowFolder, show_folder


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    return show_folder(tmp_path, monkeypatch)


def test_the_show_of_a_stranger_revokes_nothing_elsewhere(
    show: ShowFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = show.push("1.0.0")
    strange = tmp_path / "strange"
    shutil.copytree(show.folder, strange)
    ana = show.team.keys["ana"].public.line
    hers = show.team.keys["stranger"] = type(show.team.keys["ana"]).generate("stranger")
    text = (strange / "facekit.toml").read_text()
    (strange / "facekit.toml").write_text(text.replace(ana, hers.public.line))
    monkeypatch.chdir(strange)
    with monkeypatch.context() as patch:
        patch.setattr("facekit.workflows.preset_signer.key_home", lambda: _Home(hers))
        revoke("mira@1.0.0", note="mine now", key="stranger")
    assert [one.state for one in list_presets("mira").versions] == ["revoked"]
    with pytest.raises(PresetRevoked):
        open_preset(bundle.source)
    monkeypatch.chdir(show.folder)
    assert open_preset(bundle.source).digest == bundle.digest
    assert not ever_revoked(bundle.digest)


def test_a_revocation_of_the_show_counts_when_it_is_gone_and_outside_of_it(
    show: ShowFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = show.push("1.0.0")
    revoke("mira@1.0.0", note="consent withdrawn", key="tom")
    shutil.rmtree(show.folder / "kept/statements")
    with pytest.raises(PresetRevoked):
        open_preset(bundle.source)
    path = show.folder / "facekit.toml"  # tom leaves the show, his word stays
    text = path.read_text()
    tom = show.team.keys["tom"].public.line
    other = type(show.team.keys["tom"]).generate("other").public.line
    path.write_text(text.replace(tom, other))
    assert ever_revoked(bundle.digest)
    monkeypatch.chdir(tmp_path)  # no show: his key is one of this user
    with pytest.raises(PresetRevoked):
        open_preset(bundle.source)


class _Home:
    """Of whoever has one key."""

    def __init__(self, key: object) -> None:
        self.key = key

    def signing_key(self, name: str | None) -> object:
        return self.key

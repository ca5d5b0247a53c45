"""Shows: a file that names who may sign consents; a folder with a registry, people and keys."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from facekit.presets.bundle import Bundle
from facekit.signing.home import KeyHome
from facekit.signing.keys import SigningKey
from facekit.types import NoProgress
from facekit.workflows.preset_channels import promote
from facekit.workflows.preset_decisions import approve
from facekit.workflows.preset_transfer import plan_push, run_push
from facekit.workflows.registries import add_registry
from tests.tiny.presets import tiny_contents, write_preset
from tests.tiny.registries import PEOPLE, Team

__all__ = ["SHOW", "ShowFolder", "show_folder"]

SHOW = """\
[people.anna]
key = "{key}"
roles = ["{role}"]
[consent]
folder = "{folder}"
roles = ["legal"]
"""


@dataclass
class ShowFolder:
    """A show, and what its people do."""

    folder: Path
    team: Team

    def write(self, more: str) -> None:
        path = self.folder / "facekit.toml"
        path.write_text(f"{path.read_text()}\n{more}")

    def bundle(self, version: str, *, signer: str | None = "ana", archive: bool = False) -> Bundle:
        key: SigningKey | None = None if signer is None else self.team.keys[signer]
        contents = tiny_contents({"media/contact.webp": version.encode()})
        out = self.folder / f"mira-{version}.facekit"
        return write_preset(out, contents, key=key, archive=archive, version=version)

    def push(self, version: str) -> Bundle:
        bundle = self.bundle(version)
        run_push(plan_push(bundle.source), NoProgress())
        return bundle

    def promote(self, version: str) -> None:
        for name in ("ana", "tom"):
            approve(f"mira@{version}", key=name)
        promote(f"mira@{version}", "prod", key="ana")

    def mirror(self) -> None:
        """A copy of the registry as it is now, which is only read."""
        shutil.copytree(self.folder / "kept", self.folder / "far")
        add_registry("far", "far", mirror_of="main")


def show_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShowFolder:
    """Make one and work in it."""
    folder = tmp_path / "show"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("os.fsync", lambda _: None)  # no test pulls the plug, and disks are slow
    home = KeyHome(tmp_path / "keys")
    team = Team({name: home.create(name) for name in PEOPLE})
    (folder / "facekit.toml").write_text(team.show_text())
    add_registry("main", "kept")
    return ShowFolder(folder, team)

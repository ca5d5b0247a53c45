"""Whatever is done to a preset is found, and nothing of it is loaded."""

import json
import shutil
from pathlib import Path

import pytest

from facekit.adapters import loaded_character
from facekit.adapters.templates import split_templates
from facekit.errors import AdapterDamaged, BundleDamaged, IntegrityError, PresetError
from facekit.media.cache import cache_dir
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.signing.home import KeyHome
from facekit.workflows.preset_files import load_any, preset_adapter
from tests.tiny.backbones import tiny_character, tiny_pipe
from tests.tiny.preset_attacks import ATTACKS, Attack, Scene, flip, make_scene


@pytest.fixture(scope="module")
def adapters() -> tuple[bytes, bytes]:
    pipe = tiny_pipe()
    one, two = (split_templates(tiny_character(pipe, seed=seed))[0] for seed in (0, 1))
    return one.to_bytes(), two.to_bytes()


@pytest.fixture
def scene(tmp_path: Path, adapters: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("FACEKIT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("FACEKIT_CACHE", str(tmp_path / "cache"))
    key = KeyHome(tmp_path / "keys").create("anna")
    return make_scene(tmp_path, *adapters, key)


def test_the_preset_that_is_attacked_is_good(scene: Scene) -> None:
    for path in (scene.folder, scene.archive, scene.folder / ADAPTER):
        assert load_any(path).name == "mira0"


def test_every_attack_has_its_own_name() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_found_and_nothing_is_loaded(
    attack: Attack, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = loaded_character.CharacterFile.load

    def load(path: Path) -> object:
        found = real(path)
        read.append(str(path))
        return found

    monkeypatch.setattr(loaded_character.CharacterFile, "load", load)
    path = attack.how(scene)

    with pytest.raises((IntegrityError, PresetError, AdapterDamaged)) as refused:
        load_any(path)

    assert refused.value.next_step
    assert refused.value.exit_code in (6, 7)
    assert not read
    assert not list(cache_dir().glob("presets/*")), "nothing is unpacked before all is verified"


def test_every_single_bit_of_an_archive_counts(scene: Scene) -> None:
    """All of the headers, and of the content every so often."""
    whole = scene.archive.read_bytes()
    content = bytearray(whole)
    small = [place for place in range(len(whole)) if place < 200 or place > len(whole) - 1200]
    for place in [*small[::7], *range(0, len(whole), 2999)]:
        content[place] ^= 1 << place % 8
        scene.archive.write_bytes(content)
        with pytest.raises((IntegrityError, PresetError)):
            preset_adapter(scene.archive)
        content[place] = whole[place]
    scene.archive.write_bytes(whole)
    assert preset_adapter(scene.archive).is_file()


def test_what_was_unpacked_and_changed_is_unpacked_anew(scene: Scene) -> None:
    adapter = preset_adapter(scene.archive)
    flip(adapter)
    assert preset_adapter(scene.archive) == adapter
    assert adapter.read_bytes() == scene.adapter

    shutil.rmtree(adapter.parent)
    assert preset_adapter(scene.archive).read_bytes() == scene.adapter


def test_what_changes_after_it_was_opened_is_found_when_it_is_read(scene: Scene) -> None:
    for path, changed in ((scene.folder, scene.folder / "README.md"), (scene.archive,) * 2):
        bundle = open_bundle(path)
        content = bytearray(changed.read_bytes())
        content[content.index(b"# mira")] ^= 1
        changed.write_bytes(bytes(content))
        with pytest.raises(BundleDamaged, match=r"README\.md was changed"):
            bundle.read("README.md")
        assert json.loads(bundle.content)["version"] == "1.0.0"

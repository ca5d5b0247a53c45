"""Any character packed as a preset comes out as it went in."""

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facekit.adapters.character import Character
from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import PhotoRecord
from facekit.backbones.wan import TOON
from facekit.presets.bundle import open_bundle, pack_statement
from facekit.presets.manifest import Author, Lineage, Rights, Subject
from facekit.presets.names import PACK_SIGNATURE
from facekit.presets.packing import copy_bundle, write_archive
from facekit.recipe import load_recipe
from facekit.signing.home import KeyHome
from facekit.signing.statements import sign_statement
from facekit.workflows.preset_content import Told, build_preset
from facekit.workflows.preset_files import load_any
from tests.tiny.backbones import tiny_character, tiny_pipe

NAMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20)


@pytest.fixture(scope="module")
def whole() -> CharacterFile:
    return tiny_character(tiny_pipe())


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_character_comes_out_as_it_went_in(
    whole: CharacterFile, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    folder = tmp_path_factory.mktemp("packed")
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dim, photos = draw(st.integers(1, 9)), draw(st.integers(0, 3))
    has_gallery, has_tokens = draw(st.booleans()), draw(st.booleans())
    header = dataclasses.replace(
        whole.header,
        name=draw(NAMES),
        trigger=draw(WORDS),
        strength=draw(st.floats(0, 10)),
        photos=tuple(
            PhotoRecord(
                name=f"photo_of_somebody_{index}.png",
                sha256=f"{index:064x}",
                pixels_sha256=f"{index + 1:064x}",
                role="train" if index else "held_out",
            )
            for index in range(photos)
        ),
    )
    character = dataclasses.replace(
        whole,
        header=header,
        embeddings_PD=torch.randn(photos + 1, dim, generator=generator) if has_gallery else None,
        tokens_BKC=torch.randn(1, 2, dim, generator=generator) if has_tokens else None,
    )
    templates = draw(st.sampled_from(["none", "clear", "sealed"]))
    key = KeyHome(folder / "keys").create("anna")
    character.save(folder / "before.safetensors")
    told = Told(
        id=f"org.studio/{header.name}",
        version=f"{draw(st.integers(0, 99))}.{draw(st.integers(0, 99))}.0",
        title=draw(WORDS),
        summary=draw(WORDS),
        tags=tuple(draw(st.lists(WORDS, max_size=3))),
        author=Author(name="anna", keyid=key.public.keyid),
        subject=Subject(type="synthetic"),
        consent=None,
        rights=Rights(license="LicenseRef-Test", commercial=draw(st.booleans())),
        terms=None,
        report=None,
        lineage=Lineage(),
        templates=templates,
        seal_for=(key.public,),
        created=None,
    )
    recipe = load_recipe("tiny/train")
    source = Character(file=character, source=str(folder / "before.safetensors"))
    manifest, contents = build_preset(source, TOON, recipe, told, {}, "0" * 64)
    content = manifest.to_bytes()
    envelope = sign_statement(pack_statement(manifest, content), [key]).to_bytes()
    files = {one.path: one.blocks for one in contents}
    write_archive(folder / "a.facekit", content, files, {PACK_SIGNATURE: envelope})
    copy_bundle(open_bundle(folder / "a.facekit"), folder / "b.facekit", archive=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEKIT_KEYS", str(folder / "keys"))
        patch.setenv("FACEKIT_CACHE", str(folder / "cache"))
        loaded = [load_any(folder / name).file for name in ("a.facekit", "b.facekit")]
    expected = character.to_bytes()
    if templates == "none":
        bare = dataclasses.replace(
            character,
            header=dataclasses.replace(header, photos=()),
            embeddings_PD=None,
            tokens_BKC=None,
        )
        expected = bare.to_bytes()
        everything = Path(folder / "a.facekit").read_bytes()
        assert b"photo_of_somebody" not in everything
    assert [file.to_bytes() for file in loaded] == [expected, expected]

"""The character file refuses everything that is not wholly right."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from facekit.adapters.character import Character, attach_characters, load_character
from facekit.adapters.character_file import CharacterFile, CharacterHeader, build_character
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.made_for import check_backbone, check_encoder
from facekit.backbones import get_spec
from facekit.errors import AdapterDamaged, AdapterError, AdapterMismatch, SiteMissing, UsageError
from facekit.workflows import api
from tests.tiny.backbones import predict, tiny_adapter, tiny_character, tiny_pipe


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe()


@pytest.fixture
def character(pipe: Any) -> CharacterFile:
    return tiny_character(pipe)


def test_the_header_can_be_read_by_anybody(tmp_path: Path, character: CharacterFile) -> None:
    path = tmp_path / "adapter.safetensors"
    character.save(path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        names = set(file.keys())
    entries = json.loads(header["character"])
    assert entries["lora_scale"] == 2.0
    assert entries["sites"] == ["blocks.0.attn2", "blocks.2.attn2"]
    assert entries["training"] == {"steps": 3}
    assert header["modelspec.trigger_phrase"] == "mira"
    assert {
        "identity.blocks.0.attn2.k",
        "tokens",
        "gallery.embeddings",
        "lora.blocks.3.attn2.to_out.0.lora_B.weight",
    } <= names


def test_half_precision_keeps_the_gallery(tmp_path: Path, character: CharacterFile) -> None:
    character.save(tmp_path / "a.safetensors", torch.float16)
    loaded = CharacterFile.load(tmp_path / "a.safetensors")
    assert loaded.identity is not None
    assert loaded.identity.keys["blocks.0.attn2"].dtype == torch.float16
    assert loaded.embeddings_PD is not None
    assert loaded.embeddings_PD.dtype == torch.float32


def _without(folded: FoldedIdentity | None, site: str) -> FoldedIdentity:
    assert folded is not None
    keys, values = dict(folded.keys), dict(folded.values)
    del keys[site], values[site]
    return FoldedIdentity(keys, values)


WRONG: dict[str, tuple[Callable[[CharacterFile], CharacterFile], str]] = {
    "a site is missing": (
        lambda file: replace(file, identity=_without(file.identity, "blocks.2.attn2")),
        r"2 keys missing \(identity\.blocks\.2\.attn2\.k",
    ),
    "an unexpected site": (
        lambda file: replace(file, header=replace(file.header, sites=("blocks.0.attn2",))),
        r"2 unexpected \(identity\.blocks\.2\.attn2\.k",
    ),
    "no LoRA where the header has one": (lambda file: replace(file, lora={}), r"lora\.\*"),
    "a LoRA the header knows nothing of": (
        lambda file: replace(file, header=replace(file.header, lora=None)),
        r"64 unexpected",
    ),
    "half a LoRA layer": (
        lambda file: replace(
            file,
            lora={name: t for name, t in file.lora.items() if "0.attn1.to_q.lora_B" not in name},
        ),
        r"missing \(lora\.blocks\.0\.attn1\.to_q\.lora_B",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_every_key_and_every_site(tmp_path: Path, character: CharacterFile, case: str) -> None:
    change, message = WRONG[case]
    change(character).save(tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match=message):
        CharacterFile.load(tmp_path / "a.safetensors")


def test_a_character_without_effect(tmp_path: Path, pipe: Any) -> None:
    adapter = tiny_adapter(pipe.transformer, get_spec("toon"), trained=False)
    header = CharacterHeader(name="nobody", level="L0", backbone="toon")
    build_character(header, adapter=adapter, tokens_BKC=torch.randn(1, 4, 24)).save(
        tmp_path / "a.safetensors"
    )
    with pytest.raises(AdapterError, match=r"has no effect, its 2 sites and 0 LoRA layers"):
        CharacterFile.load(tmp_path / "a.safetensors")


def test_damage(tmp_path: Path, character: CharacterFile) -> None:
    path = tmp_path / "adapter.safetensors"
    character.save(path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    for damaged in (content, content[: len(content) // 2], b"not a file"):
        path.write_bytes(damaged)
        with pytest.raises(AdapterDamaged, match=r"adapter\.safetensors"):
            load_character(tmp_path)
    tokens = torch.full((1, 4, 24), torch.nan)
    replace(character, tokens_BKC=tokens).save(path)
    with pytest.raises(AdapterDamaged, match=r"1 tensors hold NaN or infinity \(tokens\)"):
        load_character(path)
    with pytest.raises(AdapterDamaged, match="no such file"):
        load_character(tmp_path / "nobody.safetensors")


def test_a_base_adapter_is_not_a_character(tmp_path: Path, pipe: Any) -> None:
    tiny_adapter(pipe.transformer, get_spec("toon")).save(tmp_path / "adapter.safetensors")
    with pytest.raises(AdapterDamaged, match=r"holds 'facekit\.identity_adapter'"):
        load_character(tmp_path)


def test_another_backbone(character: CharacterFile) -> None:
    with pytest.raises(AdapterMismatch, match="made for backbone toon, got wan2_1_t2v_1_3b"):
        api.attach(tiny_pipe("wan2_1_t2v_1_3b"), Character(file=character, source="mira"))


def test_other_weights_of_the_same_backbone(
    tmp_path: Path, pipe: Any, character: CharacterFile
) -> None:
    pipe.save_pretrained(tmp_path / "backbone")
    loaded = get_spec("toon").load(tmp_path / "backbone")
    header = replace(character.header, backbone_digest="cd" * 32)
    other = Character(file=replace(character, header=header), source="mira")
    with pytest.raises(AdapterMismatch, match="sha256 cdcdcdcdcdcd"):
        api.attach(loaded, other)
    api.attach(loaded, other, allow_other_weights=True).detach()


def test_a_failed_attach_leaves_the_pipeline_alone(pipe: Any, character: CharacterFile) -> None:
    base, keys = predict(pipe), list(pipe.transformer.state_dict())
    bad_lora = {name: torch.zeros(3, 3) for name in character.lora}
    broken = Character(file=replace(character, lora=bad_lora), source="mira")
    assert character.identity is not None
    narrow = FoldedIdentity(
        {site: key[..., :12] for site, key in character.identity.keys.items()},
        {site: value[..., :12] for site, value in character.identity.values.items()},
    )
    missing = _without(character.identity, "blocks.2.attn2")
    for wrong, error in (
        (broken, AdapterMismatch),
        (Character(file=replace(character, identity=narrow), source="mira"), AdapterMismatch),
        (Character(file=replace(character, identity=missing), source="mira"), SiteMissing),
    ):
        with pytest.raises(error):
            attach_characters(pipe, wrong)
        assert list(pipe.transformer.state_dict()) == keys
        assert torch.equal(predict(pipe), base)


def test_masks_must_be_as_many_as_characters(pipe: Any, character: CharacterFile) -> None:
    mira = Character(file=character, source="mira")
    with pytest.raises(UsageError, match="1 characters and 2 masks"):
        attach_characters(pipe, mira, masks_LHW=(None, None))


def _plain_lora(character: CharacterFile) -> CharacterFile:
    header = replace(character.header, level="none", sites=())
    return replace(character, header=header, identity=None, tokens_BKC=None)


def test_a_plain_lora_is_a_character_too(
    tmp_path: Path, pipe: Any, character: CharacterFile
) -> None:
    _plain_lora(character).save(tmp_path / "adapter.safetensors")
    base = predict(pipe)
    with api.attach(pipe, tmp_path) as attached:
        assert attached.identity is None
        assert not torch.allclose(predict(pipe), base)
    assert torch.equal(predict(pipe), base)


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": "three_way", "identity_guidance": 2.0, "guidance_scale": 3.0},
        {"unconditional": "same"},
        {"guidance_scale": 3.0},
    ],
)
def test_what_a_plain_lora_cannot_do_is_refused(
    pipe: Any, character: CharacterFile, options: dict[str, Any]
) -> None:
    plain = Character(file=_plain_lora(character), source="plain.safetensors")
    with pytest.raises(AdapterError, match=r"plain\.safetensors: a plain LoRA .*, got .*; leave"):
        api.attach(pipe, plain, **options)
    base = predict(pipe)
    mira = Character(file=character, source="mira")
    attach_characters(pipe, (mira, plain), **options).detach()
    assert torch.equal(predict(pipe), base)


def test_a_plain_lora_acts_in_its_mask_and_nowhere_else(
    pipe: Any, character: CharacterFile
) -> None:
    plain = Character(file=_plain_lora(character), source="plain.safetensors")

    def masked(*masks: torch.Tensor | None) -> torch.Tensor:
        with api.attach(pipe, plain, masks_LHW=masks):
            return predict(pipe)

    base, everywhere, left = predict(pipe), masked(None), torch.tensor([[1.0, 0.0]])
    assert torch.equal(masked(torch.ones(2, 2)), everywhere)
    assert torch.equal(masked(torch.zeros(2, 2)), base)
    assert not torch.allclose(masked(left), everywhere)
    assert not torch.allclose(masked(left), base)
    mira = Character(file=character, source="mira")
    attach_characters(pipe, (mira, plain), masks_LHW=(None, left)).detach()
    assert torch.equal(predict(pipe), base)


def test_an_option_that_does_not_exist_is_refused(pipe: Any, character: CharacterFile) -> None:
    wrong: dict[str, Any] = {"nonsense": 3}
    for file in (character, _plain_lora(character)):
        with pytest.raises(TypeError, match="nonsense"):
            attach_characters(pipe, Character(file=file, source="mira"), **wrong)


def test_what_an_attachment_knows_of_its_backbone(pipe: Any, character: CharacterFile) -> None:
    with api.attach(pipe, Character(file=character, source="mira")) as attached:
        assert attached.spec.max_sequence_length == 48


def test_tokens_of_one_character_are_needed(pipe: Any) -> None:
    adapter = tiny_adapter(pipe.transformer, get_spec("toon"))
    header = CharacterHeader(name="mira", level="L0", backbone="toon")
    with pytest.raises(AdapterError, match="tokens are None"):
        build_character(header, adapter=adapter)


def test_made_for(character: CharacterFile) -> None:
    header = character.header
    check_backbone("mira", header, "toon", "any digest, for its own is unknown")
    check_encoder("mira", header, "toon-a", "ab" * 32)
    with pytest.raises(AdapterMismatch, match="made for face encoder toon-a, got toon-b"):
        check_encoder("mira", header, "toon-b")
    with pytest.raises(AdapterMismatch, match="sha256 abababababab, got cdcd"):
        check_encoder("mira", header, "toon-a", "cd" * 32)

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.templates import Templates, split_templates
from facekit.errors import AdapterDamaged
from tests.tiny.backbones import tiny_character, tiny_pipe


def test_a_character_taken_apart_and_joined_is_the_same_to_the_byte(tmp_path):
    file = tiny_character(tiny_pipe())
    bare, templates = split_templates(file)

    bare.save(tmp_path / "bare.safetensors")
    back = Templates.from_bytes(templates.to_bytes(), "templates")
    joined = back.join(CharacterFile.load(tmp_path / "bare.safetensors"))

    assert joined.to_bytes() == file.to_bytes()
    assert (tmp_path / "bare.safetensors").read_bytes() == bare.to_bytes()
    assert bare.embeddings_PD is None
    assert bare.tokens_BKC is None
    assert b"gallery" not in bare.to_bytes()
    assert not templates.is_empty


def test_damage_is_found():
    content = split_templates(tiny_character(tiny_pipe()))[1].to_bytes()
    for bad in (b"", content[:-1], content[:-1] + bytes([content[-1] ^ 1]), tiny(1)):
        with pytest.raises(AdapterDamaged):
            Templates.from_bytes(bad, "templates")


def tiny(seed):
    bare, _ = split_templates(tiny_character(tiny_pipe(), seed=seed))
    return bare.to_bytes()


def test_a_plain_lora_has_none():
    templates = Templates(embeddings_PD=None, tokens_BKC=None, photos=())
    assert templates.is_empty
    assert Templates.from_bytes(templates.to_bytes(), "x").is_empty

from dataclasses import replace

import numpy as np
import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.judging_faces import JudgingFaces
from facekit.adapters.templates import Templates, split_templates
from facekit.adapters.tensor_file import tensor_bytes
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


def test_what_judges_is_kept_to_the_bit_and_is_no_part_of_the_character():
    file = tiny_character(tiny_pipe())
    bare, own = split_templates(file)
    assert own.judging is None
    templates = replace(own, judging=faces())
    assert templates.to_bytes() == replace(own, judging=faces()).to_bytes()
    back = Templates.from_bytes(templates.to_bytes(), "templates")
    assert back.judging.header() == faces().header()
    np.testing.assert_array_equal(back.judging.held_out_HD, faces().held_out_HD)
    np.testing.assert_array_equal(back.judging.enrolled_ED, faces().enrolled_ED)
    assert back.judging.id == "judge@111111111111"
    assert back.join(bare).to_bytes() == file.to_bytes()
    assert not replace(back, embeddings_PD=None, tokens_BKC=None, photos=()).is_empty


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoder": ""},
        {"encoder_digest": "1"},
        {"held_out_sha256": ()},
        {"held_out_HD": np.zeros((0, 3), np.float32), "held_out_sha256": ()},
        {"held_out_HD": np.full((2, 3), np.nan, np.float32)},
        {"enrolled_ED": np.eye(1, 4, dtype=np.float32)},
    ],
)
def test_what_no_encoder_has_measured_is_damage(wrong):
    with pytest.raises(ValueError, match=r"embeddings|no encoder"):
        replace(faces(), **wrong)


def test_templates_that_say_they_judge_and_do_not_are_damaged():
    header = {"kind": "facekit.templates", "format_version": "1", "photos": "[]"}
    for told in ("[]", "{}", faces().header()):
        with pytest.raises(AdapterDamaged):
            Templates.from_bytes(tensor_bytes({}, {**header, "judging": told}), "templates")


def faces():
    rows = np.random.default_rng(7).normal(size=(3, 3)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return JudgingFaces(
        encoder="judge",
        encoder_digest="1" * 64,
        held_out_HD=rows[:2],
        enrolled_ED=rows[2:],
        held_out_sha256=("a" * 64, "b" * 64),
        enrolled_sha256=("c" * 64,),
    )

"""What can be asked of a backbone before it is loaded."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from facekit.backbones import hub
from facekit.errors import ChecksumMismatch, WeightsMissing
from facekit.faces.vendors import load_faces
from facekit.recipe import load_recipe
from facekit.resources import BASE_ADAPTER_FILE, toon_dir
from facekit.toon.text import new_tokenizer
from facekit.workflows import backbone
from facekit.workflows.backbone import (
    load_backbone,
    load_base_adapter,
    load_tokenizer,
    unknown_words,
    weights_digest,
)
from tests.tiny.backbones import tiny_pipe


def test_unknown_words_are_named_once_in_order_as_they_were_written() -> None:
    tokenizer = new_tokenizer()
    assert unknown_words(tokenizer, "A man with curly black hair,and round glasses") == ()
    text = "Tom, a smug man with Freckles and freckles. Tom"
    assert unknown_words(tokenizer, text) == ("Tom", "smug", "Freckles", "freckles.")
    assert unknown_words(tokenizer, "") == ()


def test_a_tokenizer_without_an_unknown_word_knows_all() -> None:
    assert unknown_words(SimpleNamespace(), "anything") == ()


def test_the_tiny_backbone_has_a_tokenizer_of_its_own() -> None:
    tokenizer = load_tokenizer(load_recipe("tiny/train"))
    assert unknown_words(tokenizer, "a man with purple hair") == ("purple",)


def test_the_embedded_tokenizer_is_the_one_in_the_code() -> None:
    tokenizer = load_tokenizer(load_recipe("toon/train"))
    assert tokenizer.get_vocab() == new_tokenizer().get_vocab()


def flip(path: Path) -> None:
    """Change one bit of a number, which no format notices."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights in the place of the shipped weights."""
    folder = tmp_path / "weights"
    shutil.copytree(toon_dir(), folder)
    monkeypatch.setattr(backbone, "toon_dir", lambda: folder)
    monkeypatch.setattr(hub, "toon_backbone_dir", lambda: folder / "backbone")
    return folder


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_flipped_bits_in_the_shipped_backbone_are_noticed(shipped: Path, part: str) -> None:
    (weights,) = (shipped / "backbone" / part).glob("*.safetensors")
    flip(weights)
    with pytest.raises(ChecksumMismatch, match=rf"{weights.name}: sha256 .*; restore it"):
        load_backbone(load_recipe("toon/train"))


def test_a_flipped_tokenizer_is_noticed_without_the_rest(shipped: Path) -> None:
    shutil.rmtree(shipped / "backbone" / "transformer")
    load_tokenizer(load_recipe("toon/train"))
    flip(shipped / "backbone" / "tokenizer" / "tokenizer.json")
    with pytest.raises(ChecksumMismatch, match=r"tokenizer\.json: sha256"):
        load_tokenizer(load_recipe("toon/train"))


def test_flipped_bits_in_the_shipped_adapter_are_noticed(shipped: Path) -> None:
    recipe = load_recipe("toon/train")
    loaded = load_backbone(recipe)
    faces = load_faces(recipe.encoder.train)
    load_base_adapter(recipe, loaded, faces)
    flip(shipped / BASE_ADAPTER_FILE)
    with pytest.raises(ChecksumMismatch, match=rf"{BASE_ADAPTER_FILE}: sha256"):
        load_base_adapter(recipe, loaded, faces)


def test_what_is_held_in_eight_bits_is_the_same_backbone(tmp_path: Path) -> None:
    """A character trained on it goes onto the float32 pipeline, which has the same digest."""
    tiny_pipe("toon").save_pretrained(tmp_path)
    found = []
    for how in ("float32", "float8"):
        changes = [f"base.source={tmp_path}", f"memory.base_weights={how}"]
        found.append(load_backbone(load_recipe("toon/train", changes)))
    plain, held = found
    assert plain.digest
    assert (held.digest, held.parts_digest) == (plain.digest, plain.parts_digest)
    assert held.network.blocks[0].attn1.to_q.weight.dtype == torch.float8_e4m3fn
    assert (held.pipe.text_encoder.dtype, held.pipe.vae.dtype) == (torch.bfloat16, torch.float32)
    tiny = load_backbone(load_recipe("tiny/train", ["memory.base_weights=float8"]))
    assert tiny.network.blocks[0].attn1.to_q.weight.dtype == torch.float8_e4m3fn
    assert (tiny.pipe.text_encoder.dtype, tiny.pipe.vae.dtype) == (torch.bfloat16, torch.float32)


def test_the_digest_of_a_recipes_weights_needs_no_loading(tmp_path: Path) -> None:
    recipe = load_recipe("toon/train")
    tiny_pipe("toon").save_pretrained(tmp_path / "own")
    own: Any = load_recipe("toon/train", [f"base.source={tmp_path / 'own'}"])
    first = weights_digest(own)
    assert len({weights_digest(recipe), first, weights_digest(load_recipe("tiny/train"))}) >= 2
    assert weights_digest(own) == first
    (tmp_path / "own" / "vae" / "config.json").write_text("{}")
    assert weights_digest(own) != first
    second = weights_digest(own)
    (tmp_path / BASE_ADAPTER_FILE).write_bytes(b"another base adapter")
    assert weights_digest(own) != second
    with pytest.raises(WeightsMissing, match="expected a diffusers pipeline"):
        weights_digest(load_recipe("toon/train", [f"base.source={tmp_path / 'nowhere'}"]))

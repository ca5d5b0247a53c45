"""What a fingerprint of a backbone follows, and what it does not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from facekit.backbones import get_spec
from facekit.backbones.digest import folder_parts_digest, parts_digest, pipeline_digest
from facekit.errors import WeightsMissing
from tests.tiny.backbones import tiny_pipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_pipe().save_pretrained(tmp_path / "pipe")
    return tmp_path / "pipe"


def load(folder: Path) -> Any:
    return get_spec("toon").load(folder)


def change(net: torch.nn.Module) -> None:
    with torch.no_grad():
        next(iter(net.parameters())).mul_(1.5)


@pytest.mark.parametrize("name", ["transformer", "vae", "text_encoder"])
def test_every_net_counts_whether_it_comes_from_files_or_not(folder: Path, name: str) -> None:
    in_memory, from_files = tiny_pipe(), load(folder)
    before, transformer = parts_digest(in_memory), pipeline_digest(from_files)
    assert parts_digest(tiny_pipe()) == before
    change(getattr(in_memory, name))
    assert parts_digest(in_memory) != before

    before = parts_digest(from_files)
    assert parts_digest(load(folder)) == before
    changed = getattr(from_files, name)
    change(changed)
    changed.save_pretrained(folder / name)
    again = load(folder)
    assert parts_digest(again) != before
    assert (pipeline_digest(again) == transformer) == (name != "transformer")


def test_the_statistics_of_the_latents_and_the_schedulers_shift_count(folder: Path) -> None:
    before = parts_digest(load(folder))
    config = folder / "vae" / "config.json"
    text = config.read_text()
    config.write_text(text.replace("0.1", "0.2", 1))
    assert parts_digest(load(folder)) != before
    config.write_text(text)
    pipe = load(folder)
    assert parts_digest(pipe) == before
    pipe.scheduler.register_to_config(shift=7.0)
    assert parts_digest(pipe) != before


def test_another_vae_in_the_same_pipeline_counts(folder: Path, tmp_path: Path) -> None:
    pipe, other = load(folder), tiny_pipe()
    before = parts_digest(pipe)
    pipe.vae = other.vae
    kept_in_memory = parts_digest(pipe)
    change(other.vae)
    other.vae.save_pretrained(tmp_path / "vae")
    pipe.vae = type(other.vae).from_pretrained(tmp_path / "vae")
    assert len({before, kept_in_memory, parts_digest(pipe)}) == 3


def test_a_net_named_by_its_pipeline_is_found(folder: Path) -> None:
    pipe = load(folder)
    before = parts_digest(pipe)
    pipe.vae = type(pipe.vae).from_pretrained(folder, subfolder="vae")
    assert parts_digest(pipe) == before


def test_the_hubs_cache_knows_the_digest_of_a_large_file(tmp_path: Path) -> None:
    """There a file is a link to a blob that is called by its sha256."""
    part = tmp_path / "snapshots" / "vae"
    part.mkdir(parents=True)
    digests = []
    for letter in "ab":
        blob = tmp_path / (letter * 64)
        blob.write_bytes(b"the content is not read")
        (part / "model.safetensors").unlink(missing_ok=True)
        (part / "model.safetensors").symlink_to(blob)
        digests.append(folder_parts_digest(part.parent))
    assert digests[0] != digests[1]


def test_a_folder_counts_without_being_loaded(folder: Path) -> None:
    before = folder_parts_digest(folder)
    assert folder_parts_digest(folder) == before
    vocabulary = folder / "tokenizer" / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text() + " ")
    assert folder_parts_digest(folder) != before
    with pytest.raises(WeightsMissing, match="none of transformer, vae"):
        folder_parts_digest(folder / "tokenizer")

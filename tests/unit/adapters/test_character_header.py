"""The header comes back as it was, or not at all."""

import json
from typing import Any

import pytest

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import CharacterHeader, PhotoRecord
from facekit.adapters.lora import LoraSettings
from facekit.errors import AdapterDamaged
from tests.tiny.backbones import tiny_character, tiny_pipe

DIGESTS = {"sha256": "ab" * 32, "pixels_sha256": "ef" * 32}
HEADER = CharacterHeader(
    name="mira",
    level="L2",
    backbone="toon",
    trigger="a person",
    strength=0.5,
    sigma_window=(0.1, 0.9),
    sites=("blocks.0.attn2",),
    lora=LoraSettings(rank=2, alpha=4.0, targets=("attn1.to_q",)),
    run_digest="cd" * 32,
    photos=(
        PhotoRecord(name="near/1.png", role="train", **DIGESTS),
        PhotoRecord(name="2.png", role="held_out", **DIGESTS),
    ),
    training={"steps": 3},
)


def test_it_comes_back() -> None:
    assert CharacterHeader.from_json(HEADER.to_json()) == HEADER
    assert json.loads(HEADER.to_json())["lora_scale"] == 2.0


@pytest.mark.parametrize(
    "changes",
    [
        {"strength": -1.0},
        {"strength": "much"},
        {"strength": float("nan")},
        {"sigma_window": [0.6, 0.2]},
        {"sigma_window": [0.0, 1.5]},
        {"sigma_window": 0.5},
        {"photos": [{**DIGESTS, "name": "/etc/1.png", "role": "train"}]},
        {"photos": [{**DIGESTS, "name": "../1.png", "role": "train"}]},
        {"photos": [{**DIGESTS, "name": "", "role": "train"}]},
        {"photos": [{**DIGESTS, "name": "1.png", "role": "train", "sha256": "ab"}]},
        {"photos": [{**DIGESTS, "name": "1.png", "role": "judge"}]},
        {"photos": [{"name": "1.png"}]},
        {"mood": "happy"},
    ],
)
def test_what_it_cannot_mean_is_refused(changes: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(HEADER.to_json()), **changes})
    with pytest.raises((ValueError, TypeError)):
        CharacterHeader.from_json(text)


def test_a_file_with_such_a_header_is_refused(tmp_path: Any) -> None:
    file = tiny_character(tiny_pipe())
    object.__setattr__(file.header, "sigma_window", (0.9, 0.1))
    file.save(tmp_path / "adapter.safetensors")
    with pytest.raises(AdapterDamaged, match=r"sigma_window is \[0\.9, 0\.1\], expected"):
        CharacterFile.load(tmp_path / "adapter.safetensors")

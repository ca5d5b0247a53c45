"""The base identity adapter and its file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from facekit.adapters.identity_adapter import IdentityAdapter, IdentityAdapterConfig
from facekit.backbones import get_spec
from facekit.errors import AdapterDamaged, AdapterMismatch
from tests.tiny.backbones import embeddings, tiny_adapter, tiny_pipe

TOON = get_spec("toon")


@pytest.fixture
def pipe() -> Any:
    return tiny_pipe()


@pytest.fixture
def adapter(pipe: Any) -> IdentityAdapter:
    return tiny_adapter(pipe.transformer, TOON, encoder="toon-a", encoder_digest="ab" * 32)


def test_keys_are_module_paths(adapter: IdentityAdapter) -> None:
    names = set(adapter.state_dict())
    assert {
        "sites.blocks.0.attn2.to_k.weight",
        "sites.blocks.2.attn2.to_v.bias",
        "sites.blocks.2.attn2.registers",
    } <= names


def test_keys_start_as_the_texts_and_values_at_zero(pipe: Any) -> None:
    fresh = tiny_adapter(pipe.transformer, TOON, trained=False)
    for site, branch in fresh.branches():
        attention = pipe.transformer.get_submodule(site)
        assert torch.equal(branch.to_k.weight, attention.to_k.weight)
        assert torch.equal(branch.to_k.bias, attention.to_k.bias)
        assert not branch.to_v.weight.any()
        assert branch.to_k.weight.data_ptr() != attention.to_k.weight.data_ptr()


def test_another_token_width_starts_at_random(pipe: Any) -> None:
    fresh = tiny_adapter(pipe.transformer, TOON, trained=False, token_dim=10)
    tokens = fresh.tokens(embeddings())
    assert tokens.shape == (1, 4, 10)
    assert fresh.fold(tokens).keys["blocks.0.attn2"].shape == (1, 8, 24)


def test_folded_keys_are_normed_as_the_backbone_does(pipe: Any, adapter: IdentityAdapter) -> None:
    tokens = adapter.tokens(embeddings())
    for site, branch in adapter.branches():
        norm = pipe.transformer.get_submodule(site).norm_k
        read = torch.cat([tokens, branch.registers], dim=1)
        torch.testing.assert_close(adapter.fold(tokens).keys[site], norm(branch.to_k(read)))


def test_null_tokens(pipe: Any, adapter: IdentityAdapter) -> None:
    assert not adapter.null_tokens(3).any()
    assert "null" not in adapter.state_dict()
    learned = tiny_adapter(pipe.transformer, TOON, learned_null=True)
    assert learned.null_tokens(3).shape == (3, 4, 24)
    assert learned.null_tokens(3).requires_grad


def test_save_and_load(tmp_path: Path, adapter: IdentityAdapter) -> None:
    path = tmp_path / "base.safetensors"
    adapter.save(path)
    loaded = IdentityAdapter.load(path)
    assert loaded.config == adapter.config
    assert loaded.config.backbone == "toon"
    assert all(
        torch.equal(tensor, adapter.state_dict()[name])
        for name, tensor in loaded.state_dict().items()
    )
    loaded.save(tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_half_precision_on_disk_is_float32_in_memory(
    tmp_path: Path, adapter: IdentityAdapter
) -> None:
    path = tmp_path / "base.safetensors"
    adapter.save(path, torch.float16)
    assert load_file(path)["sites.blocks.0.attn2.to_k.weight"].dtype == torch.float16
    assert next(IdentityAdapter.load(path).parameters()).dtype == torch.float32


def test_damage_is_noticed(tmp_path: Path, adapter: IdentityAdapter) -> None:
    path = tmp_path / "base.safetensors"
    adapter.save(path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-1] ^= 1
    for damaged in (content[:-10], content[:5], b"", bytes(flipped), b"\x00" * 64):
        path.write_bytes(damaged)
        with pytest.raises(AdapterDamaged, match=r"base\.safetensors"):
            IdentityAdapter.load(path)
    path.unlink()
    with pytest.raises(AdapterDamaged, match="no such file"):
        IdentityAdapter.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(AdapterDamaged, match="something else"):
        IdentityAdapter.load(path)


def test_tensors_that_the_config_does_not_describe(
    tmp_path: Path, adapter: IdentityAdapter
) -> None:
    path = tmp_path / "base.safetensors"
    del adapter.projector.norm
    adapter.save(path)
    with pytest.raises(AdapterMismatch, match=r"2 missing \(projector\.norm\.bias"):
        IdentityAdapter.load(path)


def test_a_config_of_a_newer_version(adapter: IdentityAdapter) -> None:
    text = adapter.config.to_json()
    assert IdentityAdapterConfig.from_json(text) == adapter.config
    for broken in ("", "{}", text.replace("num_tokens", "num_marks")):
        with pytest.raises(AdapterDamaged, match="upgrade"):
            IdentityAdapterConfig.from_json(broken)


def test_tokens_of_another_width(adapter: IdentityAdapter) -> None:
    with pytest.raises(ValueError, match=r"expected \(batch, tokens, 24\)"):
        adapter.fold(torch.zeros(1, 4, 23))

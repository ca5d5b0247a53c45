"""Files as they are: whole, no pickles, with the config that lies beside them."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from facekit.adapters.character_file import ADAPTER_FILE
from facekit.adapters.formats.tensors import PEFT_CONFIG, PEFT_WEIGHTS, read_raw
from facekit.errors import AdapterDamaged, AdapterError


@pytest.mark.parametrize("ending", [".bin", ".pt", ".pth", ".ckpt", ".PT", ".pkl"])
def test_a_pickle_is_refused_by_its_name_without_being_opened(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"lora{ending}"  # not even there
    with pytest.raises(AdapterError, match=r"is a pickle.*; get the LoRA as \.safetensors"):
        read_raw(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_under_another_name_is_refused_as_well(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(pickle.dumps({"blocks.0.attn1.to_q": [1.0] * 8}, protocol=protocol))
    with pytest.raises(AdapterError, match="is a pickle"):
        read_raw(path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(AdapterError, match="is a pickle"):
        read_raw(path)


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])  # 0x80 and 2 to 5: how pickles begin
def test_a_header_whose_length_looks_like_a_pickle_is_read(length: int, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata={"x": ""})
    least = int.from_bytes(path.read_bytes()[:8], "little")
    save_file({"a": torch.zeros(2)}, path, metadata={"x": "y" * (length - least)})
    assert int.from_bytes(path.read_bytes()[:8], "little") == length
    assert set(read_raw(path).tensors) == {"a"}


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_a_truncated_file_is_damaged(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"a": torch.zeros(20, 20)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AdapterDamaged, match="cannot be read as safetensors"):
        read_raw(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterDamaged, match="no such file"):
        read_raw(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", [PEFT_WEIGHTS, ADAPTER_FILE])
def test_the_folder_of_an_adapter_or_a_character_leads_to_its_file(
    name: str, tmp_path: Path
) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / name)
    save_file({"b": torch.zeros(2)}, tmp_path / "state.safetensors")
    found = read_raw(tmp_path)
    assert found.path == tmp_path / name
    assert list(found.tensors) == ["a"]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_config_that_is_none_is_damaged(text: str, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / PEFT_WEIGHTS)
    (tmp_path / PEFT_CONFIG).write_text(text)
    with pytest.raises(AdapterDamaged, match=PEFT_CONFIG):
        read_raw(tmp_path)

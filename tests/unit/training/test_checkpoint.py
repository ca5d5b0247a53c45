from pathlib import Path

import pytest
import torch

from facekit.errors import CheckpointMismatch, ChecksumMismatch
from facekit.training.checkpoint import Best, TrainState, load_state, save_state

STATE = TrainState(
    step=7,
    total_steps=20,
    bad_steps=1,
    elapsed_s=3.5,
    best=Best(step=5, score=0.25, tensors={"a": torch.ones(2)}),
    tensors={"weight/a": torch.randn(2), "adam.step/a": torch.tensor(7.0)},
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE, "digest")
    found = load_state(path, "digest")
    assert found is not None
    assert (found.step, found.total_steps, found.bad_steps, found.elapsed_s) == (7, 20, 1, 3.5)
    assert found.best is not None
    assert (found.best.step, found.best.score) == (5, 0.25)
    assert torch.equal(found.best.tensors["a"], torch.ones(2))
    assert found.tensors.keys() == STATE.tensors.keys()
    for name, tensor in STATE.tensors.items():
        assert torch.equal(found.tensors[name], tensor)


def test_nothing_there_is_a_fresh_start(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state.safetensors", "digest") is None


def test_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE, "one")
    with pytest.raises(CheckpointMismatch, match=r"state\.safetensors: made by another recipe"):
        load_state(path, "two")


@pytest.mark.parametrize("kept", [0, 4, 100, -3])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE, "digest")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ChecksumMismatch, match="cut short or altered"):
        load_state(path, "digest")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE, "digest")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match="sha256"):
        load_state(path, "digest")


def test_a_failed_write_keeps_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, STATE, "digest")
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(Exception, match="no space left"):
        save_state(path, STATE, "digest")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]

from pathlib import Path

import pytest
import torch

from facekit.errors import InstallationError, UsageError, WeightsError
from facekit.faces.onnx_sessions import open_model, probe_provider, session_provider

CPU = torch.device("cpu")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    for module in ("onnx", "onnxruntime", "skimage", "insightface"):
        pytest.importorskip(module, reason="the extra insightface is not installed")
    from tests.tiny.onnx_nets import write_encoder

    return write_encoder(tmp_path / "rec.onnx")


def test_a_file_is_opened_with_the_librarys_class(encoder: Path) -> None:
    model = open_model(encoder, "recognition", CPU)
    assert type(model).__name__ == "ArcFaceONNX"
    assert session_provider(model.session) == "CPUExecutionProvider"


def test_a_file_of_another_kind(encoder: Path) -> None:
    with pytest.raises(WeightsError, match=r"rec\.onnx: no net for detection"):
        open_model(encoder, "detection", CPU)
    encoder.write_bytes(b"no net")
    with pytest.raises(WeightsError, match=r"rec\.onnx: InsightFace cannot open it"):
        open_model(encoder, "recognition", CPU)


def test_a_device_that_onnxruntime_does_not_run_on(encoder: Path) -> None:
    with pytest.raises(UsageError, match="does not run on mps, expected cpu or cuda"):
        open_model(encoder, "recognition", torch.device("mps"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none(encoder: Path) -> None:
    with pytest.raises(InstallationError, match="choose --device cpu"):
        open_model(encoder, "recognition", torch.device("cuda"))


def test_the_truth_about_cuda_is_asked_of_the_session(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build for the CPU opens a session for CUDA without a word, and runs it on the CPU."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(InstallationError) as caught:
        open_model(encoder, "recognition", torch.device("cuda", 0))
    assert "runs it on CPUExecutionProvider, expected CUDAExecutionProvider" in str(caught.value)
    assert "pip install 'facekit[gpu]'" in caught.value.next_step


def test_an_empty_net_tells_what_sessions_run_on() -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    provider, wanted = probe_provider()
    assert provider.endswith("ExecutionProvider")
    assert wanted == ("CUDA" if torch.cuda.is_available() else "CPU") + "ExecutionProvider"

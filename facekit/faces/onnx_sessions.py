"""Sessions of onnxruntime behind InsightFace's classes, and what they really run on."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from facekit.errors import InstallationError, UsageError, WeightsError
from facekit.faces.packages import import_optional

__all__ = ["open_model", "probe_provider", "route_model", "session_provider"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_model(path: Path, task: str, device: torch.device) -> Any:
    """Open a file on a device with the library's own class for it.

    Args:
        path: One onnx file.
        task: ``detection`` or ``recognition``.
        device: The CPU, or a CUDA device.

    Raises:
        PackageMissing: The extra `insightface` is not installed.
        InstallationError: The session does not run on that device.
        UsageError: Neither a CPU nor a CUDA device.
        WeightsError: The file cannot be opened, or is for something else.
    """
    provider = _PROVIDERS.get(device.type)
    if provider is None:
        raise UsageError(
            f"onnxruntime does not run on {device}, expected cpu or cuda; choose another --device"
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InstallationError(
            f"{path.name}: no CUDA device is there for {provider}; choose --device cpu"
        )
    model = route_model(path, provider, device.index or 0)
    if getattr(model, "taskname", None) != task:
        raise WeightsError(f"{path}: no net for {task}; use a file of an InsightFace pack")
    got = session_provider(model.session)
    if got != provider:
        raise InstallationError(
            f"{path.name}: onnxruntime runs it on {got}, expected {provider}; pip uninstall -y"
            " onnxruntime onnxruntime-gpu && pip install 'facekit[gpu]', or choose --device cpu"
        )
    return model


def route_model(path: Path, provider: str, index: int = 0) -> Any:
    """Let the library choose its class for a file.

    Raises:
        PackageMissing: The extra `insightface` is not installed.
        WeightsError: The file cannot be opened.
    """
    zoo = import_optional("insightface.model_zoo", extra="insightface")
    runtime = import_optional("onnxruntime", extra="insightface")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters of it is asked of the session below
    options.intra_op_num_threads = torch.get_num_threads()
    cuda = {"device_id": index} if provider != "CPUExecutionProvider" else {}
    try:
        with _quiet():
            return zoo.get_model(
                str(path.absolute()),
                providers=[provider, "CPUExecutionProvider"] if cuda else [provider],
                provider_options=[cuda, {}] if cuda else [{}],
                sess_options=options,
            )
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path}: InsightFace cannot open it ({reason}); fetch it again"
        ) from error


def session_provider(session: Any) -> str:
    """What a session really runs on; the list of available providers does not tell."""
    return str(session.get_providers()[0])


def probe_provider() -> tuple[str, str]:
    """Open a session of an empty net, on CUDA where there is a device, and ask what it runs on.

    Returns:
        What it runs on, and what it should run on.

    Raises:
        PackageMissing: onnxruntime or onnx is not installed.
    """
    helper = import_optional("onnx.helper", extra="insightface")
    runtime = import_optional("onnxruntime", extra="insightface")
    kind = 1  # TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("x", "y")]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "probe", ends[:1], ends[1:])
    versions = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    wanted = _PROVIDERS["cuda" if torch.cuda.is_available() else "cpu"]
    providers = list(dict.fromkeys([wanted, _PROVIDERS["cpu"]]))
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=providers)
    return session_provider(session), wanted


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

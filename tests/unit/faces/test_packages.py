import os
import sys
from pathlib import Path

import pytest
import torch

from facekit.errors import InstallationError, PackageMissing
from facekit.faces.packages import import_optional, install_command


def test_what_is_there_is_imported() -> None:
    assert import_optional("json", extra="x").dumps([]) == "[]"


def test_what_is_missing_names_the_extra() -> None:
    with pytest.raises(PackageMissing, match="no_such_module is not installed") as caught:
        import_optional("no_such_module.deep", extra="x")
    assert caught.value.next_step == "pip install 'facekit[x]'"
    assert isinstance(caught.value, InstallationError)


def test_what_cannot_be_imported_is_told_with_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_here.py").write_text("raise RuntimeError('operator nms is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PackageMissing, match=r"\(operator nms is not there\)") as caught:
        import_optional("breaks_here", extra="x")
    assert caught.value.next_step.endswith("or remove it and run pip install 'facekit[x]'")


def test_facexlib_is_installed_beside_the_torch_that_is_here() -> None:
    """Following the message replaced a torch for the CPU by another release with CUDA."""
    release = torch.__version__.partition("+")[0]
    assert install_command("facexlib") == f"pip install 'facekit[facexlib]' torch=={release}"
    assert install_command("onnx") == "pip install 'facekit[onnx]'"


def test_telemetry_is_off_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PackageMissing):
        import_optional("onnxruntime", extra="insightface")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"

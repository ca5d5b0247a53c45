import os
import sys

import pytest

from facekit.errors import InstallationError, PackageMissing
from facekit.faces.packages import import_optional


def test_what_is_there_is_imported() -> None:
    assert import_optional("json", extra="x").dumps([]) == "[]"


def test_what_is_missing_names_the_extra() -> None:
    with pytest.raises(PackageMissing, match="no_such_module is not installed") as caught:
        import_optional("no_such_module.deep", extra="x")
    assert caught.value.next_step == "pip install 'facekit[x]'"
    assert isinstance(caught.value, InstallationError)


def test_telemetry_is_off_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PackageMissing):
        import_optional("onnxruntime", extra="insightface")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"

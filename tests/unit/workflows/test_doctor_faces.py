import sys
from pathlib import Path

import pytest

from facekit.errors import WeightsMissing
from facekit.faces import onnx_sessions
from facekit.faces.vendors import VendorFacts
from facekit.recipe import load_recipe
from facekit.workflows import doctor_faces
from tests.tiny.faces import DiscFaces


@pytest.fixture(autouse=True)
def empty_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))


def facts(**changes: object) -> VendorFacts:
    values = {"name": "discs", "licence": "MIT", "commercial_use": True, **changes}
    return VendorFacts(**values)  # type: ignore[arg-type]


def test_every_vendor_that_does_not_ship_is_looked_at() -> None:
    findings = doctor_faces.vendor_findings(load_recipe())
    names = {finding.name for finding in findings}
    assert names == {"faces facexlib", "faces insightface", "faces opencv"}
    assert all("licence" in finding.detail for finding in findings)


def test_what_a_recipe_names_is_looked_at_too(tmp_path: Path) -> None:
    recipe = load_recipe(overrides=["encoder.train=insightface:auraface"])
    names = [finding.name for finding in doctor_faces.vendor_findings(recipe)]
    assert names[-1] == "faces insightface:auraface"


def test_what_is_not_installed_names_the_extra() -> None:
    finding = doctor_faces._vendor(facts(module="no_such_module", extra="insightface"))
    assert finding.status == "ok"
    assert "pip install 'facekit[insightface]'" in finding.detail


def test_what_has_no_weights_names_the_command() -> None:
    finding = doctor_faces._vendor(facts(weights=("yunet", "sface")))
    assert finding.status == "ok"
    assert "facekit weights fetch yunet sface" in finding.detail


def test_what_works_says_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faces(DiscFaces):
        provider = "CPUExecutionProvider"

    monkeypatch.setattr(doctor_faces, "load_faces", lambda _: Faces())
    finding = doctor_faces._vendor(facts())
    assert finding.detail.startswith("works on CPUExecutionProvider, weights ")
    assert finding.detail.endswith("licence MIT")


def test_what_cannot_be_loaded_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise WeightsMissing("net.onnx: not here; fetch it")

    monkeypatch.setattr(doctor_faces, "load_faces", load)
    finding = doctor_faces._vendor(facts())
    assert (finding.status, finding.mend) == ("warn", "fetch it")


def test_onnxruntime_is_asked_through_an_open_session() -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (finding,) = doctor_faces.onnxruntime_finding()
    assert finding.detail.startswith("sessions run on ")
    assert "ExecutionProvider" in finding.detail


def test_a_graphics_card_that_onnxruntime_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ("CPUExecutionProvider", "CUDAExecutionProvider")
    monkeypatch.setattr(onnx_sessions, "probe_provider", lambda: found)
    (finding,) = doctor_faces.onnxruntime_finding()
    assert finding.status == "warn"
    assert finding.mend.endswith("pip install 'facekit[gpu]'")


def test_without_onnxruntime_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert doctor_faces.onnxruntime_finding() == []

import importlib.metadata
from pathlib import Path

import pytest

from facekit.types import NoProgress
from facekit.workflows import doctor


def run() -> doctor.DoctorReport:
    return doctor.run_doctor(doctor.plan_doctor(), NoProgress())


def test_every_fault_names_what_mends_it() -> None:
    report = run()
    names = {finding.name for finding in report.findings}
    assert {"python", "torch", "device", "codec", "toon", "recipes", "disk"} <= names
    assert all(finding.mend for finding in report.findings if finding.status != "ok")
    assert "torch" in report.describe()
    assert report.to_json()["findings"]


def test_libraries_of_this_environment_are_fine() -> None:
    libraries = {name for name, _ in doctor._LIBRARIES}
    found = [finding for finding in run().findings if finding.name in libraries]
    assert [finding.status for finding in found] == ["ok"] * len(doctor._LIBRARIES)


def test_old_and_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.1.0+cu118"}

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    torch, diffusers, *_ = doctor._libraries()
    assert (torch.status, torch.detail) == ("fail", "2.1.0+cu118, expected 2.9 or newer")
    assert (diffusers.status, diffusers.detail) == ("fail", "not installed")
    assert diffusers.mend.startswith("pip install 'diffusers>=")


def test_two_opencv_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name == "opencv-python")
    (finding,) = doctor._opencv_twins()
    assert finding.status == "warn"
    assert "pip uninstall -y opencv-python " in finding.mend


def test_two_builds_of_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name.startswith("onnxruntime"))
    (finding,) = doctor._onnxruntime_twins()
    assert finding.status == "warn"
    assert finding.mend.endswith("pip install onnxruntime-gpu")
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name == "onnxruntime")
    assert doctor._onnxruntime_twins() == []


def test_torchvision_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(doctor, "_is_installed", lambda _: True)
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.29.2")
    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    (finding,) = doctor._torchvision()
    assert finding.status == "fail"
    assert "0.29.2 does not fit torch (operator torchvision::nms" in finding.detail
    assert finding.mend == "pip uninstall -y torchvision"


def test_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("U", (), {"free": 2**20}))
    assert doctor._free(tmp_path, "disk").status == "warn"


def test_missing_weights_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("facekit.weights.toon_dir", lambda: tmp_path)
    (finding,) = doctor._toon_weights()
    assert finding.status == "fail"
    assert "build-toon" in finding.mend
    assert doctor.DoctorReport(findings=(finding,)).exit_code == 1

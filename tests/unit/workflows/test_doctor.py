import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from facekit.faces import vendors
from facekit.recipe import load_recipe
from facekit.types import NoProgress
from facekit.workflows import doctor
from facekit.workflows.device import choose_device
from facekit.workflows.doctor_faces import recipe_licences


def run() -> doctor.DoctorReport:
    return doctor.run_doctor(doctor.plan_doctor(), NoProgress())


def test_every_fault_names_what_mends_it() -> None:
    report = run()
    names = {finding.name for finding in report.findings}
    assert {"python", "torch", "device", "codec", "toon", "recipes", "disk"} <= names
    assert all(finding.mend for finding in report.findings if finding.status != "ok")
    assert "torch" in report.describe()
    assert report.to_json()["findings"]


def test_the_device_is_the_one_that_commands_take() -> None:
    """It named a graphics card that no command used."""
    (found,) = doctor._device()
    assert found.detail.startswith(f"--device auto takes {choose_device()}")


def test_libraries_of_this_environment_are_fine() -> None:
    found = doctor._libraries()
    assert {finding.status for finding in found} == {"ok"}
    assert {"torch", "diffusers", "opencv-python-headless"} <= {finding.name for finding in found}


def test_every_requirement_of_the_package_is_looked_at(root: Path) -> None:
    """A list of its own once stood here and forgot some."""
    needed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    assert all(doctor._REQUIREMENT.fullmatch(line) for line in needed)


def test_without_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    (finding,) = doctor._libraries()
    assert (finding.name, finding.status) == ("facekit", "warn")
    assert finding.mend.startswith("pip install")


def test_old_and_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.1.0+cu118"}
    needed = ["torch>=2.9", "diffusers>=0.42", "ruff>=0.17; extra == 'dev'"]

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: needed)
    torch, diffusers = doctor._libraries()
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
    (finding,) = doctor._onnxruntime()
    assert finding.status == "warn"
    assert finding.mend.endswith("pip install onnxruntime-gpu")
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name == "onnxruntime")
    assert all("beside" not in found.detail for found in doctor._onnxruntime())


def commercially(*overrides: str) -> doctor.DoctorReport:
    plan = doctor.plan_doctor(load_recipe(overrides=overrides), commercial=True)
    return doctor.run_doctor(plan, NoProgress())


def test_commercial_use_of_what_ships_is_allowed() -> None:
    report = commercially()
    assert [finding.status for finding in report.licences] == ["ok", "ok", "ok"]
    assert report.exit_code == 0
    assert "encoder.train toon-a" in report.describe()


def test_a_parser_that_would_draw_the_masks_is_judged_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(vendors.importlib.util, "find_spec", lambda _: object())
    (tmp_path / "parsing_bisenet.pth").touch()
    real = load_recipe(overrides=["encoder.train=opencv", "encoder.report=insightface:auraface"])
    refused = [f for f in recipe_licences(real, commercial=True) if f.status == "fail"]
    assert [finding.name for finding in refused] == ["face masks bisenet"]
    assert "facekit weights path bisenet" in str(refused[0].mend)
    unmasked = load_recipe(
        overrides=[
            "encoder.train=opencv",
            "encoder.report=insightface:auraface",
            "loss.face_mask_probability=0",
        ]
    )
    assert all(f.status == "ok" for f in recipe_licences(unmasked, commercial=True))
    assert len(recipe_licences(load_recipe(), commercial=True)) == 3


def test_commercial_use_is_refused_naming_what_forbids_it() -> None:
    report = commercially("encoder.train=insightface", "encoder.report=opencv")
    assert report.exit_code == 4
    (refused,) = [finding for finding in report.licences if finding.status == "fail"]
    assert refused.name == "encoder.train insightface"
    assert "non-commercial research only" in refused.detail
    assert "such as opencv" in refused.mend
    assert report.to_json()["licences"][0]["status"] == "fail"


def test_a_backbone_of_the_users_own_is_not_known() -> None:
    report = commercially("base.source=/models/mine")
    assert [f.name for f in report.licences if f.status == "fail"] == ["base.name toon"]
    assert report.exit_code == 4


def test_without_the_question_licences_are_only_told() -> None:
    recipe = load_recipe(overrides=["encoder.train=insightface"])
    report = doctor.run_doctor(doctor.plan_doctor(recipe), NoProgress())
    assert report.exit_code == 0
    assert "commercial use not allowed" in report.describe()


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
    monkeypatch.setattr("facekit.weights.manifest.toon_dir", lambda: tmp_path)
    (finding,) = doctor._toon_weights()
    assert finding.status == "fail"
    assert "build-toon" in finding.mend
    assert doctor.DoctorReport(findings=(finding,)).exit_code == 1

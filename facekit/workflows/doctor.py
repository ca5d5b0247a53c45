"""Looks at what a run needs, and names the command that mends each fault."""

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from facekit.errors import FacekitError, RightsRefused
from facekit.recipe import Recipe, list_recipes, load_recipe
from facekit.types import Progress
from facekit.weights import verify
from facekit.workflows.doctor_faces import onnxruntime_finding, recipe_licences, vendor_findings
from facekit.workflows.doctor_findings import Finding

__all__ = ["DoctorPlan", "DoctorReport", "plan_doctor", "run_doctor"]

_NEEDED_GB: Final = 2.0
_REQUIREMENT: Final = re.compile(r"([\w.-]+)>=([\d.]+)")
"""How pyproject.toml writes what facekit needs; an extra adds a marker after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorPlan:
    """What will be looked at."""

    names: tuple[str, ...]
    recipe: Recipe
    """Whose licences are told."""
    commercial: bool
    """Whether a licence that forbids commercial use is refused."""

    def describe(self) -> str:
        """One line."""
        return f"looking at: {', '.join([*self.names, 'licences'])}"

    def to_json(self) -> Mapping[str, object]:
        """The names."""
        return {"names": [*self.names, "licences"], "commercial": self.commercial}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """Everything found."""

    findings: tuple[Finding, ...]
    licences: tuple[Finding, ...] = ()
    """Of what the recipe uses; one that fails does not allow the use that was asked for."""

    @property
    def exit_code(self) -> int:
        """1 when facekit cannot work here, 4 when a licence does not allow commercial use."""
        if any(finding.status == "fail" for finding in self.licences):
            return RightsRefused.exit_code
        return int(any(finding.status == "fail" for finding in self.findings))

    def describe(self) -> str:
        """One line per finding, and a second one for what mends it."""
        lines = []
        findings = (*self.findings, *self.licences)
        width = max((len(finding.name) for finding in findings), default=0)
        for finding in findings:
            lines.append(f"{finding.status:<4}  {finding.name:<{width}}  {finding.detail}")
            if finding.mend:
                lines.append(f"      {'':<{width}}  mend: {finding.mend}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """All findings."""
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "licences": [asdict(finding) for finding in self.licences],
        }


def plan_doctor(recipe: Recipe | None = None, *, commercial: bool = False) -> DoctorPlan:
    """Name what will be looked at.

    Args:
        recipe: Whose licences are told; the default one when None.
        commercial: Whether a licence that forbids commercial use is refused.

    Raises:
        RecipeError: The default recipe is broken.
    """
    chosen = recipe or load_recipe()
    return DoctorPlan(names=tuple(_checks(chosen)), recipe=chosen, commercial=commercial)


def run_doctor(plan: DoctorPlan, progress: Progress) -> DoctorReport:
    """Look at everything the plan names; a fault in one check does not stop the others.

    Raises:
        UsageError: The recipe names an unknown encoder or backbone.
    """
    licences = recipe_licences(plan.recipe, commercial=plan.commercial)
    findings: list[Finding] = []
    checks = _checks(plan.recipe)
    progress.start(len(plan.names), "doctor")
    for name in plan.names:
        findings += checks[name]()
        progress.advance(1, name)
    progress.finish()
    return DoctorReport(findings=tuple(findings), licences=tuple(licences))


def _python() -> list[Finding]:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [Finding(name="python", status="ok", detail=detail)]


def _libraries() -> list[Finding]:
    try:
        lines = importlib.metadata.requires("facekit") or []
    except importlib.metadata.PackageNotFoundError:
        detail = "not installed, so nobody knows which libraries it needs"
        mend = "pip install -e . -c constraints.txt"
        return [Finding(name="facekit", status="warn", detail=detail, mend=mend)]
    needed = [found for line in lines if (found := _REQUIREMENT.fullmatch(line))]
    return [_library(name=found[1], least=found[2]) for found in needed]


def _library(name: str, least: str) -> Finding:
    mend = f"pip install '{name}>={least}' -c constraints.txt"
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name=name, status="fail", detail="not installed", mend=mend)
    if _release(found) < _release(least):
        detail = f"{found}, expected {least} or newer"
        return Finding(name=name, status="fail", detail=detail, mend=mend)
    return Finding(name=name, status="ok", detail=found)


def _release(version: str) -> tuple[int, ...]:
    numbers = version.partition("+")[0].split(".")
    return tuple(int(part) for part in numbers if part.isdigit())


def _opencv_twins() -> list[Finding]:
    """Two OpenCV packages write over each other's files, and the last one installed wins."""
    twins = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
    found = [name for name in twins if _is_installed(name)]
    if not found:
        return []
    mend = f"pip uninstall -y {' '.join(found)} && pip install --force-reinstall"
    mend += " opencv-python-headless -c constraints.txt"
    detail = f"{', '.join(found)} beside opencv-python-headless"
    return [Finding(name="opencv", status="warn", detail=detail, mend=mend)]


def _onnxruntime() -> list[Finding]:
    """With both builds installed the GPU disappears, and uninstalling one breaks the other."""
    if not (_is_installed("onnxruntime") and _is_installed("onnxruntime-gpu")):
        return onnxruntime_finding()
    mend = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    detail = "onnxruntime beside onnxruntime-gpu: the GPU is not used"
    return [Finding(name="onnxruntime", status="warn", detail=detail, mend=mend)]


def _torchvision() -> list[Finding]:
    """A torchvision built for another torch breaks diffusers and peft with misleading errors."""
    if not _is_installed("torchvision"):
        return []
    found = importlib.metadata.version("torchvision")
    try:
        importlib.import_module("torchvision.ops")
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        detail = f"{found} does not fit torch ({str(error).splitlines()[0]})"
        mend = "pip uninstall -y torchvision"
        return [Finding(name="torchvision", status="fail", detail=detail, mend=mend)]
    return [Finding(name="torchvision", status="ok", detail=found)]


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _device() -> list[Finding]:
    import torch

    from facekit.workflows.device import choose_device

    chosen = choose_device()
    detail = f"--device auto takes {chosen}"
    if chosen.type == "cuda":
        properties = torch.cuda.get_device_properties(chosen)
        detail += f": {properties.name}, {properties.total_memory / 2**30:.0f} GB"
    detail += f"; {torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return [Finding(name="device", status="ok", detail=detail)]


def _codec() -> list[Finding]:
    import av

    if "libx264" in av.codecs_available:
        return [Finding(name="codec", status="ok", detail="libx264 through PyAV")]
    mend = "pip install --force-reinstall --only-binary :all: av -c constraints.txt"
    return [Finding(name="codec", status="fail", detail="PyAV without libx264", mend=mend)]


def _toon_weights() -> list[Finding]:
    try:
        files = verify()
    except FacekitError as error:
        mend = error.next_step
        return [Finding(name="toon", status="fail", detail=str(error), mend=mend)]
    size_mb = sum(file.num_bytes for file in files) / 1e6
    detail = f"{len(files)} files, {size_mb:.1f} MB, all as recorded"
    return [Finding(name="toon", status="ok", detail=detail)]


def _recipes() -> list[Finding]:
    try:
        count = len(list_recipes())
    except FacekitError as error:
        mend = "reinstall facekit"
        return [Finding(name="recipes", status="fail", detail=str(error), mend=mend)]
    return [Finding(name="recipes", status="ok", detail=f"{count}, all well formed")]


def _disk() -> list[Finding]:
    here, temporary = Path.cwd(), Path(tempfile.gettempdir())
    return [_free(here, "disk"), _free(temporary, "temporary")]


def _free(folder: Path, name: str) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 2**30
    detail = f"{free_gb:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        mend = "go to a folder you may write to"
        return Finding(name=name, status="warn", detail=f"no permission in {folder}", mend=mend)
    if free_gb < _NEEDED_GB:
        return Finding(name=name, status="warn", detail=detail, mend="free some space")
    return Finding(name=name, status="ok", detail=detail)


def _checks(recipe: Recipe) -> Mapping[str, Callable[[], list[Finding]]]:
    """What is looked at, in order."""
    return {
        "python": _python,
        "libraries": _libraries,
        "torchvision": _torchvision,
        "opencv": _opencv_twins,
        "onnxruntime": _onnxruntime,
        "device": _device,
        "codec": _codec,
        "toon": _toon_weights,
        "faces": lambda: vendor_findings(recipe),
        "recipes": _recipes,
        "disk": _disk,
    }

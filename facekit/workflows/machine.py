"""Where numbers come from: command, machine and weights; every published table carries it."""

import importlib.metadata
import os
import platform
import resource
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.resources import toon_dir
from facekit.weights import MANIFEST_NAME, file_digest

if TYPE_CHECKING:
    import torch

__all__ = ["command_line", "machine_facts", "peak_memory_gb", "provenance"]

_LIBRARIES = ("torch", "diffusers", "peft", "transformers", "numpy")


def provenance(device: "torch.device", weights_dir: Path | None = None) -> dict[str, object]:
    """Return where a measurement comes from, as plain data: what every published number needs.

    Args:
        device: Where the pipeline or the net that was measured really ran.
        weights_dir: The folder of the weights; the embedded ones when None.

    Returns:
        `command`, `machine` and `manifest_digest`: the sha256 (hex) of the weights' manifest, which
        names the digest of each file.

    Raises:
        WeightsMissing: The folder has no manifest.
    """
    return {
        "command": command_line(),
        "machine": machine_facts(device),
        "manifest_digest": file_digest((weights_dir or toon_dir()) / MANIFEST_NAME),
    }


def command_line() -> str:
    """Return what was typed to start this process, without the folder of the program."""
    given = sys.argv[1:]
    before = sys.orig_argv[: len(sys.orig_argv) - len(given)]
    is_module = "-m" in before
    program = ["python", "-m", before[-1]] if is_module else [Path(sys.argv[0]).name]
    return shlex.join([*program, *given])


def machine_facts(device: "torch.device") -> dict[str, object]:
    """Return versions, cores, the processor and the device that was used, as plain data."""
    import facekit

    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {
        "facekit": facekit.__version__,
        "python": platform.python_version(),
        "versions": versions,
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": _name(device),
    }


def _name(device: "torch.device") -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory_gb() -> float:
    """Return the most memory that this process has held so far, in units of 2**30 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return peak * unit / 2**30

"""What a measurement ran on: versions, cores, memory; every published table carries it."""

import importlib.metadata
import os
import platform
import resource
import sys

__all__ = ["machine_facts", "peak_memory_gb"]

_LIBRARIES = ("torch", "diffusers", "peft", "transformers", "numpy")


def machine_facts() -> dict[str, object]:
    """Return versions, cores and the processor, as plain data."""
    import facekit

    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {
        "facekit": facekit.__version__,
        "python": platform.python_version(),
        "versions": versions,
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": _device(),
    }


def _device() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def peak_memory_gb() -> float:
    """Return the most memory that this process has held so far, in units of 2**30 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return peak * unit / 2**30

"""Packages that only some face vendors need: imported late, and missed with a next step."""

import importlib
import importlib.metadata
import os
from typing import Any

from facekit.errors import PackageMissing

__all__ = ["import_optional", "install_command"]


def install_command(extra: str) -> str:
    """Give the command that installs an extra of facekit and leaves torch as it is.

    facexlib needs torchvision, and for the newest one pip would replace torch by one for CUDA.
    """
    command = f"pip install 'facekit[{extra}]'"
    if extra != "facexlib":
        return command
    return f"{command} torch=={importlib.metadata.version('torch').partition('+')[0]}"


def import_optional(module: str, *, extra: str) -> Any:
    """Import a package that an extra of facekit brings.

    Args:
        module: Its full name.
        extra: Of facekit, as in ``pip install 'facekit[extra]'``.

    Raises:
        PackageMissing: It is not installed, or it breaks when it is imported.
    """
    # onnxruntime's Linux wheel holds an uploader; it reads this when it is imported
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise PackageMissing(
            f"{error.name or module} is not installed, expected what the extra {extra} brings;"
            f" {install_command(extra)}"
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PackageMissing(
            f"{module} is installed and cannot be imported ({reason}); run facekit doctor, which"
            f" says what does not fit, or remove it and run {install_command(extra)}"
        ) from error

"""The device that a backbone runs on: asked for by name, or the best one that there is."""

import torch

from facekit.errors import UsageError

__all__ = ["AUTO", "choose_device", "device_text"]

AUTO = "auto"
"""CUDA where torch finds a device for it, else the CPU."""

_KINDS = ("cpu", "cuda", "mps")


def choose_device(asked: str = AUTO) -> torch.device:
    """Turn what was asked for into a device that is there.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        UsageError: No such name, or this machine has no such device; the message lists those it
            has.
    """
    if asked == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = ", ".join((AUTO, *_here()))
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    if device is None or device.type not in _KINDS:
        raise UsageError(
            f"device {asked!r}: no such name, expected one of {found}; correct --device"
        )
    if _is_here(device):
        return device
    raise UsageError(
        f"device {asked!r}: torch {torch.__version__} finds none here, expected one of {found};"
        " choose one of these with --device, or install a torch that is built for it"
    )


def device_text(device: torch.device) -> str:
    """Write a device for a plan, with the name of the graphics card where it is one."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def _is_here(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available() and not device.index
    return not device.index


def _here() -> list[str]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = ["cuda", *(f"cuda:{index}" for index in range(count))] if count else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]

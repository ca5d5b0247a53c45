"""Face models by name; a model is loaded once per process."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from facekit.errors import UsageError

if TYPE_CHECKING:
    from facekit.faces.protocols import FaceVendor

__all__ = ["check_vendor", "encoder_id", "known_vendors", "load_faces", "register_vendor"]


def _toon(name: str) -> "Callable[[], FaceVendor]":
    def load() -> "FaceVendor":
        from facekit.faces.toon import load_toon_faces

        return load_toon_faces(name)

    return load


_loaders: "dict[str, Callable[[], FaceVendor]]" = {
    name: _toon(name) for name in ("toon-a", "toon-b")
}
_loaded: "dict[str, FaceVendor]" = {}


def known_vendors() -> tuple[str, ...]:
    """List the names that `load_faces` takes, in order."""
    return tuple(sorted(_loaders))


def register_vendor(name: str, loader: "Callable[[], FaceVendor]") -> None:
    """Add a face model under a new name; the loader runs at its first use.

    Raises:
        UsageError: The name is taken.
    """
    if name in _loaders:
        raise UsageError(f"{name}: a face model of this name exists; choose another name")
    _loaders[name] = loader


def check_vendor(name: str) -> None:
    """Refuse a name that `load_faces` would refuse, without loading anything.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
    """
    if name not in _loaders:
        known = ", ".join(known_vendors())
        raise UsageError(f"{name}: no such face model, expected one of {known}; correct the name")


def load_faces(name: str) -> "FaceVendor":
    """Load the detector and encoder of a name to the CPU; a second call gives the same object.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
        WeightsError: Its weights are missing or damaged.
    """
    check_vendor(name)
    if name not in _loaded:
        _loaded[name] = _loaders[name]()
    return _loaded[name]


def encoder_id(vendor: "FaceVendor") -> str:
    """Name an encoder for good: ``name@`` and the first 12 hex digits of its weights' sha256."""
    return f"{vendor.name}@{vendor.digest[:12]}"

"""Face models by name; a model is loaded once per process."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facekit.errors import PackageMissing, UsageError, WeightsMissing
from facekit.faces.packages import install_command
from facekit.weights import are_present, catalogue_entry

if TYPE_CHECKING:
    from facekit.faces.protocols import FaceParser, FaceVendor, PictureKind

__all__ = [
    "VendorFacts",
    "check_vendor",
    "encoder_id",
    "known_vendors",
    "load_faces",
    "load_parser",
    "parser_facts",
    "register_vendor",
    "vendor_facts",
]

_PACK_PREFIX = "insightface:"
_DRAWINGS = "{} knows drawings, and the parser photographs"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorFacts:
    """What can be told of a vendor without loading it."""

    name: str
    licence: str
    commercial_use: bool
    weights: tuple[str, ...] = ()
    """Names in the catalogue; empty where they ship or where a folder holds them."""
    module: str = ""
    """That an extra brings; empty where none is needed."""
    extra: str = ""
    made_for: "PictureKind | None" = None
    """What it knows; None where that is not known."""

    def describe(self) -> str:
        """The name and the licence, for plans."""
        forbidden = "" if self.commercial_use else ", no commercial use"
        return f"{self.name} (licence {self.licence}{forbidden})"

    @property
    def is_installed(self) -> bool:
        """Whether the module is there, without importing it."""
        return not self.module or importlib.util.find_spec(self.module) is not None

    @property
    def missing_weights(self) -> tuple[str, ...]:
        """Those that are not in the store, by name alone."""
        return tuple(name for name in self.weights if not are_present(name))


def _toon(name: str) -> "Callable[[], FaceVendor]":
    def load() -> "FaceVendor":
        from facekit.faces.toon import load_toon_faces

        return load_toon_faces(name)

    return load


def _opencv() -> "FaceVendor":
    from facekit.faces.opencv import load_opencv_faces

    return load_opencv_faces()


def _insightface(pack: str = "buffalo_l") -> "FaceVendor":
    from facekit.faces.insightface import load_insightface

    return load_insightface(pack)


def _facexlib() -> "FaceVendor":
    from facekit.faces.facexlib import load_facexlib

    return load_facexlib()


_loaders: "dict[str, Callable[[], FaceVendor]]" = {
    "facexlib": _facexlib,
    "insightface": _insightface,
    "opencv": _opencv,
    "toon-a": _toon("toon-a"),
    "toon-b": _toon("toon-b"),
}
_loaded: "dict[str, FaceVendor]" = {}

_INSIGHTFACE_PACKS = {
    "antelopev2": ("antelopev2",),
    "auraface": ("auraface", "yunet"),
    "buffalo_l": ("buffalo_l",),
    "buffalo_sc": ("buffalo_sc",),
}


def known_vendors() -> tuple[str, ...]:
    """List the names that `load_faces` takes, in order; `insightface:PACK` is one more."""
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
    pack = _pack_of(name)
    if pack is not None:
        if pack in _INSIGHTFACE_PACKS or Path(pack).is_dir():
            return
        raise UsageError(
            f"{name}: no such pack and no such folder, expected one of"
            f" {', '.join(_INSIGHTFACE_PACKS)}, or a folder with onnx files; correct the name"
        )
    if name not in _loaders:
        known = ", ".join((*known_vendors(), f"{_PACK_PREFIX}PACK"))
        raise UsageError(f"{name}: no such face model, expected one of {known}; correct the name")


def load_faces(name: str) -> "FaceVendor":
    """Load the detector and encoder of a name to the CPU; a second call gives the same object.

    Args:
        name: One of `known_vendors`, or ``insightface:PACK`` with a pack's name or its folder.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
        PackageMissing: It needs an extra that is not installed.
        WeightsError: Its weights are missing or damaged.
    """
    check_vendor(name)
    if name not in _loaded:
        pack = _pack_of(name)
        _loaded[name] = _loaders[name]() if pack is None else _insightface(pack)
    return _loaded[name]


def load_parser(vendor: "FaceVendor") -> "FaceParser":
    """Load the best parser for a vendor's pictures; its `shortfall` says what it cannot do.

    BiSeNet knows photographs. For a vendor of drawings, and where facexlib or its weights are not
    here, it is the geometric estimate.

    Raises:
        ChecksumMismatch: The weights of BiSeNet are here and damaged.
    """
    from facekit.faces.parse import EllipseParser

    if vendor.made_for == "drawing":
        return EllipseParser(_DRAWINGS.format(vendor.name))
    try:
        from facekit.faces.facexlib import load_bisenet

        return load_bisenet()
    except (PackageMissing, WeightsMissing) as error:
        return EllipseParser(str(error))


def parser_facts(name: str) -> tuple[VendorFacts | None, str]:
    """Say which parser `load_parser` is to load for a vendor, without loading any.

    Args:
        name: Of the vendor.

    Returns:
        The facts of BiSeNet; or None, for the geometric estimate, and the reason for it.

    Raises:
        UsageError: The name is unknown.
    """
    facts = _facts("bisenet", ("bisenet",), "facexlib")
    if vendor_facts(name).made_for == "drawing":
        return None, _DRAWINGS.format(name)
    if not facts.is_installed:
        return None, f"{facts.name} needs {install_command(facts.extra)}"
    if facts.missing_weights:
        return None, f"{facts.name} needs facekit weights fetch {' '.join(facts.missing_weights)}"
    return facts, ""


def encoder_id(vendor: "FaceVendor") -> str:
    """Name an encoder for good: ``name@`` and the first 12 hex digits of its weights' sha256."""
    return f"{vendor.name}@{vendor.digest[:12]}"


def vendor_facts(name: str) -> VendorFacts:
    """Say what a vendor needs and what its licence allows, without loading it.

    Of a vendor that was registered, and of a folder, nothing is known, so commercial use is not
    allowed.

    Raises:
        UsageError: The name is unknown.
    """
    check_vendor(name)
    if name in ("toon-a", "toon-b"):
        return VendorFacts(name=name, licence="Apache-2.0", commercial_use=True, made_for="drawing")
    if name == "opencv":
        return _facts(name, ("yunet", "sface"))
    if name == "facexlib":
        return _facts(name, ("retinaface_resnet50", "arcface_ir_se50"), "facexlib")
    pack = "buffalo_l" if name == "insightface" else _pack_of(name)
    if pack in _INSIGHTFACE_PACKS:
        return _facts(name, _INSIGHTFACE_PACKS[pack], "insightface")
    extra = "" if pack is None else "insightface"
    return VendorFacts(
        name=name, licence="not known", commercial_use=False, module=extra, extra=extra
    )


def _facts(name: str, weights: tuple[str, ...], extra: str = "") -> VendorFacts:
    entries = [catalogue_entry(entry) for entry in weights]
    return VendorFacts(
        name=name,
        licence="; ".join(dict.fromkeys(entry.licence for entry in entries)),
        commercial_use=all(entry.commercial_use for entry in entries),
        weights=weights,
        module=extra,
        extra=extra,
        made_for="photograph",
    )


def _pack_of(name: str) -> str | None:
    """What follows ``insightface:``."""
    return name.removeprefix(_PACK_PREFIX) if name.startswith(_PACK_PREFIX) else None

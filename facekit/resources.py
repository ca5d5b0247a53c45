"""Finds what ships beside the code: recipes, sample photos and the toon weights."""

from pathlib import Path

from facekit.errors import InstallationError

__all__ = [
    "BACKBONE_FOLDER",
    "BASE_ADAPTER_FILE",
    "datasets_dir",
    "recipes_dir",
    "share_dir",
    "toon_backbone_dir",
    "toon_dir",
]

BACKBONE_FOLDER = "backbone"
"""The diffusers pipeline among the toon weights."""

BASE_ADAPTER_FILE = "identity_adapter.safetensors"
"""In the folder of a backbone's weights, beside or inside its pipeline."""

_PACKAGE = Path(__file__).resolve().parent


def share_dir() -> Path:
    """Find the folder that holds ``recipes`` and ``datasets``.

    Returns:
        Inside the package for an installed wheel, the root of a checkout otherwise.

    Raises:
        InstallationError: Neither is there.
    """
    shipped = _PACKAGE / "_share"
    if shipped.is_dir():
        return shipped
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout
    raise InstallationError(
        f"recipes and sample photos: neither {shipped} nor a checkout at {checkout} is there;"
        " reinstall facekit"
    )


def recipes_dir() -> Path:
    """The folder of the shipped recipes, ``<backbone>/<verb>[_<method>].toml``."""
    return share_dir() / "recipes"


def datasets_dir() -> Path:
    """The folder of the sample photos and the dataset cards."""
    return share_dir() / "datasets"


def toon_dir() -> Path:
    """The folder of the embedded toon weights."""
    return _PACKAGE / "toon" / "weights"


def toon_backbone_dir() -> Path:
    """The folder that stock ``WanPipeline.from_pretrained`` loads."""
    return toon_dir() / BACKBONE_FOLDER

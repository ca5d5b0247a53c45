"""One face that stays the same person over many generated video shots."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Attachment": "facekit.workflows.api",
    "Character": "facekit.workflows.api",
    "Clip": "facekit.types",
    "FacekitError": "facekit.errors",
    "Recipe": "facekit.recipe",
    "attach": "facekit.workflows.api",
    "load_character": "facekit.workflows.api",
    "load_recipe": "facekit.recipe",
    "read_clip": "facekit.media.video",
    "read_image": "facekit.media.images",
    "toon_backbone_dir": "facekit.resources",
    "write_clip": "facekit.media.video",
    "write_image": "facekit.media.images",
}

__all__ = [  # each name is imported on first use, so that import facekit is free
    "Attachment",
    "Character",
    "Clip",
    "FacekitError",
    "Recipe",
    "attach",
    "load_character",
    "load_recipe",
    "read_clip",
    "read_image",
    "toon_backbone_dir",
    "write_clip",
    "write_image",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'facekit' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

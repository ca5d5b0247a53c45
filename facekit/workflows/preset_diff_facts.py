"""What a preset says of itself, as flat values to compare with another one's."""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from facekit.errors import BundleDamaged, KeyRefused
from facekit.presets.bundle import Bundle
from facekit.signing.home import key_home
from facekit.signing.sealing import count_recipients, is_sealed_for
from facekit.wording import counted
from facekit.workflows.preset_files import SEALED_TEMPLATES, open_templates
from facekit.workflows.trust import trusted_keys

__all__ = ["parts_facts", "recipe_facts", "rights_facts"]

_RECIPE: Final = "weights/recipe.toml"


def rights_facts(bundle: Bundle) -> dict[str, object]:
    """What may be done with it, whose face it is, and who can read what tells the person."""
    told = bundle.manifest
    return {
        **_flat({"rights": told.rights, "subject": told.subject}),
        "templates": _templates(bundle),
    }


def _templates(bundle: Bundle) -> str:
    """Who can read what tells the person."""
    paths = {file.path for file in bundle.manifest.files if file.role == "templates"}
    if not paths:
        return "none"
    if SEALED_TEMPLATES not in paths:
        return "in the clear, for everybody who has the preset"
    content = bundle.read(SEALED_TEMPLATES)
    known = [key.name or key.keyid[:12] for key in trusted_keys() if is_sealed_for(content, key)]
    others = count_recipients(content) - len(known)
    names = [*known, *([counted(others, "unknown key")] if others > 0 else [])]
    return f"sealed for {', '.join(names)}"


def parts_facts(bundle: Bundle) -> dict[str, object]:
    """What it was made for and of, and what its templates hold."""
    told = bundle.manifest
    parts = _flat({"base": told.base, "encoder": told.encoder, "adapter": told.adapter})
    return {**parts, "templates hold": _held(bundle)}


def _held(bundle: Bundle) -> str | None:
    """What its templates hold, where this user can see it."""
    if not any(file.role == "templates" for file in bundle.manifest.files):
        return None
    try:
        opened = open_templates(bundle, key_home())
    except KeyRefused:
        opened = None
    return "cannot be seen here" if opened is None else opened.describe()


def _flat(models: Mapping[str, Any]) -> dict[str, object]:
    return {
        f"{name}.{key}": value
        for name, model in models.items()
        if model is not None
        for key, value in model.model_dump(mode="json").items()
    }


def recipe_facts(bundle: Bundle) -> dict[str, object]:
    """How it is shot, and on what it was trained.

    Raises:
        BundleDamaged: Its recipe is none.
    """
    try:
        told = tomllib.loads(bundle.read(_RECIPE).decode())
    except ValueError as error:
        raise BundleDamaged(
            f"{bundle.source}: {_RECIPE} cannot be read ({error}), expected a recipe; pack it again"
        ) from error
    found: dict[str, object] = {}
    for name, section in told.items():
        if isinstance(section, dict):
            found |= {f"{name}.{key}": value for key, value in section.items()}
        else:
            found[name] = section
    training = bundle.manifest.training
    return {**found, "trained: photos": training.photos, "trained: seed": training.seed}

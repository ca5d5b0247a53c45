"""What is said of a file that is made: who is in it, of which preset, under what consent."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import facekit
from facekit.errors import IntegrityError, PresetError
from facekit.presets.manifest import ADAPTER, preset_digest, read_manifest
from facekit.presets.names import MANIFEST
from facekit.provenance.facts import Facts, Shown, new_render_id
from facekit.weights import known_digest
from facekit.workflows.credentials import why_unsigned
from facekit.workflows.preset_files import enclosing_bundle

__all__ = ["facts_of"]


def facts_of(record: Mapping[str, Any]) -> Facts | None:
    """What is said of the files of a take, from its record; None where nothing is to be said.

    Args:
        record: As it lies beside a take; `origin` in it is taken as it is, so that what is made
            of a take bears its render id.
    """
    if why_unsigned():
        return None
    if isinstance(origin := record.get("origin"), Mapping):
        return Facts.from_json(origin)
    cast = record.get("cast") or [
        {**record, "name": record.get("character"), "file": record.get("character_file")}
    ]
    return Facts(
        render_id=new_render_id(),
        version=facekit.__version__,
        shown=tuple(_shown(one) for one in cast if one.get("name") or one.get("id")),
        backbone=str(record.get("backbone") or ""),
        fingerprint=str(record.get("fingerprint") or ""),
        made="drawn" if "drawn" in record else "trained",
    )


def _shown(told: Mapping[str, Any]) -> Shown:
    """A character of a record, as far as its file is still there."""
    name, file = str(told.get("name") or told["id"]), Path(str(told.get("file") or ""))
    named = {key: str(told.get(key) or "") for key in ("preset", "preset_digest", "consent")}
    if not file.is_file():
        return Shown(name=name, **named)
    digest = known_digest(file)
    recipe, consent = _header_facts(file, digest)
    label, of_preset, packed = _preset_facts(file, digest)
    return Shown(
        name=name,
        character=digest,
        recipe=recipe,
        preset=named["preset"] or label,
        preset_digest=named["preset_digest"] or of_preset,
        consent=named["consent"] or consent or packed,
    )


@functools.lru_cache(maxsize=64)
def _header_facts(file: Path, _digest: str) -> tuple[str, str]:
    """What a character file says: digests of the recipe and the consent that trained it."""
    try:
        with safe_open(str(file), framework="numpy") as opened:
            header = json.loads((opened.metadata() or {}).get("character", "{}"))
        recipe = str(header.get("training", {}).get("recipe_digest") or "")
        return recipe, str((header.get("subject") or {}).get("consent") or "")
    except (SafetensorError, ValueError, AttributeError):
        return "", ""  # a plain LoRA


def _preset_facts(file: Path, digest: str) -> tuple[str, str, str]:
    """Label, digest and consent of the preset that a file is a part of; empty where of none.

    A manifest near by does not make it one: that must list a file of this content in this place.
    """
    folder = enclosing_bundle(file)
    if folder is None:
        return "", "", ""
    content = (folder / MANIFEST).read_bytes()
    try:
        told = read_manifest(content, str(folder / MANIFEST))
    except (IntegrityError, PresetError):
        return "", "", ""
    if not any((one.path, one.sha256) == (ADAPTER, digest) for one in told.files):
        return "", "", ""
    return told.label, preset_digest(content), told.subject.consent_digest or ""

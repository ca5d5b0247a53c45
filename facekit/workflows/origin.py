"""What is said of a file that is made: who is in it, of which preset, under what consent."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import facekit
from facekit.presets.manifest import preset_digest, read_manifest
from facekit.presets.names import MANIFEST
from facekit.provenance.facts import Facts, Shown, new_render_id
from facekit.weights import known_digest
from facekit.workflows.credentials import why_unsigned

__all__ = ["facts_of", "facts_of_takes"]


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


def facts_of_takes(records: Sequence[Mapping[str, Any]]) -> Facts | None:
    """What is said of one picture of several takes, such as a contact sheet.

    It has a render id of its own; the takes are its ingredients.

    Args:
        records: As they lie beside the takes.
    """
    found = [facts for record in records if (facts := facts_of(record)) is not None]
    if not found:
        return None
    return Facts(
        render_id=new_render_id(),
        version=facekit.__version__,
        shown=tuple(dict.fromkeys(one for facts in found for one in facts.shown)),
        backbone=", ".join(dict.fromkeys(facts.backbone for facts in found if facts.backbone)),
        made="trained" if any(facts.made == "trained" for facts in found) else "drawn",
    )


def _shown(told: Mapping[str, Any]) -> Shown:
    """A character of a record, as far as its file is still there."""
    name, file = str(told.get("name") or told["id"]), Path(str(told.get("file") or ""))
    named = {key: str(told.get(key) or "") for key in ("preset", "preset_digest", "consent")}
    if not file.is_file():
        return Shown(name=name, **named)
    digest = known_digest(file)
    recipe, consent = _header_facts(file, digest)
    label, of_preset, packed = _preset_facts(file)
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


def _preset_facts(file: Path) -> tuple[str, str, str]:
    """Label, digest and consent of the preset that a file lies in; empty where it is in none."""
    manifest = file.parent.parent / MANIFEST
    if not manifest.is_file():
        return "", "", ""
    content = manifest.read_bytes()
    told = read_manifest(content, str(manifest))
    return told.label, preset_digest(content), told.subject.consent_digest or ""

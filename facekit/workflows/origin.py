"""Who is in a file: what is said of one that is made, and what one that lies there says."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import facekit
from facekit.errors import IntegrityError, PresetError
from facekit.presets.manifest import ADAPTER, preset_digest, read_manifest
from facekit.presets.names import MANIFEST
from facekit.provenance.credentials import read_credentials
from facekit.provenance.facts import Facts, Shown, new_render_id
from facekit.weights import known_digest
from facekit.workflows.credentials import why_unsigned
from facekit.workflows.preset_files import enclosing_bundle

__all__ = ["INPUTS", "Person", "facts_of", "facts_of_takes", "people_in", "people_of"]

INPUTS = ("starts_from", "goes_on_from")
"""What the record of a take calls the files that it goes on from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A character that is in a file."""

    shown: Shown
    file: Path | None
    """Of the character; None where it is not there any more."""


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
    return Facts(
        render_id=new_render_id(),
        version=facekit.__version__,
        shown=tuple(one.shown for one in people_of(record)),
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


def people_in(path: Path) -> tuple[Person, ...]:
    """Who is in a clip or a picture: by the record beside it, else by its credentials.

    Args:
        path: The file; of one that neither says anything about, nobody is known.

    Raises:
        SignatureRefused: Its credentials hold facts that are none.
    """
    return _people_in(path, frozenset())


def people_of(record: Mapping[str, Any]) -> tuple[Person, ...]:
    """Who is in a take, by its record: its cast, and whoever is in what it goes on from.

    Raises:
        SignatureRefused: As `people_in`.
    """
    return _people_of(record, frozenset())


def _people_of(record: Mapping[str, Any], above: frozenset[Path]) -> tuple[Person, ...]:
    own = [_person(one) for one in _cast(record)]
    begun = [
        person
        for key in INPUTS
        if isinstance(said := record.get(key), str) and Path(said).is_file()
        for person in _people_in(Path(said), above)
    ]
    return tuple({(x.shown.name, x.shown.character): x for x in [*begun, *own]}.values())


def _people_in(path: Path, above: frozenset[Path]) -> tuple[Person, ...]:
    if path.absolute() in above:  # records that name one another
        return ()
    beside = path.with_suffix(".json")
    try:
        record = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if isinstance(record, Mapping) and isinstance(record.get("shot"), Mapping):
        return _people_of(record, above | {path.absolute()})
    facts = read_credentials(path).facts
    return () if facts is None else tuple(Person(shown=one, file=None) for one in facts.shown)


def _cast(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The characters of a record that are drawn with any strength."""
    cast = record.get("cast") or [
        {**record, "name": record.get("character"), "file": record.get("character_file")}
    ]
    for one in cast:
        told = one.get("strength", record.get("strength", 1.0))
        keys = told if isinstance(told, list | tuple) else (told,)  # also pairs: frame, strength
        is_drawn = any(key[-1] if isinstance(key, list | tuple) else key for key in keys)
        if is_drawn and (one.get("name") or one.get("id")):
            yield one


def _person(told: Mapping[str, Any]) -> Person:
    """A character of a record, as far as its file is still there."""
    name, file = str(told.get("name") or told["id"]), Path(str(told.get("file") or ""))
    named = {key: str(told.get(key) or "") for key in ("preset", "preset_digest", "consent")}
    if not file.is_file():
        return Person(shown=Shown(name=name, **named), file=None)
    digest = known_digest(file)
    recipe, consent = _header_facts(file, digest)
    label, of_preset, packed = _preset_facts(file, digest)
    shown = Shown(
        name=name,
        character=digest,
        recipe=recipe,
        preset=named["preset"] or label,
        preset_digest=named["preset_digest"] or of_preset,
        consent=named["consent"] or consent or packed,
    )
    return Person(shown=shown, file=file)


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

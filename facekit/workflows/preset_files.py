"""A preset where a character is expected: verified, signed by somebody trusted, then used."""

import dataclasses
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from facekit.adapters.character import Character, load_character
from facekit.adapters.templates import Templates
from facekit.errors import ConsentRefused, KeyRefused, PresetRevoked, SignatureRefused
from facekit.media.cache import cache_dir
from facekit.presets.bundle import Bundle, is_bundle, open_bundle
from facekit.presets.manifest import ADAPTER
from facekit.presets.names import FOLDER_SUFFIX, MANIFEST
from facekit.presets.packing import copy_bundle
from facekit.signing.home import KeyHome, key_home
from facekit.signing.sealing import is_sealed_for, open_sealed
from facekit.terms import is_person
from facekit.workflows.fetching import fetched_alone, open_kept
from facekit.workflows.preset_memory import ever_revoked
from facekit.workflows.trust import is_locked_unsigned, trusted_keys

__all__ = [
    "SEALED_TEMPLATES",
    "TEMPLATES",
    "TRAINING",
    "enclosing_bundle",
    "load_any",
    "open_preset",
    "open_templates",
    "preset_adapter",
]

TEMPLATES: Final = "identity/templates.safetensors"
SEALED_TEMPLATES: Final = f"{TEMPLATES}.age"
TRAINING: Final = "provenance/training.json"

_WAIT_S: Final = 300.0
"""For another process that unpacks the same archive."""


def open_preset(path: Path | str, *, revoked: bool = False) -> Bundle:
    """Open a preset whose every byte is as packed, by somebody whose key is trusted.

    The keys of the show's people count beside those of this user. Where the show asks for no
    signature, one that its lock names by digest needs none. One that this machine has seen
    revoked is refused, whatever path leads to it.

    Args:
        path: Its folder or its archive.
        revoked: Open one that was revoked as well, to be looked at.

    Raises:
        BundleDamaged: A file is missing, added or changed.
        PresetRevoked: It was withdrawn.
        SignatureRefused: Nobody trusted has signed it.
        PresetError: A later version of facekit wrote it.
    """
    bundle = open_bundle(path)
    try:
        bundle.packed_by(trusted_keys())
    except SignatureRefused:
        if not is_locked_unsigned(bundle.digest):
            raise
    if not revoked and ever_revoked(bundle.digest):
        raise PresetRevoked(
            f"{path}: {bundle.manifest.label} ({bundle.digest[:12]}) was revoked, as this machine"
            " has seen, expected one that may be used; use another version"
        )
    return bundle


def preset_adapter(path: Path | str, *, revoked: bool = False) -> Path:
    """Verify a preset and give the character file in it, out of an archive by way of the cache.

    Args:
        path: Its folder or its archive.
        revoked: As for `open_preset`.

    Raises:
        BundleDamaged: As for `open_preset`, like the others.
        PresetRevoked: Likewise.
        SignatureRefused: Likewise.
        PresetError: Likewise.
        OutputError: The cache cannot be written.
    """
    return _adapter_of(open_preset(path, revoked=revoked))


def _adapter_of(bundle: Bundle) -> Path:
    if bundle.folder is not None:
        return bundle.folder / ADAPTER
    kept = cache_dir() / "presets" / f"{bundle.digest}{FOLDER_SUFFIX}"
    if open_kept(kept, bundle.digest) is None:
        with fetched_alone(bundle.digest, wait_s=_WAIT_S):
            if open_kept(kept, bundle.digest) is None:  # nobody else was faster
                copy_bundle(bundle, kept, archive=False)
    return kept / ADAPTER


def enclosing_bundle(file: Path) -> Path | None:
    """The preset folder that a character file lies in, also by way of links; None if in none."""
    for path in (file.absolute(), file.resolve()):
        folder = path.parent.parent
        if path == folder / ADAPTER and (folder / MANIFEST).exists():
            return folder
    return None


def open_templates(bundle: Bundle, home: KeyHome) -> Templates | None:
    """Read the templates of a preset; None where it has none, or none for this user.

    Args:
        bundle: The preset.
        home: Whose keys may open sealed ones.

    Raises:
        AdapterDamaged: They cannot be read.
        KeyRefused: They are sealed for a key of this user that cannot be opened, as without its
            passphrase.
    """
    paths = {file.path for file in bundle.manifest.files}
    if TEMPLATES in paths:
        name = f"{bundle.source}: {TEMPLATES}"
        return Templates.from_bytes(bundle.read(TEMPLATES), name)
    if SEALED_TEMPLATES not in paths:
        return None
    name = f"{bundle.source}: {SEALED_TEMPLATES}"
    content = bundle.read(SEALED_TEMPLATES)
    locked = None
    for own, public in zip(home.own_names(), home.own(), strict=True):
        has_private = (home.folder / own).is_file()  # that of a former key may be gone
        if not has_private or not is_sealed_for(content, public):
            continue
        try:
            opened = open_sealed(content, home.signing_key(own), name)
        except KeyRefused as error:
            locked = error
            continue
        return Templates.from_bytes(opened, name)
    if locked is not None:
        raise locked
    return None


def load_any(path: Path | str, *, revoked: bool = False, templates: bool = True) -> Character:
    """Load a character file, the one in a folder, or the one in a preset.

    A character of a preset gets the templates that the preset holds: those in the clear, and
    sealed ones where a key of the user opens them. They are never written to disk.

    Args:
        path: Any of these.
        revoked: Load one that was revoked as well, to be deleted with all that was made of it;
            templates that are sealed for a locked key stay closed then.
        templates: Whether those of a preset are opened.

    Raises:
        AdapterDamaged: Missing, truncated, altered or not a character file.
        AdapterError: Its tensors are not those its header describes, or have no effect.
        BundleDamaged: As for `open_preset`, like the others.
        PresetRevoked: Likewise.
        SignatureRefused: Likewise.
        PresetError: Likewise.
        ConsentRefused: It was to be kept until a day that is over. Of a person with a consent that
            is decided where the character is used, for a later consent may allow it.
        KeyRefused: Its templates are sealed for a key of the user that cannot be opened.
    """
    path = Path(path)
    inside = enclosing_bundle(path)
    if inside is not None:
        path = inside
    if not is_bundle(path):
        return load_character(path)
    bundle = open_preset(path, revoked=revoked)
    if not revoked:
        _refuse_kept_too_long(bundle)
    character = load_character(_adapter_of(bundle))
    try:
        opened = open_templates(bundle, key_home()) if templates else None
    except KeyRefused:
        if not revoked:
            raise
        opened = None  # what is deleted need not be opened
    if opened is None:
        return character
    joined = opened.join(character.file)
    return dataclasses.replace(character, file=joined, judging=opened.judging)


def _refuse_kept_too_long(bundle: Bundle) -> None:
    about = bundle.manifest.subject
    if is_person(about.type) and about.consent_digest is not None:
        return  # `permit_character` decides
    until = bundle.manifest.rights.retain_until
    today = datetime.now(UTC).date()
    if until is not None and today > date.fromisoformat(until):
        raise ConsentRefused(
            f"{bundle.source}: the character was to be kept until {until}, and today is {today},"
            " expected it deleted; facekit character delete --cascade does it",
            rule="retention",
        )

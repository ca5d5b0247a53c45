"""Photos of a character by what its preset knows of them where nobody has its templates."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from facekit.adapters.character import Character
from facekit.errors import BundleDamaged, UsageError
from facekit.media.unpack import scan_photos
from facekit.weights import file_digest
from facekit.workflows.preset_files import TRAINING, enclosing_bundle
from facekit.workflows.preset_texts import salted

__all__ = ["FoundPhotos", "photos_by_hash"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FoundPhotos:
    """The photos of a character that are at hand."""

    enrolled: tuple[Path, ...]
    """Those that trained."""
    held_out: tuple[Path, ...]
    """Those that judge; at least one."""
    has_new: bool
    """Whether some that judge were named, and training did not see them at all."""
    missing: tuple[str, ...] = ()
    """Names of those that the file knows and that are not at hand."""


def photos_by_hash(character: Character, given: Sequence[Path | str]) -> FoundPhotos | None:
    """Find the photos of a character of a preset by salted hashes, each in its role.

    What was cut, turned or taken out of a clip for training is not known again.

    Args:
        character: As `load_any` gave it.
        given: Files, folders, patterns and archives.

    Returns:
        None for a character that is not of a preset, and where no photo is one of its own.

    Raises:
        UsageError: All that are known have trained.
        MediaError: A path does not exist.
        BundleDamaged: The preset does not say what it was trained on.
    """
    inside = enclosing_bundle(Path(character.source))
    if inside is None:
        return None
    path = inside / TRAINING
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["photos"]
        salt, known = str(told["salt"]), frozenset(told["sha256_salted"])
        held_out = frozenset(told.get("held_out_sha256_salted", ()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleDamaged(
            f"{path}: cannot be read ({error!r}), expected what was trained on; pack it again"
        ) from error
    hashes = {photo: salted(salt, file_digest(photo)) for photo in scan_photos(given)}
    judging = tuple(photo for photo, own in hashes.items() if own in held_out)
    trained = tuple(photo for photo, own in hashes.items() if own in known - held_out)
    if not (judging or trained):
        return None
    if not judging:
        raise UsageError(
            f"{', '.join(map(str, given))}: {len(trained)} photos that trained {character.name} and"
            " none that training held out, expected one to judge by; name the folder that has them"
        )
    return FoundPhotos(enrolled=trained, held_out=judging, has_new=False)

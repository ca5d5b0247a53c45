"""Where evidence of consents lay when it was recorded: with this user, never beside the records.

Consents are handed to others and kept under version control, and paths tell names of people and
of machines.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from facekit.errors import OutputError
from facekit.media.files import write_text
from facekit.presets.seen import state_folder

__all__ = ["keep_places", "read_places"]


def keep_places(consent: str, places: Mapping[str, str]) -> None:
    """Note where evidence is; where it cannot be noted, the record holds without.

    Args:
        consent: sha256 of the record.
        places: sha256 of evidence -> path.
    """
    if places:
        try:
            write_text(_file(consent), json.dumps(dict(places), indent=1) + "\n")
        except OutputError:
            return  # a note for oneself, of what has been kept already


def read_places(consent: str) -> dict[str, str]:
    """Where the evidence was: sha256 -> path; empty on other machines."""
    try:
        told = json.loads(_file(consent).read_text(encoding="utf-8"))
        return {str(key): str(value) for key, value in told.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _file(consent: str) -> Path:
    return state_folder().with_name("evidence") / f"{consent}.json"

"""Where characters live: a name becomes the file of that character."""

from pathlib import Path

from facekit.errors import UsageError

__all__ = ["ADAPTER_FILE", "CHARACTERS_DIR", "find_character"]

CHARACTERS_DIR = Path("characters")
"""Folder of trained characters, one folder each, in the current directory."""

ADAPTER_FILE = "adapter.safetensors"


def find_character(name: str) -> Path:
    """Find the file of a character.

    Args:
        name: A character's name, its folder or its file.

    Raises:
        UsageError: None of these; the message lists the characters that are there.
    """
    given = Path(name)
    if given.is_file():
        return given
    places = (given / ADAPTER_FILE, CHARACTERS_DIR / name / ADAPTER_FILE)
    for place in places:
        if place.is_file():
            return place
    known = sorted(path.parent.name for path in CHARACTERS_DIR.glob(f"*/{ADAPTER_FILE}"))
    listed = f"one of {', '.join(known)}" if known else f"a file or a name in {CHARACTERS_DIR}/"
    raise UsageError(
        f"{name}: no such character, expected {listed};"
        f" train one with: facekit train PHOTOS --as {given.name or 'NAME'}"
    )

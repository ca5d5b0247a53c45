"""The characters of a folder: whose face each is, and by what right it may be used now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import AdapterError, ConsentRefused
from facekit.weights import file_digest
from facekit.workflows.characters import ADAPTER_FILE, CHARACTERS_DIR, find_character
from facekit.workflows.preset_files import load_any
from facekit.workflows.rights import permit_character
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = ["CharacterList", "CharacterRow", "list_characters", "show_character"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterRow:
    """One character."""

    name: str
    path: Path
    level: str
    backbone: str
    trigger: str
    subject: str
    """Its kind; `drawn` where backbone and encoder know drawings alone, `not told` otherwise."""
    subject_ref: str
    right: str
    """In words: by what it may be used, or why it may not."""
    num_photos: int
    digest: str

    def to_json(self) -> Mapping[str, object]:
        """As plain data."""
        return {
            "name": self.name,
            "path": str(self.path),
            "level": self.level,
            "backbone": self.backbone,
            "trigger": self.trigger,
            "subject": self.subject,
            "subject_ref": self.subject_ref or None,
            "right": self.right,
            "photos": self.num_photos,
            "sha256": self.digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterList:
    """Characters."""

    rows: Sequence[CharacterRow]
    folder: Path
    broken: Sequence[str] = ()
    in_full: bool = False

    def describe(self) -> str:
        """A line each; one alone in full."""
        if not self.rows and not self.broken:
            return f"{self.folder}: no characters; make one with facekit train PHOTOS --as NAME"
        if self.in_full:
            (row,) = self.rows
            return "\n".join(f"{key}: {value}" for key, value in row.to_json().items())
        lines = [f"{row.name}: {row.subject}, {row.backbone} {row.level}, {row.right}"
                 for row in self.rows]  # fmt: skip
        return "\n".join([*lines, *self.broken])

    def to_json(self) -> Mapping[str, object]:
        """As plain data."""
        return {
            "folder": str(self.folder),
            "characters": [row.to_json() for row in self.rows],
            "broken": list(self.broken),
        }


def list_characters(folder: Path | None = None) -> CharacterList:
    """List the characters of a folder; `characters` when None."""
    where = folder or CHARACTERS_DIR
    place = find_rights()
    rows, broken = [], []
    for path in sorted(where.glob(f"*/{ADAPTER_FILE}")):
        try:
            rows.append(_row(path, place))
        except AdapterError as error:
            broken.append(f"damaged: {error}")
    return CharacterList(rows=rows, folder=where, broken=broken)


def show_character(name: str) -> CharacterList:
    """Show one in full.

    Raises:
        UsageError: No such character.
        AdapterError: Its file is damaged.
    """
    path = find_character(name)
    return CharacterList(rows=[_row(path, find_rights())], folder=path.parent, in_full=True)


def _row(path: Path, place: RightsPlace) -> CharacterRow:
    header = load_any(path).file.header
    told = header.subject
    try:
        permit = permit_character(header.name, path, header, place.use("shoot"), place)
        right = permit.describe().partition(": ")[2] or permit.by
        kind = "drawn" if permit.by == "nobody depicted" else "not told"
    except ConsentRefused as error:
        right, kind = f"refused ({error.rule}): {error}", "not told"
    return CharacterRow(
        name=header.name,
        path=path,
        level=header.level,
        backbone=header.backbone,
        trigger=header.trigger,
        subject=told.type if told else kind,
        subject_ref=told.ref if told else "",
        right=right,
        num_photos=len(header.photos),
        digest=file_digest(path),
    )

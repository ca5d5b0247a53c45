"""A character and all that was made of it, found and removed, with a report of what is left."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facekit.adapters.character import Character
from facekit.errors import LedgerDamaged, OutputError
from facekit.media.cache import cache_dir
from facekit.media.files import ensure_out_dir, full_path, write_text
from facekit.signing.statements import now_text
from facekit.types import Progress
from facekit.weights import file_digest
from facekit.workflows.character_traces import (
    Trace,
    find_traces,
    noted_clips,
    own_traces,
    photo_files,
)
from facekit.workflows.characters import find_character
from facekit.workflows.credentials import output_record
from facekit.workflows.preset_files import SEALED_TEMPLATES, enclosing_bundle, load_any
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = ["DELETION_SCHEMA", "DeletePlan", "DeleteResult", "plan_delete", "run_delete"]

DELETION_SCHEMA: Final = "facekit.deletion/1"

_CACHES: Final = ("faces", "encodings", "frames", "turned", "archives", "captions", "files")
_BEYOND: Final = (
    "copies that were handed on: files sent to others, LoRAs converted for other tools, backups",
    "presets in registries: revoke them with facekit preset revoke",
    "clips that were delivered elsewhere; the ledger of use names those that facekit made",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePlan:
    """What will be removed."""

    character: Character
    digest: str
    """sha256 of its file."""
    place: RightsPlace
    traces: tuple[Trace, ...]
    """Removed, all of them; the character comes last, so that a kill leaves it to be found."""
    left: tuple[Trace, ...]
    """Found and kept."""
    notes: tuple[str, ...] = ()
    """What could not be looked at."""

    def describe(self) -> str:
        """Every folder and file, and what stays."""
        lines = [f"character: {self.character.name} ({self.character.source})"]
        lines += [f"remove: {one.describe()}" for one in self.traces]
        lines += [f"keep: {one.describe()}" for one in self.left]
        lines += [f"note: {text}" for text in self.notes]
        return "\n".join([*lines, *(f"out of reach: {text}" for text in _BEYOND)])

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "character": self.character.name,
            "character_sha256": self.digest,
            "remove": [one.to_json() for one in self.traces],
            "keep": [one.to_json() for one in self.left],
            "notes": list(self.notes),
            "out_of_reach": list(_BEYOND),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResult:
    """What was removed."""

    report: Path
    removed: int
    failed: Sequence[str]
    kept: int
    notes: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """1 where something could not be removed."""
        return 1 if self.failed else 0

    def describe(self) -> str:
        """How much, what could not be removed, and the report."""
        lines = [f"removed: {self.removed} files; kept: {self.kept} that were found"]
        lines += [f"not removed: {text}" for text in self.failed]
        lines += [f"note: {text}" for text in self.notes]
        return "\n".join([*lines, f"report: {self.report}"])

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "report": str(self.report),
            "removed": self.removed,
            "failed": list(self.failed),
            "kept": self.kept,
            "notes": list(self.notes),
        }


def plan_delete(
    name: str,
    *,
    cascade: bool = False,
    with_photos: bool = False,
    folders: Sequence[Path] = (),
) -> DeletePlan:
    """Find a character and what was made of it; nothing is removed.

    Args:
        name: The character's name, its folder or its file.
        cascade: Whether what was made of it goes too: takes, reports, datasets, presets, caches.
        with_photos: Whether the photos that it was trained on go too.
        folders: Where else takes, datasets and presets may lie, beside the working folder.

    Raises:
        UsageError: No such character.
        AdapterError: Its file is damaged.
    """
    path = find_character(name, revoked=True)
    character = load_any(path, revoked=True)
    place, digest = _place_of(path), file_digest(path)
    own = own_traces(name, full_path(path))
    clips, silent = noted_clips(place, digest)
    found = tuple(find_traces(character, digest, clips, (Path.cwd(), *folders)))
    caches = tuple(_caches())
    photos = tuple(photo_files(character))
    if not with_photos:
        originals = {full_path(one.path) for one in photos}
        own = tuple(one.without(originals) for one in own)
        found = tuple(one.without(originals) for one in found)
    removed = [*own, *((*found, *caches) if cascade else ()), *(photos if with_photos else ())]
    kept = [*(() if cascade else (*found, *caches)), *(() if with_photos else photos)]
    gone = tuple(_once(removed))
    return DeletePlan(
        character=character,
        digest=digest,
        place=place,
        traces=(*(one for one in gone if one not in own), *(one for one in own if one in gone)),
        left=(*(one for one in _once([*own, *kept]) if one not in own), *_outputs(digest)),
        notes=tuple(note for note in (silent, _closed(path, character)) if note),
    )


def run_delete(plan: DeletePlan, progress: Progress) -> DeleteResult:
    """Remove what was planned and write the report, which names every file.

    The report is written before anything goes and again at the end, so that a kill leaves one.

    Raises:
        OutputError: The report cannot be written.
    """
    header = plan.character.file.header
    folder = ensure_out_dir(plan.place.store.folder / "deletions")
    at = now_text()
    report = folder / f"{plan.character.name}-{at.replace(':', '')}.json"
    subject = header.subject
    entries = [entry for one in plan.traces for entry in one.entries()]
    content: dict[str, object] = {
        "schema": DELETION_SCHEMA,
        "at": at,
        "character": plan.character.name,
        "character_sha256": plan.digest,
        "subject_ref": subject.ref if subject else None,
        "consent": subject.consent if subject else None,
        "state": "begun",
        "planned": entries,
        "failed": [],
        "kept": [one.to_json() for one in plan.left],
        "notes": list(plan.notes),
        "out_of_reach": list(_BEYOND),
    }
    write_text(report, json.dumps(content, indent=1) + "\n")
    failed: list[str] = []
    progress.start(len(plan.traces), "removing")
    for one in plan.traces:
        failed += _remove(one)
        progress.advance(1, one.path.name)
    progress.finish()
    del content["planned"]
    removed = [entry for entry in entries if not os.path.lexists(str(entry["path"]))]
    content |= {"state": "done", "removed": removed, "failed": failed}
    write_text(report, json.dumps(content, indent=1) + "\n")
    told = {
        "character": plan.character.name,
        "character_sha256": plan.digest,
        "subject_ref": content["subject_ref"],
        "report": str(report),
        "report_sha256": file_digest(report),
    }
    notes = list(plan.notes)
    try:
        plan.place.ledger.append("delete", told)
    except (LedgerDamaged, OutputError) as error:
        notes.append(f"not in the ledger: {str(error).partition(';')[0]}")
    return DeleteResult(
        report=report,
        removed=len(removed),
        failed=failed,
        kept=sum(one.num_files for one in plan.left),
        notes=notes,
    )


def _place_of(path: Path) -> RightsPlace:
    """Where rights lie for a character: in its own show, or else in the one that is worked in."""
    own, here = find_rights(full_path(path).parent), find_rights()
    return here.around(path) if own.show_file is None else own.around(Path.cwd() / path.name)


def _closed(path: Path, character: Character) -> str:
    """Why the photos are not known; empty where they are, or where none are told."""
    preset = enclosing_bundle(path)
    is_sealed = preset is not None and (preset / SEALED_TEMPLATES).is_file()
    if not is_sealed or character.file.header.photos:
        return ""
    return "photos not known: the templates are sealed, and no key here opens them"


def _remove(trace: Trace) -> list[str]:
    """Remove the files that were planned, and the folders that are empty then."""
    failed = []
    for path in trace.files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            failed.append(f"{path}: {error.strerror or error}")
    if not trace.is_whole or trace.path.is_symlink() or not trace.path.is_dir():
        return failed
    for place, _, _ in os.walk(trace.path, topdown=False):
        with contextlib.suppress(OSError):
            Path(place).rmdir()
    if trace.path.is_dir() and not failed:
        failed.append(f"{trace.path}: not empty, for something has come into it meanwhile")
    return failed


def _outputs(digest: str) -> Iterator[Trace]:
    """What `verify` knows of files that were made: their digests, and coarsely how they look."""
    path = output_record().path
    if path.is_file() and digest in path.read_text(encoding="utf-8", errors="replace"):
        kind = "digests of what was made of it and coarse looks of its frames, for facekit verify"
        yield Trace(path=path, kind=kind, files=(path,))


def _caches() -> Iterator[Trace]:
    """What was measured of photos; it can be made again, and tells no characters apart."""
    for name in _CACHES:
        folder = cache_dir() / name
        if folder.is_dir():
            yield Trace.folder(folder, "cache of all characters, made again where needed")


def _once(traces: Iterable[Trace]) -> Iterator[Trace]:
    """Leave out what lies in a folder that goes as a whole."""
    seen: list[Path] = []
    for one in traces:
        path = one.path.absolute()
        if not any(path == other or other in path.parents for other in seen):
            yield one
            if one.is_whole or not path.is_dir():
                seen.append(path)

"""What was made of a character, found by what each thing says of itself."""

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from facekit.adapters.character import Character
from facekit.errors import LedgerDamaged, OutputError
from facekit.media.cache import cache_dir
from facekit.media.files import full_path
from facekit.presets.bundle import is_bundle
from facekit.presets.names import FOLDER_SUFFIX, MANIFEST
from facekit.show_file import find_show
from facekit.weights import file_digest
from facekit.workflows.board_export import SHOT_RECORD
from facekit.workflows.characters import ADAPTER_FILE, RESULT_FILE
from facekit.workflows.preset_files import enclosing_bundle
from facekit.workflows.rights_place import RightsPlace
from facekit.workflows.takes import REPORT_DIR

__all__ = ["Trace", "find_traces", "noted_clips", "own_traces", "photo_files"]

_DATASET: Final = "dataset.json"
_OF_TAKES: Final = (".json", ".mp4", ".png", ".identity.json", ".faces.json")
_RECORD_LIMIT: Final = 50_000_000
_SKIPPED: Final = ("node_modules", "__pycache__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A folder or some files that were made of a character."""

    path: Path
    """The folder, or the file that the others lie beside."""
    kind: str
    files: tuple[Path, ...]
    is_whole: bool = False
    """Whether it is a folder that goes as a whole."""

    @classmethod
    def folder(cls, path: Path, kind: str) -> "Trace":
        """A folder with all that is in it; links are not followed."""
        files = tuple(sorted(x for x in path.rglob("*") if x.is_symlink() or x.is_file()))
        return cls(path=path, kind=kind, files=files, is_whole=True)

    def without(self, paths: Collection[Path]) -> "Trace":
        """The same without some files, which keep the folder that they are in."""
        files = tuple(path for path in self.files if full_path(path) not in paths)
        return replace(self, files=files, is_whole=self.is_whole and len(files) == self.num_files)

    def ending_with(self, last: Path) -> "Trace":
        """The same with one of its files as the last."""
        there = full_path(last)
        return replace(self, files=tuple(sorted(self.files, key=lambda x: full_path(x) == there)))

    @property
    def num_files(self) -> int:
        """How many files."""
        return len(self.files)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.files if path.is_file())

    def describe(self) -> str:
        """In one line."""
        return f"{self.path} ({self.kind}; {self.num_files} files, {self.size / 1e6:.1f} MB)"

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        told = {"path": str(self.path), "kind": self.kind, "files": self.num_files}
        return {**told, "bytes": self.size}

    def entries(self) -> list[dict[str, object]]:
        """A row for each file, for the report."""
        return [
            {
                "path": str(path),
                "kind": self.kind,
                "bytes": path.stat().st_size if path.is_file() else 0,
                "sha256": file_digest(path) if path.is_file() else None,
            }
            for path in self.files
        ]


def own_traces(name: str, adapter: Path) -> tuple[Trace, ...]:
    """The folder of a trained character, or its file where it lies among other things.

    Of a character in a preset it is the preset, and the archive where one was named. What a later
    call needs to find the character comes last.

    Args:
        name: As it was given.
        adapter: The file that was found.
    """
    inside = enclosing_bundle(adapter)
    if inside is not None:
        preset = Trace.folder(inside, "the preset of the character").ending_with(adapter)
        if Path(name).is_file() and is_bundle(Path(name)):
            return preset, Trace(path=Path(name), kind="the character", files=(Path(name),))
        return (preset,)
    folder = adapter.parent
    if adapter.name == ADAPTER_FILE and (folder / RESULT_FILE).is_file():
        whole = Trace.folder(folder, "the character")
        return (whole.ending_with(folder / RESULT_FILE).ending_with(adapter),)
    return (Trace(path=adapter, kind="the character", files=(adapter,)),)


def photo_files(character: Character) -> Iterator[Trace]:
    """The photos that it was trained on, where they still are what they were."""
    folder = Path(character.source).parent
    try:
        told = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        above = Path(told["photos"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for record in character.file.header.photos:
        path = above / record.name
        if path.is_file():
            yield Trace(path=path, kind="a photo", files=(path,))


def noted_clips(place: RightsPlace, digest: str) -> tuple[list[Path], str]:
    """Clips that the ledgers name, where they still are what was delivered.

    Returns:
        Also why a ledger tells nothing; empty where all do.
    """
    clips, silent = [], ""
    for ledger in (place.ledger, *(one.ledger for one in place.others)):
        try:
            lines = ledger.lines()
        except (LedgerDamaged, OutputError) as error:
            silent = f"the ledger tells nothing: {str(error).partition(';')[0]}"
            continue
        for line in lines:
            people = line.content.get("people", ()) if line.kind == "use" else ()
            if any(one.get("character_sha256") == digest for one in people):
                path = Path(str(line.content.get("file")))
                if path.is_file() and file_digest(path) == line.content.get("sha256"):
                    clips.append(path)
    return clips, silent


def find_traces(
    character: Character, digest: str, clips: Sequence[Path], folders: Sequence[Path]
) -> Iterator[Trace]:
    """Find takes, renders, reports, datasets and presets.

    Args:
        character: Whose.
        digest: sha256 of its file.
        clips: What the ledgers name, wherever it is.
        folders: Looked through; hidden folders are passed over.
    """
    photos = {photo.sha256 for photo in character.file.header.photos}
    own = full_path(character.source)
    seen: set[Path] = set()
    for clip in clips:
        yield from _new(_take(clip.with_suffix(".json")), seen)
    for folder in folders:
        for path in _walk(full_path(folder)):
            if path.name == _DATASET:
                found = _dataset(path, photos)
            elif path.suffix == FOLDER_SUFFIX:
                found = _preset(path, character, digest)
            elif path.suffix == ".json" and _names(path, own, digest):
                found = _shot(path) if path.name == SHOT_RECORD else _take(path)
            else:
                continue
            yield from _new(found, seen)
    cached = cache_dir() / "presets"
    for path in sorted(cached.iterdir()) if cached.is_dir() else ():
        yield from _new(_preset(path, character, digest), seen)


def _new(found: Iterator[Trace], seen: set[Path]) -> Iterator[Trace]:
    for one in found:
        path = full_path(one.path)
        if path not in seen:
            seen.add(path)
            yield one


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
            continue
        if path.is_dir() and path.suffix != FOLDER_SUFFIX:
            yield from _walk(path)
        else:
            yield path


def _names(record: Path, own: Path, digest: str) -> bool:
    """Whether a record of a take or a shot names the character's file, by digest or by path."""
    told = _read(record)
    if "shot" not in told and "plan" not in told and "fingerprint" not in told:
        return False
    texts = set(_texts(told))
    return digest in texts or any(
        _leads_to(text, record) == own for text in texts if text.endswith(own.suffix)
    )


def _leads_to(said: str, record: Path) -> Path | None:
    """The file that a record means: the first that is there, seen from its folder upwards.

    A path may begin anywhere in the show that the record lies in, and never outside of it, for
    another show may have a character of the same name.
    """
    show = find_show(record.parent)
    for above in full_path(record).parents:
        place = full_path(above / said)
        if place.is_file():
            return place
        if show is not None and above == show.parent:
            break
    return None


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


def _take(record: Path) -> Iterator[Trace]:
    """The files that facekit writes for a take, and its report."""
    if record.parent.name.startswith("v") and (record.parent / SHOT_RECORD).is_file():
        yield from _shot(record.parent / SHOT_RECORD)
        return
    beside = [record.with_suffix(suffix) for suffix in _OF_TAKES]
    files = [path for path in beside if path.is_file()]
    units = record.with_suffix(".chunks")
    files += [path for path in units.rglob("*") if path.is_file()] if units.is_dir() else []
    if files:
        yield Trace(path=record, kind="a take", files=tuple(sorted(files)))
    report = record.parent / REPORT_DIR
    if report.is_dir():
        yield Trace.folder(report, "a report on takes")


def _shot(record: Path) -> Iterator[Trace]:
    yield Trace.folder(record.parent, "a rendered shot")


def _dataset(path: Path, photos: set[str]) -> Iterator[Trace]:
    """A dataset made of these photos; the photos themselves never lie in it."""
    told = _read(path)
    mine = {str(one.get("sha256")) for one in told.get("photos", ()) if isinstance(one, Mapping)}
    originals = full_path(path.parent / str(told.get("folder", "")))
    inside = originals == path.parent or path.parent in originals.parents
    if photos & mine and not inside:
        yield Trace.folder(path.parent, "a dataset of its photos")


def _preset(path: Path, character: Character, digest: str) -> Iterator[Trace]:
    """A preset of this character, or of the same person."""
    told = _manifest(path)
    subject = character.file.header.subject
    whose = told.get("subject")
    is_same = subject is not None and subject.ref != "" and isinstance(whose, Mapping)
    same_person = is_same and whose.get("ref") == subject.ref  # type: ignore[union-attr]
    if same_person or digest in set(_texts(told)):
        one = Trace(path=path, kind="a preset", files=(path,))
        yield Trace.folder(path, "a preset") if path.is_dir() else one


def _manifest(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return _read(path / MANIFEST)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as stream:
            told = json.loads(stream.read(_RECORD_LIMIT))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}
    return told if isinstance(told, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _RECORD_LIMIT:
            return {}
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}

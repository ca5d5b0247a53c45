"""Takes on disk: a clip as mp4, its first frame as png, and how it was made as json."""

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from facekit.errors import MediaError, OutputExists
from facekit.generation.shots import UNKNOWN_KIND, expected_attributes
from facekit.media.files import full_path, remove_file, write_text
from facekit.media.images import write_image
from facekit.media.kinds import VIDEO_SUFFIXES, is_video, read_head
from facekit.media.video import read_clip, write_clip
from facekit.types import Clip, Shot
from facekit.workflows.credentials import mark_clip, signed_output
from facekit.workflows.origin import INPUTS, facts_of

__all__ = [
    "BASE_DIR",
    "REPORT_DIR",
    "TRUTH_DIR",
    "FoundTakes",
    "StoredTake",
    "find_done",
    "is_done",
    "read_take",
    "scan_takes",
    "write_take",
]

BASE_DIR = "base"
"""Folder beside clips that holds the base model's clips of the same names and seeds."""

TRUTH_DIR = "truth"
"""Folder beside clips that holds drawn clips of the character itself."""

REPORT_DIR = "report"
"""Folder beside clips that holds their report."""

_SUFFIXES = (".mp4", ".png", ".json")
_NOT_TAKES = frozenset({BASE_DIR, TRUTH_DIR, REPORT_DIR})
"""Folders whose clips are compared with or made from the takes beside them."""
_NUMBER = re.compile(r"(\d+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FoundTakes:
    """Clips on disk, and what to call each."""

    root: Path
    """The folder that was given; the one that all share when several paths were."""
    clips: tuple[Path, ...]
    names: tuple[str, ...]
    """The way from the root, with `/` on every system and without the suffix; each but once
    unless two clips differ in their suffix alone."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredTake:
    """A take as it was read from disk."""

    path: Path
    shot: Shot
    clip: Clip
    record: Mapping[str, object]
    """What its json says; empty for a clip from elsewhere."""


def is_done(out_dir: Path, shot: Shot, fingerprint: str) -> bool:
    """Whether a take is there, whole and made in this very way.

    Args:
        out_dir: The folder of the takes.
        shot: Gives the name.
        fingerprint: sha256 (hex) of everything that decides the take, as it was written.
    """
    files = (out_dir / f"{shot.name}{suffix}" for suffix in _SUFFIXES)
    return all(file.is_file() for file in files) and _written(out_dir, shot) == fingerprint


def find_done(
    shots: Sequence[Shot], fingerprints: Sequence[str], out_dir: Path, *, force: bool
) -> tuple[bool, ...]:
    """Tell which takes are there already; one that a kill has left unfinished is not.

    Args:
        shots: The takes.
        fingerprints: One per take, as `is_done` takes them.
        out_dir: Their folder.
        force: Whether whatever is there may be replaced; then none counts as done.

    Raises:
        OutputExists: A file of that name is there that was made otherwise.
    """
    if force:
        return (False,) * len(shots)
    asked = tuple(zip(shots, fingerprints, strict=True))
    for shot, fingerprint in asked:
        there = [out_dir / f"{shot.name}{suffix}" for suffix in _SUFFIXES]
        there = [path for path in there if path.exists()]
        if there and _written(out_dir, shot) != fingerprint:
            raise OutputExists(
                f"{there[0]}: exists and is not what this command makes (another prompt, seed,"
                " setting, character or backbone, or no record of them), expected no take of this"
                " name or the very same; choose another --out or add --force to replace it"
            )
    return tuple(is_done(out_dir, shot, fingerprint) for shot, fingerprint in asked)


def _written(out_dir: Path, shot: Shot) -> str | None:
    """The fingerprint that lies beside a take; None where there is none."""
    try:
        record = json.loads((out_dir / f"{shot.name}.json").read_text(encoding="utf-8"))
        return str(record["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_take(out_dir: Path, shot: Shot, clip: Clip, record: Mapping[str, object]) -> Path:
    """Write the files of one take: json, mp4, png, so that a take with all three is whole.

    Clip and picture carry content credentials, whose bytes differ from one writing to the next;
    all the rest of the same clip is the same.

    What lay there goes first, so that a kill leaves no clip with the record of another one.

    Args:
        out_dir: Receives them.
        shot: Gives the name.
        clip: The frames.
        record: How it was made; `fingerprint` in it is what `is_done` asks for.

    Returns:
        The path of the clip.

    Raises:
        KeyRefused: The certificates that sign it will not do.
        OutputError: The folder cannot be written, or the disk is full.
    """
    path = out_dir / f"{shot.name}.mp4"
    picture = path.with_suffix(".png")
    for old in (path, picture):
        remove_file(old)
    facts = facts_of(record)
    clip = mark_clip(clip, facts)
    content = {"shot": dataclasses.asdict(shot), "fps": clip.fps, **record}
    if facts is not None:
        content["origin"] = facts.to_json()
    write_text(path.with_suffix(".json"), json.dumps(content, indent=1, allow_nan=False) + "\n")
    inputs = tuple(place for place in _inputs(record) if place.is_file())
    with signed_output(path, facts, frames=clip.frames, inputs=inputs) as place:
        write_clip(place, clip)
    with signed_output(picture, facts, frames=clip.frames[:1], inputs=inputs) as place:
        write_image(place, clip.frames[0])
    return path


def _inputs(record: Mapping[str, object]) -> Iterator[Path]:
    """The files that a take goes on from."""
    for key in INPUTS:
        if isinstance(said := record.get(key), str):
            yield Path(said)


def scan_takes(paths: Sequence[Path | str]) -> FoundTakes:
    """List the clips that files and folders name.

    A folder gives its clips and those of its subfolders in natural order, where 2 comes before
    10. Hidden files and folders are passed over, and so are subfolders called `base`, `truth` and
    `report`: what is in there is not a take. Name such a folder itself to have its clips.

    Raises:
        MediaError: A path does not exist, cannot be listed or is no video, or no clip is there at
            all.
    """
    found: list[Path] = []
    roots: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += _clips_in(path)
            roots.append(path)
        elif path.exists():
            _check_video(path)
            found.append(path)
            roots.append(path.parent)
        else:
            raise MediaError(f"{path}: no such file or folder; check the spelling of the path")
    if not found:
        listed = ", ".join(str(path) for path in paths) or "no path given"
        raise MediaError(f"{listed}: no clips found; make some with facekit shoot")
    clips: dict[Path, Path] = {}
    for clip in found:
        clips.setdefault(full_path(clip), clip)
    shared = Path(os.path.commonpath([full_path(root) for root in roots]))
    return FoundTakes(
        root=roots[0] if len(set(roots)) == 1 else shared,
        clips=tuple(clips.values()),
        names=tuple(place.relative_to(shared).with_suffix("").as_posix() for place in clips),
    )


def _check_video(path: Path) -> None:
    if path.suffix.lower() not in VIDEO_SUFFIXES and not is_video(read_head(path)):
        known = " ".join(sorted(VIDEO_SUFFIXES))
        raise MediaError(
            f"{path}: not a video, expected a file ending in {known}; name clips, or a folder that"
            " holds some"
        )


def _clips_in(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise MediaError(
            f"{error.filename}: cannot be listed ({error.strerror}); check the folder's permissions"
        ) from error

    found: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _is_passed_over(name)]
        inside = (Path(place, name) for name in files if not name.startswith("."))
        found += [path for path in inside if path.suffix.lower() in VIDEO_SUFFIXES]
    return sorted(found, key=_natural)


def _is_passed_over(folder: str) -> bool:
    return folder.startswith(".") or folder in _NOT_TAKES


def _natural(path: Path) -> list[list[tuple[int, int, str]]]:
    """Sort numbers by their value and everything else by its letters, folder by folder."""
    return [
        [
            (0, int(piece), piece) if piece.isdecimal() else (1, 0, piece)
            for piece in _NUMBER.split(part)
            if piece
        ]
        for part in (*path.parts[:-1], path.stem, path.suffix)
    ]


def read_take(path: Path) -> StoredTake:
    """Read a clip and, where it is there, how it was made.

    Raises:
        MediaError: The clip cannot be decoded, or its json is damaged.
    """
    clip = read_clip(path)
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return StoredTake(path=path, shot=_shot_of(path, clip), clip=clip, record={})
    try:
        record = json.loads(beside.read_text(encoding="utf-8"))
        shot = Shot(**record["shot"])
    except (ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f"{beside}: not the record of a take ({error}); remove it, or shoot the take again"
        ) from error
    return StoredTake(path=path, shot=shot, clip=clip, record=record)


def _shot_of(path: Path, clip: Clip) -> Shot:
    """Describe a clip from elsewhere; its name may tell the shot size."""
    _, height, width, _ = clip.frames.shape
    words = path.stem.replace("-", " ").replace("_", " ").replace("close up", "close-up")
    return Shot(
        name=path.stem,
        prompt="",
        seed=0,
        num_frames=clip.num_frames,
        height=height,
        width=width,
        kind=expected_attributes(words).get("shot_size", UNKNOWN_KIND),
    )

"""Takes on disk: a clip as mp4, its first frame as png, and how it was made as json."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.errors import MediaError
from facekit.generation.shots import UNKNOWN_KIND, expected_attributes
from facekit.media.files import VIDEO_SUFFIXES, ensure_new, write_text
from facekit.media.images import write_image
from facekit.media.video import read_clip, write_clip
from facekit.types import Clip, Shot

__all__ = ["StoredTake", "ensure_new_takes", "read_take", "scan_takes", "write_take"]

_SUFFIXES = (".mp4", ".png", ".json")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredTake:
    """A take as it was read from disk."""

    path: Path
    shot: Shot
    clip: Clip
    record: Mapping[str, object]
    """What its json says; empty for a clip from elsewhere."""


def ensure_new_takes(shots: Sequence[Shot], out_dir: Path, *, force: bool) -> None:
    """Make sure that no file of any shot is there already.

    Raises:
        OutputExists: One is, and it may not be replaced.
    """
    for shot in shots:
        for suffix in _SUFFIXES:
            ensure_new(out_dir / f"{shot.name}{suffix}", force)


def write_take(out_dir: Path, shot: Shot, clip: Clip, record: Mapping[str, object]) -> Path:
    """Write the files of one take; the json comes last, so that a take with json is whole.

    Returns:
        The path of the clip.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    path = out_dir / f"{shot.name}.mp4"
    write_clip(path, clip)
    write_image(path.with_suffix(".png"), clip.frames[0])
    content = {"shot": dataclasses.asdict(shot), "fps": clip.fps, **record}
    write_text(path.with_suffix(".json"), json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def scan_takes(paths: Sequence[Path | str]) -> list[Path]:
    """List the clips that files and folders name; a folder gives its own clips in order of name.

    Raises:
        MediaError: A path does not exist, or no clip is there at all.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = (child for child in path.iterdir() if child.suffix.lower() in VIDEO_SUFFIXES)
            found += sorted(child for child in inside if not child.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise MediaError(f"{path}: no such file or folder; check the spelling of the path")
    if not found:
        listed = ", ".join(str(path) for path in paths) or "no path given"
        raise MediaError(f"{listed}: no clips found; make some with facekit shoot")
    return list(dict.fromkeys(found))


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

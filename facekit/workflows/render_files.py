"""Where a render keeps what: versions of shots, their takes, what somebody asked for.

`<out>/<sequence>/<shot>/v001/takes/t01.mp4`, with `.json` (how it was made), `.png` (its first
frame) and `.identity.json` (who is in it) beside it.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from facekit.errors import RenderError
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import take_name, take_number
from facekit.media.files import atomic_write, full_path, write_text
from facekit.workflows.render_jobs import TAKES_DIR

__all__ = [
    "IDENTITY_SUFFIX",
    "Wishes",
    "link_takes",
    "next_version",
    "read_json",
    "read_wishes",
    "shot_of_take",
    "take_prints",
    "versions",
    "working_version",
    "write_json",
    "write_wishes",
]

IDENTITY_SUFFIX = ".identity.json"
_WISHES = "wishes.json"
_SUFFIXES = (".json", ".mp4", ".png", IDENTITY_SUFFIX, ".faces.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What people asked for beside the board."""

    takes: Mapping[str, int] = field(default_factory=dict)
    """Shot -> so many takes at least."""
    picks: Mapping[str, int] = field(default_factory=dict)
    """Shot -> the take to deliver."""
    photos: Mapping[str, str] = field(default_factory=dict)
    """Member of the cast -> folder that its photos are in now, in full."""

    def with_takes(self, takes: Mapping[str, int]) -> "Wishes":
        """These, and so many takes of some shots, of which no take is picked any longer."""
        picks = {name: number for name, number in self.picks.items() if name not in takes}
        return replace(self, takes={**self.takes, **takes}, picks=picks)

    def with_pick(self, name: str, number: int) -> "Wishes":
        """These, and a take of a shot to deliver."""
        return replace(self, picks={**self.picks, name: number})

    def with_photos(self, photos: Mapping[str, str]) -> "Wishes":
        """These, and folders of photos."""
        return replace(self, photos={**self.photos, **photos})


def read_wishes(out_dir: Path) -> Wishes:
    """Read them; none where nobody asked.

    Raises:
        RenderError: The file is damaged.
    """
    path = out_dir / _WISHES
    if not path.is_file():
        return Wishes()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Wishes(
            takes={name: int(count) for name, count in content["takes"].items()},
            picks={name: int(number) for name, number in content["picks"].items()},
            photos={name: str(place) for name, place in content.get("photos", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            f"{path}: damaged ({error!r}), expected what facekit render, retake and pick wrote;"
            " remove it, and ask again"
        ) from error


def write_wishes(out_dir: Path, wishes: Wishes) -> None:
    """Keep them.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_json(out_dir / _WISHES, asdict(wishes))


def versions(out_dir: Path, shot: ShotPlan) -> tuple[Path, ...]:
    """The folders of a shot's versions, oldest first."""
    found = (out_dir / shot.folder).glob("v[0-9]*")
    return tuple(sorted(found, key=lambda path: (len(path.name), path.name)))


def working_version(out_dir: Path, shot: ShotPlan, expected: Callable[[int], str]) -> Path:
    """The version that takes of a shot belong to: the newest of this plan, or else a new one.

    Args:
        out_dir: Of the board.
        shot: The shot.
        expected: Gives the fingerprint that a take of a number has by the plan.
    """
    there = versions(out_dir, shot)
    for version in reversed(there):
        made = take_prints(version)
        is_fresh = not made and version == there[-1] and not (version / "shot.json").exists()
        if is_fresh or (made and all(expected(key) == found for key, found in made.items())):
            return version
    return next_version(out_dir, shot)


def next_version(out_dir: Path, shot: ShotPlan) -> Path:
    """The folder of the version after the newest one."""
    there = versions(out_dir, shot)
    number = int(there[-1].name[1:]) + 1 if there else 1
    return out_dir / shot.folder / f"v{number:03d}"


def take_prints(version: Path) -> dict[int, str]:
    """The takes of a version that have a record, whole or not: number -> fingerprint."""
    found = {}
    for path in sorted((version / TAKES_DIR).glob("t*.json")):
        number = take_number(path.name.partition(".")[0])
        if number is not None and path.name == f"{take_name(number)}.json":
            found[number] = str((read_json(path) or {}).get("fingerprint", ""))
    return found


def shot_of_take(path: Path) -> str | None:
    """The name of the shot whose take of a render a file is; None for any other file."""
    takes, version, shot, *_ = (*(parent.name for parent in full_path(path).parents), "", "", "")
    if takes != TAKES_DIR or take_number(path.stem) is None:
        return None
    return shot if version.startswith("v") and version[1:].isdigit() else None


def link_takes(old: Path, new: Path) -> None:
    """Give a new version the takes of an older one; the same files where the disk can do that.

    Raises:
        OutputError: It cannot be written.
    """
    for number in take_prints(old):
        for suffix in _SUFFIXES:
            source = old / TAKES_DIR / f"{take_name(number)}{suffix}"
            target = new / TAKES_DIR / source.name
            if not source.is_file() or target.exists():
                continue
            with atomic_write(target) as temporary:
                try:
                    os.link(source, temporary)
                except OSError:
                    shutil.copy2(source, temporary)


def read_json(path: Path) -> dict[str, object] | None:
    """Read a record; None where there is none, or none that is whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a record whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")

"""Visible labels beside the invisible marks: a new file that says so to whoever watches it."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from facekit.errors import MediaError, SignatureRefused, UsageError
from facekit.media.files import ensure_new
from facekit.media.images import read_image, write_image
from facekit.media.label import LABELLED_VIDEOS, Label, check_label, label_image, label_video
from facekit.provenance.credentials import read_credentials
from facekit.provenance.facts import Facts
from facekit.provenance.signing import Edit
from facekit.show_file import find_show, read_show
from facekit.types import Progress
from facekit.weights import file_digest
from facekit.workflows.credentials import (
    anchors,
    beside_show,
    output_record,
    signed_output,
    trusted_roots,
)

__all__ = [
    "PROFILES",
    "LabelPlan",
    "LabelledFiles",
    "delivery_label",
    "plan_labels",
    "profile_label",
    "run_labels",
]

PROFILES: Final = ("eu", "cn", "custom")
"""By whose rules a label is written."""

_ADDED_TEXT: Final = "c2pa.addedText"
"""Visible text was put in. Source: C2PA 2.2, table of actions."""
_PICTURES: Final = frozenset({".jpeg", ".jpg", ".png", ".webp"})
_CN_SECONDS: Final = 2.0
"""At least. Source: GB 45438-2025, as reported."""
_CN_WORDS: Final = (("AI", "\u4eba\u5de5\u667a\u80fd"), ("\u751f\u6210", "\u5408\u6210"))
"""One of each belongs into the text. Source: likewise."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """Files that will be labelled."""

    files: Mapping[Path, Path]
    """Each with the new file that is made of it."""
    profile: str
    label: Label
    facts: Mapping[Path, Facts]
    """What is known of each; files from elsewhere are not in it."""

    def describe(self) -> str:
        """Write what and how long, and a line for each file."""
        long = "to the end" if self.label.seconds is None else f"for {self.label.seconds:g} s"
        lines = [f"label: {self.label.text!r} ({self.profile}), {long}"]
        for path, out in self.files.items():
            whence = "" if path in self.facts else ", which is not known to come from here"
            lines.append(f"{out}: of {path}{whence}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "profile": self.profile,
            "text": self.label.text,
            "seconds": self.label.seconds,
            "files": {str(path): str(out) for path, out in self.files.items()},
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFiles:
    """New files that bear a label."""

    files: tuple[Path, ...]

    def describe(self) -> str:
        """Write a line for each."""
        return "\n".join(f"labelled: {path}" for path in self.files)

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {"files": [str(path) for path in self.files]}


def profile_label(
    profile: str, *, text: str | None = None, seconds: float | None = None, font: Path | None = None
) -> Label:
    """Choose what is written for how long, by the rules of a profile.

    Args:
        profile: One of `PROFILES`.
        text: Instead of that of the profile; `custom` has none of its own.
        seconds: How long; `eu` and `custom` say to the end when None, `cn` two seconds.
        font: A font file that has the letters.

    Raises:
        UsageError: What the profile does not allow, or letters that the font has not.
    """
    if profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise UsageError(f"profile {profile!r}, expected one of {known}; correct it")
    if seconds is not None and seconds <= 0:
        raise UsageError(f"{seconds:g} seconds, expected more than 0; correct it")
    if profile == "eu" and seconds is not None:
        raise UsageError(
            f"profile eu with {seconds:g} seconds, expected a label to the end; leave the time away"
        )
    if profile == "cn":
        text = text or "AI\u751f\u6210"
        seconds = _CN_SECONDS if seconds is None else seconds
        if seconds < _CN_SECONDS:
            raise UsageError(
                f"profile cn with {seconds:g} seconds, expected {_CN_SECONDS:g} at least; correct"
                " it, or leave the time away"
            )
        for words in _CN_WORDS:
            if not any(word in text for word in words):
                raise UsageError(
                    f"profile cn with {text!r}, expected {' or '.join(words)} in it; correct the"
                    " text, or leave it away"
                )
    if profile == "custom" and text is None:
        raise UsageError("profile custom without a text, expected one; give it with --text")
    label = Label(text=text or "AI", seconds=seconds, font=font)
    check_label(label)
    return label


def delivery_label() -> Label | None:
    """The label that facekit.toml asks for in delivered movies; None where it asks for none.

    Raises:
        UsageError: What the profile does not allow, or letters that the font has not.
    """
    place = find_show()
    asked = read_show(place).provenance
    if asked.label is None:
        return None
    font = None if asked.label_font is None else beside_show(place, asked.label_font)
    return _profile_label(asked.label, asked.label_text, font)


@functools.lru_cache(maxsize=4)
def _profile_label(profile: str, text: str | None, font: Path | None) -> Label:
    return profile_label(profile, text=text, font=font)


def plan_labels(
    paths: Sequence[Path],
    profile: str,
    *,
    text: str | None = None,
    seconds: float | None = None,
    font: Path | None = None,
    out: Path | None = None,
    force: bool = False,
) -> LabelPlan:
    """Look at files and decide what becomes of them; nothing is written.

    Args:
        paths: Videos and pictures.
        profile: As for `profile_label`.
        text: Likewise.
        seconds: Likewise.
        font: Likewise.
        out: The new file, or the folder of several; `NAME_labelled` beside each when None.
        force: Whether what is there may be replaced.

    Raises:
        UsageError: What the profile does not allow, or one file for several.
        MediaError: A file is not there, or is none that can be labelled.
        SignatureRefused: The credentials of a file are not those of what it holds.
        OutputExists: A new file is there already, and `force` is false.
    """
    label = profile_label(profile, text=text, seconds=seconds, font=font)
    files: dict[Path, Path] = {}
    for path in dict.fromkeys(paths):
        suffix = path.suffix.lower()
        if suffix not in _PICTURES | LABELLED_VIDEOS:
            known = " ".join(sorted(_PICTURES | LABELLED_VIDEOS))
            raise MediaError(f"{path}: cannot be labelled, expected one of {known}; convert it")
        if not path.is_file():
            raise MediaError(f"{path}: no such file; check the spelling of the path")
        files[path] = ensure_new(_place(path, out, len(paths)), force)
        if files[path].suffix.lower() != suffix:
            raise UsageError(f"{files[path]}: expected the suffix {suffix} of {path}; correct it")
    taken = {place.resolve() for place in files.values()}
    if len(taken) < len(files) or taken & {path.resolve() for path in files}:
        raise UsageError(
            f"{', '.join(map(str, files.values()))}: expected a new file for each, and none that"
            " is labelled itself; choose another --out"
        )
    found = {path: _facts(path) for path in files}
    return LabelPlan(
        files=files,
        profile=profile,
        label=label,
        facts={path: facts for path, facts in found.items() if facts is not None},
    )


def run_labels(plan: LabelPlan, progress: Progress) -> LabelledFiles:
    """Write the labelled files; those that they are made of stay as they are.

    Raises:
        MediaError: A file cannot be decoded.
        UsageError: A picture is too small for the text.
        KeyRefused: The certificates will not do.
        OutputError: It cannot be written.
    """
    told = f"visible label {plan.label.text!r} ({plan.profile})"
    for path, out in plan.files.items():
        edit = Edit(original=path, action=_ADDED_TEXT, description=told)
        with signed_output(out, plan.facts.get(path), edit=edit) as place:
            if path.suffix.lower() in LABELLED_VIDEOS:
                label_video(path, place, plan.label, progress)
            else:
                write_image(place, label_image(read_image(path), plan.label))
    return LabelledFiles(files=tuple(plan.files.values()))


def _place(path: Path, out: Path | None, count: int) -> Path:
    if out is None:
        return path.with_name(f"{path.stem}_labelled{path.suffix}")
    return out / path.name if count > 1 or out.is_dir() else out


def _facts(path: Path) -> Facts | None:
    """What is surely known of a file: by a trusted signature, or by its bytes."""
    found = read_credentials(path, trusted_roots(), anchors=anchors())
    if found.state == "invalid":
        raise SignatureRefused(
            f"{path}: its credentials are not those of what it holds, expected a file as it was"
            " signed; get it again from where it came"
        )
    if found.state == "trusted" and found.facts is not None:
        return found.facts
    digest = file_digest(path)
    return next((one.facts for one in output_record().all() if one.sha256 == digest), None)

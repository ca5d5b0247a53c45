"""Credentials of single files: what they say word by word, and signing takes afterwards."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facekit.errors import MediaError, UsageError
from facekit.media.video import read_clip
from facekit.provenance.credentials import read_credentials, read_manifest
from facekit.workflows.credentials import sign_output, why_unsigned
from facekit.workflows.origin import facts_of

__all__ = ["ShownManifest", "SignedFiles", "show_manifest", "sign_takes"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownManifest:
    """All that the credentials of a file say."""

    path: Path
    content: Mapping[str, Any]

    def describe(self) -> str:
        """Write it as JSON."""
        return json.dumps(self.content, indent=1)

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {"path": str(self.path), "manifest": self.content}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignedFiles:
    """Files that have credentials now."""

    signed: tuple[Path, ...]
    passed_over: tuple[Path, ...]
    """Those that had some already."""

    def describe(self) -> str:
        """Write a line for each."""
        lines = [f"signed: {path}" for path in self.signed]
        return "\n".join([*lines, *(f"has credentials: {path}" for path in self.passed_over)])

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "signed": [str(path) for path in self.signed],
            "passed_over": [str(path) for path in self.passed_over],
        }


def show_manifest(path: Path) -> ShownManifest:
    """Read all that the credentials of a file say, whatever they are worth.

    Raises:
        MediaError: No such file, or it has none.
    """
    content = read_manifest(path)
    if content is None:
        raise MediaError(
            f"{path}: no credentials in it or beside it, expected some; ask facekit verify what is"
            " known without"
        )
    return ShownManifest(path=path, content=content)


def sign_takes(paths: Sequence[Path], *, timestamp: str | None = None) -> SignedFiles:
    """Give takes their credentials that were made without, by the records that lie beside them.

    Of anything else nobody here knows where it comes from, so it is not signed.

    Args:
        paths: Clips or pictures of takes.
        timestamp: URL of a time stamp authority, instead of the one of facekit.toml.

    Raises:
        UsageError: A file has no record, or credentials are switched off.
        MediaError: A file cannot be read.
        KeyRefused: The certificates will not do.
    """
    if why := why_unsigned():
        raise UsageError(
            f"credentials are switched off ({why}), expected them to be wanted; take that back"
        )
    signed, passed = [], []
    for path in paths:
        if read_credentials(path).state != "none":
            passed.append(path)
            continue
        try:
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            facts = facts_of({**record, "fingerprint": record["fingerprint"]})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}: no record of a take beside it ({type(error).__name__}), expected"
                f" {path.stem}.json as facekit shoot writes it; sign only what facekit made"
            ) from error
        is_clip = path.suffix.lower() == ".mp4"
        frames = read_clip(path).frames if is_clip else None
        sign_output(path, facts, frames=frames, timestamp=timestamp)
        signed.append(path)
    return SignedFiles(signed=tuple(signed), passed_over=tuple(passed))

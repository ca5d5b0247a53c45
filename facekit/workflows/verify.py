"""What a file says of itself, what is known of it here, and what nobody can know."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from facekit.errors import FacekitError, MediaError
from facekit.media.frames import frame_times, read_frames
from facekit.media.images import read_image
from facekit.media.kinds import VIDEO_SUFFIXES
from facekit.presets.bundle import is_bundle
from facekit.presets.names import FOLDER_SUFFIX
from facekit.provenance.credentials import EMBEDDED, SIDECAR, Credentials, read_credentials
from facekit.provenance.soft import LIKELY_BITS, Output, content_distance, frame_hashes
from facekit.provenance.watermark import Mark, Watermark, pick_mark
from facekit.rights.ledger import LedgerLine
from facekit.types import Image
from facekit.weights import file_digest
from facekit.workflows.credentials import anchors, output_record, trusted_roots, watermark
from facekit.workflows.verify_known import facts_of_line, find_line, judge_preset, use_lines
from facekit.workflows.verify_media import tell_kind
from facekit.workflows.verify_result import FileVerdict, How, VerifyResult

__all__ = ["verify_files"]

_SUFFIXES: Final = frozenset({*EMBEDDED, *VIDEO_SUFFIXES, ".exr", FOLDER_SUFFIX})
_LOOKED_AT: Final = 8


def verify_files(paths: Sequence[Path]) -> VerifyResult:
    """Tell of every file what it says of itself, what is known of it here, and what is not.

    Args:
        paths: Videos, pictures and presets, and folders of them.

    Raises:
        MediaError: A path does not exist, or nothing to look at is there.
        UsageError: facekit.toml is wrong.
        WeightsError: The watermark's model cannot be used.
    """
    roots, further, model = trusted_roots(), anchors(), watermark()
    known, found = tuple(output_record().all()), _listed(paths)
    lines, fault = use_lines()
    return VerifyResult(
        files=tuple(
            tell_kind(
                _noted(
                    _verdict(path, read_credentials(path, roots, anchors=further), known, model),
                    lines,
                ),
                is_named=path in paths,
            )
            for path in found
            if not is_bundle(path)
        ),
        presets=tuple(judge_preset(path) for path in found if is_bundle(path)),
        ledger_fault=fault,
    )


def _noted(verdict: FileVerdict, lines: Sequence[LedgerLine]) -> FileVerdict:
    """Add the line of the ledger that tells of a file, and what only the ledger knows of it."""
    digest = file_digest(verdict.path)
    facts = verdict.facts
    line = find_line(lines, digest, "" if facts is None else facts.render_id)
    is_other = line is not None and line.content.get("sha256") != digest
    if is_other and verdict.how == "credentials" and verdict.credentials.state != "trusted":
        # Anybody can write the number of a render into credentials of their own.
        told = "whether it is the render that it names: the ledger notes other bytes for it"
        return dataclasses.replace(verdict, sha256=digest, unknown=(*verdict.unknown, told))
    verdict = dataclasses.replace(verdict, sha256=digest, line=line)
    if line is None or verdict.how != "nothing" or line.content.get("sha256") != digest:
        return verdict
    return dataclasses.replace(
        verdict, how="ledger", is_sure=not verdict.tampered, facts=facts_of_line(line), unknown=()
    )


def _listed(paths: Sequence[Path]) -> tuple[Path, ...]:
    found: list[Path] = []
    for path in paths:
        if path.exists() and is_bundle(path):
            found.append(path)
        elif path.is_dir():
            for place, folders, names in os.walk(path):
                named = [Path(place, name) for name in folders if not name.startswith(".")]
                found += sorted(one for one in named if is_bundle(one))
                folders[:] = sorted(one.name for one in named if not is_bundle(one))
                inside = (Path(place, name) for name in sorted(names) if not name.startswith("."))
                found += [file for file in inside if file.suffix.lower() in _SUFFIXES]
        elif path.suffix.lower() == SIDECAR:
            raise MediaError(
                f"{path}: the credentials of another file, expected that file; name it, they are"
                " found beside it"
            )
        elif path.is_file():
            found.append(path)
        else:
            raise MediaError(f"{path}: no such file or folder; check the spelling of the path")
    if not found:
        listed = ", ".join(map(str, paths))
        raise MediaError(
            f"{listed}: no video, picture or preset in it; name files or another folder"
        )
    return tuple(dict.fromkeys(found))


def _verdict(
    path: Path, credentials: Credentials, known: Sequence[Output], model: Watermark | None
) -> FileVerdict:
    same = _same_bytes(path, known)
    state, facts = credentials.state, credentials.facts
    is_whole = state in ("valid", "trusted")
    if is_whole and facts is not None:
        forged = _forged(credentials, same, known)
        return FileVerdict(
            path=path,
            credentials=credentials,
            how="credentials",
            is_sure=(state == "trusted" or same is not None) and not forged,
            facts=facts,
            tampered=forged,
            unknown=_unknown(credentials),
            output=same,
        )
    tampered = "" if state != "invalid" else "its credentials are not those of what it holds"
    frames = () if same is not None else _frames(path)
    mark = None if same is not None or model is None else _mark(frames, known, model)
    how: How = "file" if same else "watermark" if mark else "nothing"
    output = same or next((one for one in known if mark and _id(one) == mark.render_id), None)
    if output is None and (output := _alike(frames, known)) is not None:
        how = "looks"
    if how == "nothing" and is_whole:
        how = "credentials"
    return FileVerdict(
        path=path,
        credentials=credentials,
        how=how,
        is_sure=not tampered and (same is not None or state == "trusted"),
        facts=output.facts if output is not None else None,
        tampered=tampered,
        unknown=_unknown(credentials, frames=frames, how=how, model=model, mark=mark),
        output=output,
    )


def _same_bytes(path: Path, known: Sequence[Output]) -> Output | None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return next((one for one in known if one.sha256 == digest), None)


def _forged(credentials: Credentials, same: Output | None, known: Sequence[Output]) -> str:
    """Say why credentials that are whole are lies; empty where nothing shows that they are."""
    facts = credentials.facts
    if credentials.state == "trusted" or same is not None or facts is None:
        return ""
    if any(_id(one) == facts.render_id for one in known):
        return (
            f"it says that it is render {facts.render_id}, which was made here, but these are not"
            " its bytes and another key has signed them"
        )
    return ""


def _unknown(
    credentials: Credentials,
    *,
    frames: Sequence[Image] = (),
    how: How = "credentials",
    model: Watermark | None = None,
    mark: Mark | None = None,
) -> tuple[str, ...]:
    """What a reader might take for known and is not."""
    told = []
    if credentials.state == "valid":
        told.append("who signed it: anybody can make such a key and write any name into it")
    if credentials.state in ("valid", "trusted"):
        if not credentials.signed_at:
            told.append("when it was signed: no authority has attested the time")
        elif not credentials.is_time_trusted:
            told.append("when it was signed: the authority that attests the time is not trusted")
        return tuple(told)
    if how == "file":
        return ()
    if mark is not None and how == "nothing":
        told.append(f"what render {mark.render_id} is, which its watermark names: ask who made it")
    told.append("whether it was changed since it was made: no signature covers these bytes")
    if not frames:
        told.append("what it shows: it cannot be decoded")
    if how == "nothing":
        told.append("whether facekit made it elsewhere, or any other program did")
    if model is None:
        told.append("whether it bears a watermark: facekit.toml names no model to look with")
    return tuple(told)


def _frames(path: Path) -> tuple[Image, ...]:
    """Frames to recognise a file by; none where it cannot be decoded."""
    try:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            return (read_image(path),)
        times = frame_times(path)
        places = np.unique(np.linspace(0, len(times) - 1, _LOOKED_AT).round().astype(int))
        found = read_frames(path, [times[place] for place in places])
        return tuple(frame.image for frame in found)
    except FacekitError:
        return ()


def _mark(frames: Sequence[Image], known: Sequence[Output], model: Watermark) -> Mark | None:
    if not frames:
        return None
    return pick_mark(model.detect(np.stack(frames)), {_id(one) for one in known})


def _alike(frames: Sequence[Image], known: Sequence[Output]) -> Output | None:
    """The file that was made here whose frames look most like these, if any does."""
    asked = frame_hashes(frames) if frames else ()
    rated = ((content_distance(asked, one.frames), index) for index, one in enumerate(known))
    distance, index = min(rated, default=(64.0, 0))
    return known[index] if distance <= LIKELY_BITS else None


def _id(output: Output) -> str:
    return output.facts.render_id

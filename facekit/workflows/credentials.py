"""Every file that is made is given its credentials here, with one call."""

import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

import facekit
from facekit.errors import UsageError
from facekit.media.files import full_path, remove_file
from facekit.media.images import write_image
from facekit.provenance.certificates import (
    Certificates,
    certificates_folder,
    ensure_certificates,
    load_certificates,
    own_root,
)
from facekit.provenance.credentials import EMBEDDED
from facekit.provenance.facts import Facts, new_render_id
from facekit.provenance.signing import Edit, sign_file
from facekit.provenance.soft import Output, OutputRecord, frame_hashes
from facekit.provenance.watermark import VideoSeal, message_of
from facekit.show_file import Provenance, find_show, read_show
from facekit.signing.home import KEYS_VARIABLE, key_home
from facekit.signing.keys import PublicKey
from facekit.signing.statements import now_text
from facekit.types import Clip
from facekit.weights import file_digest

__all__ = [
    "CREDENTIALS_VARIABLE",
    "anchors",
    "beside_show",
    "mark_clip",
    "output_record",
    "passed_on",
    "prepare_credentials",
    "sign_output",
    "signed_output",
    "signs_as",
    "trusted_roots",
    "watermark",
    "why_unsigned",
]

CREDENTIALS_VARIABLE: Final = "FACEKIT_CREDENTIALS"
"""`none` makes files without credentials, as `--no-credentials` does."""

_SIGNED = frozenset({*EMBEDDED, ".exr"})


def why_unsigned() -> str:
    """Say what keeps files from getting credentials; empty where they get them.

    Raises:
        UsageError: The variable or facekit.toml says something unknown.
    """
    said = os.environ.get(CREDENTIALS_VARIABLE, "")
    if said not in ("", "none"):
        raise UsageError(
            f"{CREDENTIALS_VARIABLE}={said}, expected none, or nothing at all; correct it"
        )
    if said:
        return f"{CREDENTIALS_VARIABLE}=none"
    settings, place = _settings()
    return "" if settings.sign else f"[provenance] sign = false in {place}"


def prepare_credentials() -> tuple[str, ...]:
    """Make sure, before long work, that files can be signed, by signing one.

    Returns:
        What is worth telling.

    Raises:
        KeyRefused: The certificates will not do.
        OutputError: None can be made.
        WeightsError: The watermark's model cannot be used.
        UsageError: facekit.toml is wrong.
    """
    if why := why_unsigned():
        return (f"credentials: none, as {why} says; nobody will see where these files come from",)
    told = []
    if _certificates().is_new:
        root = certificates_folder(key_home())
        told.append(
            f"credentials: files are signed with a key that was made now, {root}; who is to trust"
            f" it is given {root / 'facekit.pub'}"
        )
    _try()
    watermark()
    return tuple(told)


def _try() -> None:
    """Sign a picture that nobody keeps: a chain may be over, or not of the key."""
    with tempfile.TemporaryDirectory(prefix="facekit-") as folder:
        path = Path(folder, "trial.png")
        write_image(path, np.zeros((8, 8, 3), np.uint8))
        facts = Facts(render_id=new_render_id(), version=facekit.__version__)
        timestamp = _settings()[0].timestamp
        sign_file(path, facts, _certificates(), out=path, timestamp=timestamp)


def passed_on() -> dict[str, str]:
    """Variables by which other machines sign as this one does, with the same keys."""
    return {
        KEYS_VARIABLE: str(full_path(key_home().folder)),
        CREDENTIALS_VARIABLE: "none" if why_unsigned() else "",
    }


def signs_as() -> str:
    """Tell apart who signs; empty where nobody does, or where there is no key yet.

    Raises:
        KeyRefused: The certificates will not do.
        UsageError: facekit.toml is wrong.
    """
    if why_unsigned():
        return ""
    if _settings()[0].certificates is not None:
        return hashlib.sha256(_certificates().chain.encode()).hexdigest()
    root = own_root(key_home())
    return root.keyid if root else ""


def mark_clip(clip: Clip, facts: Facts | None) -> Clip:
    """Hide the render id in the frames, where facekit.toml names a model that can."""
    model = None if facts is None else watermark()
    if facts is None or model is None:
        return clip
    return Clip(frames=model.embed(clip.frames, message_of(facts.render_id)), fps=clip.fps)


@contextmanager
def signed_output(
    path: Path,
    facts: Facts | None,
    *,
    frames: npt.NDArray[np.uint8] | None = None,
    inputs: Sequence[Path] = (),
    edit: Edit | None = None,
) -> Iterator[Path]:
    """Give a name to write a file to; at the end it lies at `path`, with credentials.

    Nobody ever sees `path` without them.

    Args:
        path: Where the file belongs.
        facts: What is said of it; None leaves it as it is written, unless it is an edit.
        frames: Its frames, to recognise it by.
        inputs: Files that went into it.
        edit: What was done to a file that was there before; None where it was made anew.

    Raises:
        KeyRefused: The certificates will not do.
        OutputError: It cannot be written.
    """
    if why_unsigned() if edit is not None else facts is None:
        yield path
        return
    unsigned = path.with_name(f".{path.stem}-unsigned{path.suffix}")
    try:
        yield unsigned
        _sign(unsigned, path, facts, frames, inputs, edit=edit)
    finally:
        remove_file(unsigned)


def sign_output(
    path: Path,
    facts: Facts | None,
    *,
    frames: npt.NDArray[np.uint8] | None = None,
    inputs: Sequence[Path] = (),
    timestamp: str | None = None,
) -> None:
    """Give a file credentials, or every video and picture of a folder.

    Args:
        path: The file, or a folder.
        facts: What is said of it; None does nothing.
        frames: Of the file, to recognise it by.
        inputs: Files that went into it.
        timestamp: URL of a time stamp authority; that of facekit.toml when None.

    Raises:
        KeyRefused: The certificates will not do.
        MediaError: A file is not what its suffix says.
        OutputError: It cannot be written.
    """
    if facts is None:
        return
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        if file.suffix.lower() in _SIGNED and not file.name.startswith("."):
            _sign(file, file, facts, frames, inputs, timestamp)


def output_record() -> OutputRecord:
    """The list of what was made with the keys of this user."""
    return OutputRecord(certificates_folder(key_home()).parent / "outputs.jsonl")


def trusted_roots() -> tuple[PublicKey, ...]:
    """Keys whose roots are trusted: facekit's own, and those of `keys trust` and of the show."""
    home = key_home()
    own = own_root(home)
    return (*([own] if own else ()), *home.trusted(), *read_show(find_show()).all_keys())


def anchors() -> str:
    """The further roots that facekit.toml names, as PEM.

    Raises:
        UsageError: They cannot be read.
    """
    settings, place = _settings()
    if settings.anchors is None:
        return ""
    path = beside_show(place, settings.anchors)
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: {error}, expected roots in PEM; correct anchors in [provenance] of {place}"
        ) from error


def watermark() -> VideoSeal | None:
    """The model that facekit.toml names; None without one.

    Raises:
        WeightsError: It cannot be used.
    """
    settings, place = _settings()
    if settings.watermark is None or settings.watermark_sha256 is None:
        return None
    return _loaded(beside_show(place, settings.watermark), settings.watermark_sha256)


@functools.cache
def _loaded(path: Path, sha256: str) -> VideoSeal:
    return VideoSeal(path, sha256)


def _sign(
    source: Path,
    path: Path,
    facts: Facts | None,
    frames: npt.NDArray[np.uint8] | None,
    inputs: Sequence[Path],
    timestamp: str | None = None,
    edit: Edit | None = None,
) -> None:
    timestamp = timestamp or _settings()[0].timestamp
    sign_file(
        source, facts, _certificates(), out=path, inputs=inputs, timestamp=timestamp, edit=edit
    )
    if path.suffix.lower() not in EMBEDDED and source != path:
        source.replace(path)
    if facts is None:
        return
    hashes = () if frames is None else frame_hashes(frames)
    output_record().add(
        Output(name=path.name, sha256=file_digest(path), frames=hashes, facts=facts, at=now_text())
    )


def _certificates() -> Certificates:
    settings, place = _settings()
    if settings.certificates is None or settings.private_key is None:
        return ensure_certificates(key_home())
    return load_certificates(
        beside_show(place, settings.certificates),
        beside_show(place, settings.private_key),
        settings.algorithm,
    )


def _settings() -> tuple[Provenance, Path | None]:
    place = find_show()
    return read_show(place).provenance, place


def beside_show(place: Path | None, name: str) -> Path:
    """A path that facekit.toml says, which is relative to the folder of that file."""
    path = Path(name).expanduser()
    return path if path.is_absolute() or place is None else place.parent / path

"""What the content credentials (C2PA) of a file are worth, and what they say."""

import json
import mmap
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from facekit.errors import MediaError, SignatureRefused
from facekit.provenance.anchors import anchors_in
from facekit.provenance.facts import ORIGIN, Facts
from facekit.signing.keys import PublicKey

__all__ = [
    "BYTES",
    "EMBEDDED",
    "QUIET",
    "SIDECAR",
    "Credentials",
    "Ingredient",
    "State",
    "read_credentials",
    "read_manifest",
    "sidecar_of",
]

State = Literal["none", "valid", "trusted", "invalid"]
"""Of credentials: there are none; whole, by somebody who is not known here; whole, by somebody who
is; or not those of this file as it is."""

EMBEDDED: Final = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/avi",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
"""Suffixes of files that hold their credentials themselves, and their types."""

SIDECAR: Final = ".c2pa"
"""Suffix of what lies beside all others, such as EXR."""

BYTES: Final = "application/octet-stream"
"""Type of files that hold no credentials."""

_NOT_WRONG = frozenset({"signingCredential.untrusted"})
QUIET: Final = {"remote_manifest_fetch": False, "ocsp_fetch": False}
"""Nothing is asked of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A file that went into another one."""

    title: str
    state: State
    """Of its own credentials when it went in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the credentials of a file are worth, and what they say."""

    state: State
    problems: tuple[str, ...] = ()
    """Codes of C2PA and words on what does not hold."""
    facts: Facts | None = None
    """What facekit says of it; None where somebody else made it."""
    signer: str = ""
    """As the certificate says; anybody can write any name into theirs."""
    generator: str = ""
    """The program that made it, as it says."""
    signed_at: str = ""
    """By a time stamp authority; empty without one."""
    is_time_trusted: bool = False
    """Whether that authority is below one of the `anchors`; anybody can run one."""
    ingredients: tuple[Ingredient, ...] = ()
    is_beside: bool = False
    """Whether they lie in a sidecar."""


def sidecar_of(path: Path) -> Path:
    """Where the credentials of a file lie that cannot hold them: `x.exr` -> `x.c2pa`."""
    return path.with_suffix(SIDECAR)


def read_credentials(
    path: Path, trusted: Iterable[PublicKey] = (), *, anchors: str = ""
) -> Credentials:
    """Read and verify the credentials of a file, or those that lie beside it.

    Args:
        path: Any file.
        trusted: Ed25519 keys whose roots are trusted.
        anchors: PEM of further roots that are.

    Raises:
        MediaError: There is no such file.
    """
    try:
        told = _read(path, anchors, trusted)
    except SignatureRefused as error:
        return Credentials(state="invalid", problems=(str(error),), is_beside=_beside(path))
    if told is None:
        return Credentials(state="none")
    return _credentials(told, path)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """All that the credentials of a file say, as the C2PA library writes it; None without any.

    Raises:
        MediaError: There is no such file.
        SignatureRefused: They are damaged so that they cannot be read.
    """
    return _read(path, "", ())


def _beside(path: Path) -> bool:
    """Whether credentials of a file, if it has any, lie beside it."""
    return path.suffix.lower() not in EMBEDDED


def _read(path: Path, anchors: str, trusted: Iterable[PublicKey]) -> dict[str, Any] | None:
    import c2pa

    if not path.is_file():
        raise MediaError(f"{path}: no such file; check the spelling of the path")
    is_beside = _beside(path)
    holder = sidecar_of(path) if is_beside else path
    if not holder.is_file():
        return None
    settings: dict[str, Any] = {"verify": {"verify_trust": True, **QUIET}}
    if roots := anchors + anchors_in(holder, trusted):
        settings["trust"] = {"user_anchors": roots}
    mime = EMBEDDED.get(path.suffix.lower(), BYTES)
    try:
        with ExitStack() as stack:
            source = stack.enter_context(path.open("rb"))
            context = stack.enter_context(c2pa.Context(c2pa.Settings.from_dict(settings)))
            manifest = holder.read_bytes() if is_beside else None
            reader = stack.enter_context(c2pa.Reader(mime, source, manifest, context=context))
            told: dict[str, Any] = json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.RemoteManifest):
        return None
    except c2pa.C2paError as error:
        if not is_beside and not _is_marked(path):
            return None  # a damaged file, and nothing of credentials in it
        said = " ".join(str(error).split())
        raise SignatureRefused(
            f"{holder}: credentials that cannot be read ({said}), expected whole ones; get the file"
            " again from where it came"
        ) from error
    return told


def _credentials(told: dict[str, Any], path: Path) -> Credentials:
    active = told["manifests"][told["active_manifest"]]
    signed = active.get("signature_info") or {}
    state = _state(told.get("validation_state"))
    problems = tuple(
        f"{one['code']}: {one.get('explanation', '')}".rstrip(": ")
        for one in told.get("validation_status", ())
        if one["code"] not in _NOT_WRONG
    )
    said = [one["data"] for one in active.get("assertions", ()) if one["label"] == ORIGIN]
    facts = None
    try:
        facts = Facts.from_json(said[0], str(path)) if len(said) == 1 else None
    except SignatureRefused as error:
        problems = (*problems, str(error))
    return Credentials(
        state=state,
        problems=problems,
        facts=facts,
        signer=str(signed.get("common_name") or signed.get("issuer") or ""),
        generator=", ".join(
            f"{one.get('name', '')} {one.get('version', '')}".strip()
            for one in active.get("claim_generator_info", ())
        ),
        signed_at=str(signed.get("time") or ""),
        is_time_trusted="timeStamp.trusted" in _successes(told),
        ingredients=tuple(
            Ingredient(title=str(one.get("title", "")), state=_ingredient_state(one))
            for one in active.get("ingredients", ())
        ),
        is_beside=_beside(path),
    )


def _successes(told: dict[str, Any]) -> set[str]:
    """Codes of what held."""
    found = told.get("validation_results", {}).get("activeManifest", {}).get("success", ())
    return {str(one.get("code")) for one in found}


def _state(said: str | None) -> State:
    states: dict[str | None, State] = {"Valid": "valid", "Trusted": "trusted"}
    return states.get(said, "invalid")


def _ingredient_state(one: dict[str, Any]) -> State:
    """What was found of an ingredient when it went in; whom to trust was not asked then."""
    if "active_manifest" not in one:
        return "none"
    found = one.get("validation_results", {}).get("activeManifest", {}).get("failure", ())
    return "invalid" if any(said["code"] not in _NOT_WRONG for said in found) else "valid"


def _is_marked(path: Path) -> bool:
    """Whether something in a file says that it is a manifest."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"c2pa.claim") >= 0 or content.find(b"jumdc2pa") >= 0

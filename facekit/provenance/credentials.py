"""Content credentials (C2PA) in videos and pictures, or beside files that cannot hold them."""

import io
import json
import mmap
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from facekit.errors import FacekitError, KeyRefused, MediaError, SignatureRefused
from facekit.media.files import atomic_write
from facekit.provenance.certificates import Certificates, anchors_in
from facekit.provenance.facts import ORIGIN, Facts
from facekit.signing.keys import PublicKey

__all__ = [
    "EMBEDDED",
    "SIDECAR",
    "Credentials",
    "Ingredient",
    "State",
    "read_credentials",
    "sidecar_of",
    "sign_file",
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

_BYTES = "application/octet-stream"
_SOURCES = {
    "trained": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "drawn": "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia",
}
_NOT_WRONG = frozenset({"signingCredential.untrusted"})
_QUIET: Final = {"remote_manifest_fetch": False, "ocsp_fetch": False}
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
    ingredients: tuple[Ingredient, ...] = ()
    is_beside: bool = False
    """Whether they lie in a sidecar."""


def sidecar_of(path: Path) -> Path:
    """Where the credentials of a file lie that cannot hold them: `x.exr` -> `x.c2pa`."""
    return path.with_suffix(SIDECAR)


def sign_file(
    path: Path,
    facts: Facts,
    certificates: Certificates,
    *,
    out: Path | None = None,
    inputs: Sequence[Path] = (),
    timestamp: str | None = None,
) -> Path:
    """Give a file its credentials: in it, or in a sidecar where its format holds none.

    Credentials that it has already are kept as those of what it was made from.

    Args:
        path: A video or a picture.
        facts: What is said of it.
        certificates: Who says it.
        out: Receives the signed file; the file itself when None. A sidecar lies beside it.
        inputs: Files that went into it; those with credentials become ingredients.
        timestamp: URL of an authority that attests the time.

    Returns:
        The file that holds the credentials.

    Raises:
        KeyRefused: The certificates will not do: expired, for another purpose, another key.
        MediaError: It is not what its suffix says.
        OutputError: It cannot be written.
    """
    import c2pa

    out = out or path
    mime = EMBEDDED.get(path.suffix.lower())
    target = out if mime else sidecar_of(out)
    settings = {
        "builder": {
            "thumbnail": {"enabled": False},
            "created_assertion_labels": ["c2pa.actions", "c2pa.actions.v2", ORIGIN],
        },
        "verify": _QUIET,
    }
    held = mime is not None and _has_credentials(path)
    try:
        with ExitStack() as stack:
            signer = stack.enter_context(_signer(certificates, timestamp))
            context = stack.enter_context(c2pa.Context(c2pa.Settings.from_dict(settings)))
            manifest = json.dumps(_manifest(out.name, facts, is_edit=held))
            builder = stack.enter_context(c2pa.Builder.from_json(manifest, context))
            if held:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            for given in filter(_has_credentials, inputs):
                told = {"title": given.name, "relationship": "inputTo"}
                content = stack.enter_context(given.open("rb"))
                builder.add_ingredient(told, EMBEDDED[given.suffix.lower()], content)
            source = stack.enter_context(path.open("rb"))
            temporary = stack.enter_context(atomic_write(target, lasting=False))
            if mime is None:
                builder.set_no_embed()
                temporary.write_bytes(builder.sign(signer, _BYTES, source, io.BytesIO()))
            else:
                with temporary.open("w+b") as signed:
                    builder.sign(signer, mime, source, signed)
    except c2pa.C2paError as error:
        raise _unsigned(path, error) from error
    return target


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
    import c2pa

    beside = sidecar_of(path)
    mime = EMBEDDED.get(path.suffix.lower())
    is_beside = mime is None and path.suffix.lower() != SIDECAR and beside.is_file()
    if not path.is_file():
        raise MediaError(f"{path}: no such file; check the spelling of the path")
    if mime is None and not is_beside:
        return Credentials(state="none")
    roots = anchors + anchors_in(beside if is_beside else path, trusted)
    settings: dict[str, Any] = {"verify": {"verify_trust": True, **_QUIET}}
    if roots:
        settings["trust"] = {"user_anchors": roots}
    try:
        with ExitStack() as stack:
            source = stack.enter_context(path.open("rb"))
            context = stack.enter_context(c2pa.Context(c2pa.Settings.from_dict(settings)))
            manifest = beside.read_bytes() if is_beside else None
            reader = c2pa.Reader(mime or _BYTES, source, manifest, context=context)
            found = _credentials(json.loads(stack.enter_context(reader).json()), path, is_beside)
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.RemoteManifest):
        return Credentials(state="none")
    except c2pa.C2paError as error:
        if not is_beside and not _is_marked(path):
            return Credentials(state="none")  # a damaged file, and nothing of credentials in it
        told = " ".join(str(error).split())
        return Credentials(state="invalid", problems=(told,), is_beside=is_beside)
    return found


def _credentials(told: dict[str, Any], path: Path, is_beside: bool) -> Credentials:
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
        ingredients=tuple(
            Ingredient(title=str(one.get("title", "")), state=_ingredient_state(one))
            for one in active.get("ingredients", ())
        ),
        is_beside=is_beside,
    )


def _state(said: str | None) -> State:
    states: dict[str | None, State] = {"Valid": "valid", "Trusted": "trusted"}
    return states.get(said, "invalid")


def _ingredient_state(one: dict[str, Any]) -> State:
    """What was found of an ingredient when it went in; whom to trust was not asked then."""
    if "active_manifest" not in one:
        return "none"
    found = one.get("validation_results", {}).get("activeManifest", {}).get("failure", ())
    return "invalid" if any(said["code"] not in _NOT_WRONG for said in found) else "valid"


def _manifest(title: str, facts: Facts, *, is_edit: bool) -> dict[str, Any]:
    agent = {"name": "facekit", "version": facts.version}
    source = _SOURCES[facts.made]
    assertions: list[dict[str, Any]] = [{"label": ORIGIN, "data": facts.to_json()}]
    if not is_edit:
        made = {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": agent}
        assertions.insert(0, {"label": "c2pa.actions.v2", "data": {"actions": [made]}})
    return {"title": title, "claim_generator_info": [agent], "assertions": assertions}


def _signer(certificates: Certificates, timestamp: str | None) -> Any:
    import c2pa

    if certificates.sign is not None:
        name = c2pa.C2paSigningAlg[certificates.algorithm.upper()]
        return c2pa.Signer.from_callback(certificates.sign, name, certificates.chain, timestamp)
    info = c2pa.C2paSignerInfo(
        certificates.algorithm.encode(),
        certificates.chain.encode(),
        certificates.private_key,
        timestamp.encode() if timestamp else None,
    )
    return c2pa.Signer.from_info(info)


def _has_credentials(path: Path) -> bool:
    """Whether a file that can hold credentials holds some, of whatever worth."""
    return path.suffix.lower() in EMBEDDED and read_credentials(path).state != "none"


def _is_marked(path: Path) -> bool:
    """Whether something in a file says that it is a manifest."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"c2pa.claim") >= 0 or content.find(b"jumdc2pa") >= 0


def _unsigned(path: Path, error: Exception) -> FacekitError:
    told = " ".join(str(error).split())
    if "certificate" in told or "ignature" in told:
        return KeyRefused(
            f"{path}: cannot be signed ({told}), expected certificates that are valid now, for"
            " signing content (extended key usage emailProtection), and their key; correct"
            " [provenance] of facekit.toml"
        )
    return MediaError(
        f"{path}: cannot carry credentials ({told}), expected a whole {path.suffix} file; make it"
        " again"
    )

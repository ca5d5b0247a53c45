"""Signing: content credentials (C2PA) go into a file, or beside one that cannot hold them."""

import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facekit import __version__
from facekit.errors import FacekitError, KeyRefused, MediaError, OutputError
from facekit.media.files import atomic_write
from facekit.provenance.certificates import Certificates
from facekit.provenance.credentials import (
    BYTES,
    EMBEDDED,
    QUIET,
    read_credentials,
    sidecar_of,
)
from facekit.provenance.facts import ORIGIN, Facts

__all__ = ["Edit", "sign_file"]

_ORIGINAL = "original"
_SOURCES = {
    "trained": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "drawn": "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What was done to a file that was there before."""

    original: Path
    """It; its credentials are kept."""
    action: str
    """A standard one. Source: C2PA 2.2, table of actions."""
    description: str
    """In words."""


def sign_file(
    path: Path,
    facts: Facts | None,
    certificates: Certificates,
    *,
    out: Path | None = None,
    inputs: Sequence[Path] = (),
    timestamp: str | None = None,
    edit: Edit | None = None,
) -> Path:
    """Give a file its credentials: in it, or in a sidecar where its format holds none.

    Credentials that it has already are kept as those of what it was made from.

    Args:
        path: A video or a picture.
        facts: What is said of it; None for an edit of what comes from elsewhere.
        certificates: Who says it.
        out: Receives the signed file; the file itself when None. A sidecar lies beside it.
        inputs: Files that went into it; those with credentials become ingredients.
        timestamp: URL of an authority that attests the time.
        edit: What was done, where it was made of another file and not anew.

    Returns:
        The file that holds the credentials.

    Raises:
        KeyRefused: The certificates will not do: expired, for another purpose, another key.
        MediaError: It is not what its suffix says.
        OutputError: It cannot be written, or no time stamp comes.
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
        "verify": QUIET,
    }
    held = mime is not None and _has_credentials(path)
    try:
        with ExitStack() as stack:
            signer = stack.enter_context(_signer(certificates, timestamp))
            context = stack.enter_context(c2pa.Context(c2pa.Settings.from_dict(settings)))
            manifest = json.dumps(_manifest(out.name, facts, edit, is_edit=held))
            builder = stack.enter_context(c2pa.Builder.from_json(manifest, context))
            if held:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            if edit is not None:
                told = {"title": edit.original.name, "relationship": "parentOf", "label": _ORIGINAL}
                content = stack.enter_context(edit.original.open("rb"))
                builder.add_ingredient(told, EMBEDDED[edit.original.suffix.lower()], content)
            for given in filter(_has_credentials, inputs):
                told = {"title": given.name, "relationship": "inputTo"}
                content = stack.enter_context(given.open("rb"))
                builder.add_ingredient(told, EMBEDDED[given.suffix.lower()], content)
            source = stack.enter_context(path.open("rb"))
            temporary = stack.enter_context(atomic_write(target, lasting=False))
            if mime is None:
                builder.set_no_embed()
                temporary.write_bytes(builder.sign(signer, BYTES, source, io.BytesIO()))
            else:
                with temporary.open("w+b") as signed:
                    builder.sign(signer, mime, source, signed)
    except c2pa.C2paError as error:
        raise _unsigned(path, error, timestamp) from error
    return target


def _manifest(
    title: str, facts: Facts | None, edit: Edit | None, *, is_edit: bool
) -> dict[str, Any]:
    agent = {"name": "facekit", "version": __version__ if facts is None else facts.version}
    assertions: list[dict[str, Any]] = []
    if edit is not None:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_ORIGINAL]}}
        done = {"action": edit.action, "description": edit.description, "softwareAgent": agent}
        assertions.append({"label": "c2pa.actions.v2", "data": {"actions": [opened, done]}})
    elif facts is not None and not is_edit:
        source = _SOURCES[facts.made]
        made = {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": agent}
        assertions.append({"label": "c2pa.actions.v2", "data": {"actions": [made]}})
    if facts is not None:
        assertions.append({"label": ORIGIN, "data": facts.to_json()})
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


def _unsigned(path: Path, error: Exception, timestamp: str | None) -> FacekitError:
    told = " ".join(str(error).split())
    if timestamp and "internal error" in told:  # what it says of any answer that is none
        return OutputError(
            f"{path}: no time stamp from {timestamp} ({told}), expected an answer by RFC 3161; try"
            " again later, or correct timestamp in [provenance] of facekit.toml"
        )
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

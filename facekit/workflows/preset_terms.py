"""What whoever packs a preset says of it, checked before anything is drawn."""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from facekit.errors import ConsentRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import Lineage, Rights, Subject
from facekit.presets.names import is_preset_id, is_version
from facekit.signing.statements import canonical_json, parse_time
from facekit.workflows.doctor_findings import Finding
from facekit.workflows.licences import licence_finding
from facekit.workflows.preset_content import CONSENT

__all__ = [
    "SubjectType",
    "check_names",
    "created_text",
    "lineage_of",
    "part_licences",
    "read_consent",
    "retained_until",
]

SubjectType = Literal["real", "synthetic", "fictional-performed", "non-human"]

_SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,99}")


def check_names(name: str, version: str, licence: str) -> None:
    """Refuse names that no registry could keep.

    Raises:
        UsageError: The id, the version or the licence is of another form.
    """
    if not is_preset_id(name):
        raise UsageError(
            f"--id {name}: expected a dotted name in small letters, a slash and a name, such as"
            " org.studio.show/mira; correct it"
        )
    if not is_version(version):
        raise UsageError(
            f"--version {version}: expected a semantic version such as 1.0.0; correct it"
        )
    if not _SPDX.fullmatch(licence):
        raise UsageError(
            f"--license {licence}: expected the SPDX name of a licence, or LicenseRef- and a name;"
            " correct it, and give the terms in full with --terms"
        )


def read_consent(
    consent: Path | Mapping[str, Any] | None, subject: SubjectType | None
) -> tuple[bytes | None, Subject]:
    """Read the record of consent, and say whose face it is.

    Args:
        consent: A file, or what is in it.
        subject: As whoever packs it says; None is what the consent says.

    Returns:
        Content of the record, and the subject for the manifest.

    Raises:
        ConsentRefused: Nobody says whose face it is, or there is no consent of a real person.
    """
    if consent is None:
        if subject is None:
            raise ConsentRefused(
                "nobody says whose face it is, expected --subject synthetic for a drawn or invented"
                " one, or --consent with the record of a real person; say which"
            )
        if subject in ("real", "fictional-performed"):
            raise ConsentRefused(
                f"--subject {subject}: no consent, expected the record of the person; name it with"
                " --consent"
            )
        return None, Subject(type=subject)
    told: Any = consent
    if isinstance(consent, Path):
        try:
            told = json.loads(consent.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConsentRefused(
                f"{consent}: no record of consent ({error}), expected JSON; name another file"
            ) from error
    schema = told.get("schema") if isinstance(told, Mapping) else None
    if not isinstance(schema, str) or not schema.startswith("facekit.consent/1"):
        raise ConsentRefused(
            f"consent: schema {schema!r}, expected facekit.consent/1; make it with facekit consent"
            " record"
        )
    about = told.get("subject", "real")
    if subject is not None and subject != about:
        raise ConsentRefused(
            f"--subject {subject}: the record of consent is about somebody {about}, expected the"
            " same; leave --subject away, or name the record of this character"
        )
    content = json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"
    bare = {key: value for key, value in told.items() if key != "signatures"}
    try:
        return content, Subject(
            type=about,
            ref=str(told.get("subject_ref", "")),
            consent=CONSENT,
            consent_digest=sha256(canonical_json(bare)).hexdigest(),
        )
    except ValueError as error:
        raise ConsentRefused(
            f"consent: about somebody {about!r} ({type(error).__name__}), expected a record of"
            " facekit; make it with facekit consent record"
        ) from error


def retained_until(consent: bytes | None) -> str | None:
    """Until when a consent lets templates be kept; None where none says.

    Args:
        consent: What `read_consent` gave.
    """
    if consent is None:
        return None
    retention = json.loads(consent).get("retention")
    said = retention.get("templates_until") if isinstance(retention, dict) else None
    return None if said is None else str(said)


def part_licences(
    parts: Mapping[str, Any], rights: Rights, *, commercial: bool
) -> tuple[Finding, ...]:
    """Tell the licence of every part; the doctor tells those of a recipe in the same words.

    Args:
        parts: Base and encoder.
        rights: Of the adapter.
        commercial: Whether a licence that does not allow commercial use is a fault.
    """
    instead = {
        "base": "train on a backbone that allows it",
        "encoder": "train with a face encoder that allows it, such as opencv",
        "adapter": "give the adapter terms that allow it, with --license or"
        " --allows-commercial-use",
    }
    return tuple(
        licence_finding(
            name,
            one.license,
            allowed=one.commercial,
            commercial=commercial,
            instead=instead[name],
        )
        for name, one in {**parts, "adapter": rights}.items()
        if one is not None
    )


def lineage_of(follows: Path | None) -> Lineage:
    """Say which preset a new one follows.

    Raises:
        BundleDamaged: That one is not whole.
    """
    if follows is None:
        return Lineage()
    bundle = open_bundle(follows)
    return Lineage(parent=bundle.digest, supersedes=bundle.manifest.version)


def created_text(text: str | None) -> str | None:
    """Write the time that is told, or that `SOURCE_DATE_EPOCH` holds, in UTC; None without any.

    Raises:
        UsageError: It is no time.
    """
    said = text or os.environ.get("SOURCE_DATE_EPOCH")
    if said is None:
        return None
    try:
        moment = datetime.fromtimestamp(int(said), UTC) if text is None else parse_time(said)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"created {said!r}: no time, expected one such as 2026-11-21T20:15:00Z; correct it"
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

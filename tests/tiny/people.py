"""Characters of real people who have agreed; made of trained ones, to save the training."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import SubjectRecord
from facekit.signing.home import key_home
from facekit.workflows.consent import record_consent
from facekit.workflows.consent_terms import ConsentTerms
from facekit.workflows.rights_choice import CONSENT_FILE

TERMS = ConsentTerms(
    method="agreement-ref", reason="contract 7", controller="Studio", purpose="a film",
    allow=("narrative-fiction", "test"), contact="legal@studio.example",
)  # fmt: skip


def make_person(
    trained: Any, folder: Path, name: str = "mira", *, beside: bool = False, **terms: Any
) -> Path:
    """Record that somebody agrees, in the working folder, and write the character of them.

    Args:
        trained: As the fixture of this name.
        folder: Gets `characters/NAME`.
        name: Of the person.
        beside: Whether a copy of the record lies beside the character.
        **terms: What differs from `TERMS`.
    """
    if not key_home().own():
        key_home().create("legal")
    kept = record_consent([], name, dataclasses.replace(TERMS, **terms), adult=True)
    ref = kept.consent.record.subject_ref
    subject = SubjectRecord(type="real", ref=ref, consent=kept.consent.digest)
    file = CharacterFile.load(trained.adapter)
    header = dataclasses.replace(file.header, subject=subject, name=name)
    path = folder / "characters" / name / "adapter.safetensors"
    dataclasses.replace(file, header=header).save(path)
    (path.parent / "result.json").write_text(json.dumps({"photos": str(trained.photos)}))
    if beside:
        (path.parent / CONSENT_FILE).write_bytes(kept.consent.to_bytes())
    return path

"""The manifest of a preset: what `facekit.json` says, as closed data."""

import json
import re
from hashlib import sha256
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError
from pydantic import model_validator as after

from facekit.errors import BundleDamaged, PresetError
from facekit.presets.archive import MAX_FILES, MAX_TOTAL
from facekit.presets.manifest_parts import (
    Adapter,
    Author,
    Base,
    BundleFile,
    Closed,
    Defaults,
    Encoder,
    Evaluation,
    Line,
    Lineage,
    Rights,
    Role,
    Subject,
    Summary,
    Text,
    Training,
)
from facekit.presets.names import MANIFEST, check_together, is_preset_id, is_version
from facekit.signing.statements import canonical_json

__all__ = [
    "ADAPTER",
    "CONSENT",
    "MANIFEST_LIMIT",
    "SCHEMA",
    "Adapter",
    "Author",
    "Base",
    "BundleFile",
    "Defaults",
    "Encoder",
    "Evaluation",
    "Lineage",
    "Manifest",
    "Rights",
    "Role",
    "Subject",
    "Summary",
    "Training",
    "manifest_schema",
    "preset_digest",
    "read_manifest",
]

SCHEMA: Final = "facekit.preset/1"
ADAPTER: Final = "weights/adapter.safetensors"
"""The one file that every preset has."""
CONSENT: Final = "rights/consent.json"
"""The consent record, of a preset of a real person."""
MANIFEST_LIMIT: Final = 1_000_000
"""Bytes above which nothing is read as a manifest."""

_SCHEMA: Final = re.compile(r"facekit\.preset/([0-9]{1,6})(\.[0-9]{1,6})?")


class Manifest(Closed):
    """Everything about a version of a preset; its digest is the preset's."""

    schema_: Literal["facekit.preset/1"] = Field(default="facekit.preset/1", alias="schema")
    id: str
    version: str
    kind: Literal["character"] = "character"
    created: Line | None = None
    """When; None so that the same content has the same digest on any day."""
    title: Line
    summary: Text = ""
    tags: tuple[Line, ...] = ()
    authors: tuple[Author, ...] = ()
    subject: Subject
    base: Base
    encoder: Encoder | None
    """None for a plain LoRA."""
    adapter: Adapter
    defaults: Defaults = Defaults()
    eval: Evaluation = Evaluation()
    training: Training
    lineage: Lineage = Lineage()
    rights: Rights
    files: tuple[BundleFile, ...] = Field(max_length=MAX_FILES)

    @after(mode="after")
    def _holds_together(self) -> Self:
        if not is_preset_id(self.id):
            raise ValueError(f"id is {self.id[:80]!r}, expected one such as org.studio.show/mira")
        if not is_version(self.version):
            raise ValueError(f"version is {self.version[:80]!r}, expected one such as 1.0.0")
        paths = [file.path for file in self.files]
        if fault := check_together([*paths, MANIFEST]):
            raise ValueError(fault)
        if paths != sorted(paths):
            raise ValueError("files are not in the order of their names")
        if sum(file.size for file in self.files) > MAX_TOTAL:
            raise ValueError(f"its files are larger than {MAX_TOTAL} bytes together")
        named = [self.subject.consent, self.eval.report, self.eval.parity, ADAPTER]
        if missing := [path for path in named if path is not None and path not in paths]:
            raise ValueError(f"names {', '.join(missing)}, which it does not list")
        return self

    @property
    def label(self) -> str:
        """What people call it: `org.studio.show/mira@1.3.0`."""
        return f"{self.id}@{self.version}"

    @property
    def biometric_files(self) -> tuple[BundleFile, ...]:
        """Those by which a person can be told."""
        return tuple(file for file in self.files if file.biometric)

    def to_bytes(self) -> bytes:
        """Canonical JSON: the content of `facekit.json`."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


def preset_digest(content: bytes) -> str:
    """The digest of the preset whose `facekit.json` has this content."""
    return sha256(content).hexdigest()


def read_manifest(content: bytes, name: str = MANIFEST) -> Manifest:
    """Read `facekit.json`; keys that this version does not know are passed over.

    They count in the digest all the same.

    Args:
        content: Of the file.
        name: What messages call it.

    Raises:
        BundleDamaged: It is not the canonical JSON of a manifest.
        PresetError: A later version of facekit wrote it.
    """
    if len(content) > MANIFEST_LIMIT:
        raise _damaged(name, f"{len(content)} bytes")
    try:
        told: Any = json.loads(content)
        if not isinstance(told, dict) or canonical_json(told) != content:
            raise ValueError("not canonical JSON of one object")
    except (ValueError, RecursionError) as error:  # what rfc8785 raises is a ValueError as well
        raise _damaged(name, str(error)) from error
    schema = told.get("schema")
    found = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if found is None:
        raise _damaged(name, f"schema {str(schema)[:80]!r}")
    if int(found[1]) != 1:
        raise PresetError(
            f"{name}: schema {schema}, expected {SCHEMA}; update facekit to read this preset"
        )
    try:
        return Manifest.model_validate({**told, "schema": SCHEMA}, extra="ignore")
    except ValidationError as error:
        raise _damaged(name, _first(error)) from error


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `facekit.json`, as editors and other programs read it."""
    schema = Manifest.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _first(error: ValidationError) -> str:
    """What is wrong, in one line: the first mistake, and how many more there are."""
    first, *more = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in first["loc"])
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{place + ': ' if place else ''}{said}" + (f" and {len(more)} more" if more else "")


def _damaged(name: str, got: str) -> BundleDamaged:
    return BundleDamaged(f"{name}: {got}, expected the manifest of a preset; get the preset again")

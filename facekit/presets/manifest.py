"""The manifest of a preset: what `facekit.json` says, as closed data."""

import json
import re
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as after

from facekit.errors import BundleDamaged, PresetError
from facekit.presets.archive import MAX_FILES, MAX_TOTAL
from facekit.presets.names import (
    MANIFEST,
    SIGNATURES,
    check_together,
    file_name_fault,
    is_preset_id,
    is_version,
)
from facekit.signing.statements import canonical_json

__all__ = [
    "ADAPTER",
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
MANIFEST_LIMIT: Final = 1_000_000
"""Bytes above which nothing is read as a manifest."""

_SCHEMA: Final = re.compile(r"facekit\.preset/([0-9]{1,6})(\.[0-9]{1,6})?")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(max_length=2000)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Role = Literal[
    "weights",
    "recipe",
    "templates",
    "card",
    "license",
    "media",
    "evaluation",
    "parity",
    "consent",
    "rights",
    "provenance",
]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Author(_Closed):
    """Who packed it."""

    name: Line
    keyid: Sha256 | None = None
    """Of the key that they sign with."""


class Subject(_Closed):
    """Whose face it is."""

    type: Literal["real", "synthetic", "fictional-performed", "non-human"]
    ref: Line = ""
    """Random and stable per person inside the organisation; never a name."""
    consent: str | None = None
    """Path of the consent record."""
    consent_digest: Sha256 | None = None
    """sha256 of the signed record that the one in here was made of."""

    @after(mode="after")
    def _has_consent(self) -> Self:
        if self.type in ("real", "fictional-performed") and self.consent is None:
            raise ValueError(f"type is {self.type!r} and there is no consent")
        return self


class Base(_Closed):
    """The base video model."""

    name: Line
    """What facekit calls it."""
    repo: Line = ""
    """On the Hugging Face Hub; empty for the one that ships with facekit."""
    revision: Line = ""
    digest: Line = ""
    """sha256 of its transformer's weights; empty when unknown."""
    license: Line
    """SPDX where there is a name for it."""
    commercial: bool


class Encoder(_Closed):
    """The face encoder that made the tokens."""

    name: Line
    digest: Line = ""
    dim: int = Field(ge=0)
    license: Line
    commercial: bool


class Adapter(_Closed):
    """What is put onto the base."""

    format: Line
    name: Line
    """What prompts call the character."""
    level: Line
    trigger: Line
    strength: float = Field(ge=0)
    sites: int = Field(ge=0)
    tokens: int = Field(ge=0)
    rank: int = Field(ge=0)
    """Of the LoRA; 0 without one."""
    alpha: float
    targets: tuple[Line, ...] = ()
    dtype: Line


class Defaults(_Closed):
    """How shots are sampled when nobody says otherwise."""

    steps: int | None = None
    guidance: float | None = None
    num_frames: int | None = None
    aspect: Line | None = None


class Summary(_Closed):
    """The numbers that gates and people look at first; None where nothing was measured."""

    encoder: Line = ""
    """The one that measured, never the one that trained."""
    sim_held: float | None = None
    sim_held_low: float | None = None
    """Lower end of its 95 % interval."""
    likeness_ratio: float | None = None
    coverage: float | None = None
    xmin: float | None = None
    drift: float | None = None
    by_pose: dict[Line, float | None] = Field(default_factory=dict)
    gates: Literal["passed", "missed", "not-measured"] = "not-measured"


class Evaluation(_Closed):
    """What was measured, and where it stands."""

    report: str | None = None
    parity: str | None = None
    summary: Summary = Summary()


class Training(_Closed):
    """How it was trained, in short; `provenance/training.json` says more."""

    photos: int = Field(ge=0)
    steps: int = Field(ge=0)
    seed: int | None = None
    recipe_digest: Line = ""
    facekit: Line


class Lineage(_Closed):
    """What it comes from."""

    parent: Sha256 | None = None
    """Digest of the preset that this one follows."""
    supersedes: Line | None = None
    """Its version."""
    merged_from: tuple[Sha256, ...] = ()


class Rights(_Closed):
    """Under which terms it may be used."""

    license: Line
    """SPDX, or `LicenseRef-...`."""
    commercial: bool
    redistribute: bool = False
    retain_until: Line | None = None


class BundleFile(_Closed):
    """One file of the bundle."""

    path: str
    size: int = Field(ge=0, le=MAX_TOTAL)
    sha256: Sha256
    role: Role
    biometric: bool
    """Whether a person can be told by what is in it."""

    @after(mode="after")
    def _may_be_called_so(self) -> Self:
        if fault := file_name_fault(self.path):
            raise ValueError(f"{self.path[:80]!r}: {fault}")
        if self.path.startswith(SIGNATURES) or self.path == MANIFEST:
            raise ValueError(f"{self.path}: is no content")
        return self


class Manifest(_Closed):
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

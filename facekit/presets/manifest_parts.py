"""The sections of a preset's manifest, as closed data."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic import model_validator as after

from facekit.presets.archive import MAX_TOTAL
from facekit.presets.names import MANIFEST, SIGNATURES, file_name_fault
from facekit.terms import SubjectType, is_person

__all__ = [
    "Adapter",
    "Author",
    "Base",
    "BundleFile",
    "Closed",
    "Defaults",
    "Encoder",
    "Evaluation",
    "Line",
    "Lineage",
    "Rights",
    "Role",
    "Sha256",
    "Subject",
    "Summary",
    "Text",
    "Training",
]

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


class Closed(BaseModel):
    """Frozen, and without keys that nobody knows."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Author(Closed):
    """Who packed it."""

    name: Line
    keyid: Sha256 | None = None
    """Of the key that they sign with."""


class Subject(Closed):
    """Whose face it is."""

    type: SubjectType
    ref: Line = ""
    """Random and stable per person inside the organisation; never a name."""
    consent: str | None = None
    """Path of the consent record."""
    consent_digest: Sha256 | None = None
    """sha256 of that record as canonical JSON, without its signatures."""

    @after(mode="after")
    def _has_consent(self) -> Self:
        if is_person(self.type) and self.consent is None:
            raise ValueError(f"type is {self.type!r} and there is no consent")
        return self


class Base(Closed):
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


class Encoder(Closed):
    """The face encoder that made the tokens."""

    name: Line
    digest: Line = ""
    dim: int = Field(ge=0)
    license: Line
    commercial: bool


class Adapter(Closed):
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


class Defaults(Closed):
    """How shots are sampled when nobody says otherwise."""

    steps: int | None = None
    guidance: float | None = None
    num_frames: int | None = None
    aspect: Line | None = None


class Summary(Closed):
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


class Evaluation(Closed):
    """What was measured, and where it stands."""

    report: str | None = None
    parity: str | None = None
    summary: Summary = Summary()


class Training(Closed):
    """How it was trained, in short; `provenance/training.json` says more."""

    photos: int = Field(ge=0)
    steps: int = Field(ge=0)
    seed: int | None = None
    recipe_digest: Line = ""
    facekit: Line


class Lineage(Closed):
    """What it comes from."""

    parent: Sha256 | None = None
    """Digest of the preset that this one follows."""
    supersedes: Line | None = None
    """Its version."""


class Rights(Closed):
    """Under which terms it may be used."""

    license: Line
    """SPDX, or `LicenseRef-...`."""
    commercial: bool
    redistribute: bool = False
    retain_until: Line | None = None
    """Until which day the consent lets the character be kept; after it, it is refused."""

    @after(mode="after")
    def _is_day(self) -> Self:
        if self.retain_until is not None:
            date.fromisoformat(self.retain_until)
        return self


class BundleFile(Closed):
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

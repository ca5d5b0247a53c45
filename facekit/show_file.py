"""What a show agrees on: its people and their roles, policies, registries; ``facekit.toml``."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationError
from pydantic import model_validator as after

from facekit.closed import Closed, told_mistakes
from facekit.errors import FacekitError, UsageError
from facekit.signing.keys import PublicKey
from facekit.signing.open_secrets import find_secret
from facekit.terms import MaybeWord, Place, Word

__all__ = [
    "SHOW_FILE",
    "Channel",
    "ConsentPlace",
    "Gates",
    "LedgerPlace",
    "Person",
    "Project",
    "Provenance",
    "RegistryAddress",
    "Rules",
    "Show",
    "find_show",
    "parse_show",
    "read_show",
]

SHOW_FILE: Final = "facekit.toml"

_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""Of a role, a channel or a registry: small letters, digits, - and _."""


class Project(Closed):
    """Which show this is."""

    id: str = ""
    """Dotted name that its presets begin with, such as `org.studio.show`."""


class Person(Closed):
    """Somebody whose signature counts, and for what."""

    key: str
    """A line of an OpenSSH `.pub` file, Ed25519."""
    former_keys: tuple[str, ...] = ()
    """What this key replaced; what was signed with them still counts. Remove one that leaked."""
    roles: tuple[_Name, ...] = ()

    @after(mode="after")
    def _are_keys(self) -> Self:
        self.all_keys()
        return self

    def all_keys(self) -> tuple[PublicKey, ...]:
        """The key, and those that it replaced."""
        try:
            return tuple(PublicKey.from_line(line) for line in (self.key, *self.former_keys))
        except FacekitError as error:
            raise ValueError(str(error)) from error


class Gates(Closed):
    """What the numbers in a manifest have to reach; None asks for nothing."""

    passed: bool | None = None
    """True: its report must say that all gates were passed."""
    sim_held: float | None = None
    """At least."""
    sim_held_low: float | None = None
    """At least."""
    likeness_ratio: float | None = None
    """At least."""
    coverage: float | None = None
    """At least."""
    xmin: float | None = None
    """At least."""
    drift: float | None = None
    """At most."""
    commercial: bool | None = None
    """True: base, encoder and rights must all allow commercial use."""
    parity: bool | None = None
    """True: it must bring a parity vector."""


class Channel(Closed):
    """What has to hold before a channel may point at a preset."""

    approve: dict[_Name, Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=dict)
    """How many people of each role must approve."""
    promote: tuple[_Name, ...] = ()
    """Roles that may move the channel; those of `approve` when empty, and where that is empty
    too, those of any channel's `approve`."""
    gates: Gates = Gates()


class RegistryAddress(Closed):
    """Where presets are kept."""

    uri: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    """A folder, or any URI of fsspec: `s3://bucket/presets`, `hf://datasets/org/presets`."""
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """For the file system, as fsspec takes them, such as `endpoint_url`; never a secret."""
    writers: Literal["many", "one"] = "many"
    """`one` where a storage cannot create a file only if it is absent, so that you promise it."""
    mirror_of: _Name | None = None
    """The registry that this one copies; it is only read then."""

    @after(mode="after")
    def _holds_no_secret(self) -> Self:
        if named := find_secret(self.uri, self.options):
            raise ValueError(f"{named}, which does not belong into a file that is shared")
        return self


class Rules(Closed):
    """What holds for every channel."""

    revoke: tuple[_Name, ...] = ()
    """Roles that may revoke; the roles of all `approve` when empty."""
    reject: tuple[_Name, ...] = ()
    """Roles that may reject; the roles of all `approve` when empty."""
    signed: bool = True
    """Whether a preset must be signed by whoever packed it, with a key that counts."""
    clock_skew_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """A statement from further ahead than this is not counted."""
    offline_hours: Annotated[float, Field(ge=1, le=87_600)] = 72.0
    """How long a locked preset may be used without asking the registry for revocations."""


class ConsentPlace(Closed):
    """Where records of consent are kept, and what shots are made for where nobody says it."""

    folder: str = "consent"
    """From the folder of this file."""
    use: MaybeWord = ""
    """Such as `narrative-fiction`; the first that all consents allow when empty."""
    territory: tuple[Place, ...] = ()
    """Where the work is shown: `world`, or countries such as `DE`; the world when empty."""
    territory_exclude: tuple[Place, ...] = ()
    media: tuple[Word, ...] = ()
    """Such as `film`; all of them when empty."""
    roles: tuple[_Name, ...] = ()
    """People of these roles alone may sign consents, such as `legal`; everybody when empty."""
    required: bool = False
    """True: characters of which nobody says whose face they are get no shots either."""


class LedgerPlace(Closed):
    """Where the ledger of use is kept."""

    file: str = "ledger.jsonl"
    """From the folder of this file."""


class Provenance(Closed):
    """What the videos and pictures that are made say of themselves."""

    sign: bool = True
    """Whether they carry content credentials."""
    certificates: str | None = None
    """PEM file of a chain, the signing certificate first; facekit makes its own when absent."""
    private_key: str | None = None
    """PEM file of the key of the first of `certificates`."""
    algorithm: Literal["ed25519", "es256", "es384", "es512", "ps256", "ps384", "ps512"] = "ed25519"
    """Of that key."""
    anchors: str | None = None
    """PEM file of roots whose certificates and time stamps are trusted, beside the keys of `keys
    trust`."""
    timestamp: str | None = None
    """URL of a time stamp authority (RFC 3161), asked for every file; none when absent."""
    watermark: str | None = None
    """TorchScript file of VideoSeal, which marks frames invisibly; none when absent."""
    watermark_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of that file."""
    label: Literal["eu", "cn", "custom"] | None = None
    """Visible label of the movies that a render delivers; none when absent."""
    label_text: str | None = None
    """Other words than those of the profile."""
    label_font: str | None = None
    """Font file that has the letters."""

    @after(mode="after")
    def _is_whole(self) -> Self:
        if self.label is None and (self.label_text or self.label_font):
            raise ValueError("label_text and label_font need label, which says by whose rules")
        if (self.certificates is None) != (self.private_key is None):
            raise ValueError("certificates and private_key go together, one alone does nothing")
        if (self.watermark is None) != (self.watermark_sha256 is None):
            raise ValueError("watermark and watermark_sha256 go together")
        return self


class Show(Closed):
    """The whole file."""

    project: Project = Project()
    people: dict[str, Person] = Field(default_factory=dict)
    policy: dict[_Name, Channel] = Field(default_factory=dict)
    """By channel."""
    registries: dict[_Name, RegistryAddress] = Field(default_factory=dict)
    rules: Rules = Rules()
    consent: ConsentPlace = ConsentPlace()
    ledger: LedgerPlace = LedgerPlace()
    provenance: Provenance = Provenance()

    @after(mode="after")
    def _holds_together(self) -> Self:
        owner: dict[str, str] = {}
        for name, person in self.people.items():
            for key in person.all_keys():
                if owner.setdefault(key.keyid, name) != name:
                    raise ValueError(f"people.{name}: has the key of {owner[key.keyid]}")
        for name, address in self.registries.items():
            other = address.mirror_of
            if other is not None and (
                other not in self.registries or self.registries[other].mirror_of is not None
            ):
                raise ValueError(f"registries.{name}: mirror_of names {other}, no registry to copy")
        return self

    @property
    def deciding_roles(self) -> frozenset[str]:
        """Every role that some channel asks for."""
        return frozenset(role for channel in self.policy.values() for role in channel.approve)

    def all_keys(self) -> tuple[PublicKey, ...]:
        """All keys of all people."""
        return tuple(key for person in self.people.values() for key in person.all_keys())

    def person_of(self, key: PublicKey) -> str | None:
        """Whose key it is; None when nobody's."""
        for name, person in self.people.items():
            if key in person.all_keys():
                return name
        return None

    def channel(self, name: str) -> Channel:
        """The policy of a channel; one that asks for nothing where none is written."""
        return self.policy.get(name, Channel())


def find_show(folder: Path | None = None) -> Path | None:
    """Find ``facekit.toml`` in a folder or the nearest one above; None when there is none.

    Args:
        folder: Where to begin; the working folder when None.
    """
    start = Path.cwd() if folder is None else folder.absolute()
    for place in (start, *start.parents):
        if (place / SHOW_FILE).is_file():
            return place / SHOW_FILE
    return None


def read_show(path: Path | None) -> Show:
    """Read a show's file; an empty show for None.

    Raises:
        UsageError: It cannot be read, or says what no show can; every mistake is named.
    """
    if path is None:
        return Show()
    try:
        return parse_show(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not TOML ({error}); correct that line") from error


def parse_show(text: str, name: Path | str) -> Show:
    """Read the content of a show's file; `name` is what messages call it.

    Raises:
        UsageError: It says what no show can; every mistake is named.
    """
    try:
        tree: Mapping[str, Any] = tomllib.loads(text)
        return Show.model_validate(tree)
    except ValidationError as error:
        raise UsageError(
            f"{name}: {told_mistakes(error)}; correct it, docs/howto/registry.md shows a whole one"
        ) from error
    except ValueError as error:
        raise UsageError(f"{name}: not TOML ({error}); correct that line") from error

"""What a character file says about itself: everything that is not a tensor."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, Self, TypeAlias, get_args

from facekit.adapters.lora import LoraSettings
from facekit.terms import SubjectType, is_person

__all__ = ["CharacterHeader", "PhotoRecord", "PhotoRole", "SubjectRecord"]

PhotoRole: TypeAlias = Literal["train", "held_out"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRecord:
    """A photo as the file remembers it: enough to find it again and to know that it is the one."""

    name: str
    """Its way from the folder that holds all photos, with forward slashes."""
    sha256: str
    """Of the file, 64 hex digits."""
    pixels_sha256: str
    """Of its pixels, so that a copy is known under another name and in another format."""
    role: PhotoRole
    turned_deg: int = 0
    """How far the picture was turned clockwise before it was used; both digests are of the turned
    one."""
    cut_xyxy_px: tuple[int, int, int, int] | None = None
    """The part of the turned picture that was used, left, top, right, bottom; both digests are of
    that part. None for all of it."""

    def __post_init__(self) -> None:
        """Refuse a name that leads out of a folder, and what is no digest and no role."""
        name = PurePosixPath(self.name)
        if not name.name or name.is_absolute() or ".." in name.parts:
            raise ValueError(f"photo name is {self.name!r}, expected one inside a folder")
        for digest in (self.sha256, self.pixels_sha256):
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"{self.name}: sha256 is {digest!r}, expected 64 hex digits")
        if self.role not in get_args(PhotoRole):
            raise ValueError(f"{self.name}: role is {self.role!r}, expected 'train' or 'held_out'")
        if self.turned_deg not in (0, 90, 180, 270):
            raise ValueError(
                f"{self.name}: turned_deg is {self.turned_deg!r}, expected 0, 90, 180 or 270"
            )
        cut = self.cut_xyxy_px
        if cut is not None:
            is_box = len(cut) == 4 and all(isinstance(value, int) for value in cut)
            if not is_box or not (0 <= cut[0] < cut[2] and 0 <= cut[1] < cut[3]):
                raise ValueError(
                    f"{self.name}: cut_xyxy_px is {cut!r}, expected left, top, right and bottom"
                )
            object.__setattr__(self, "cut_xyxy_px", tuple(cut))  # JSON knows lists alone


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRecord:
    """Whose face it is, as whoever trained it said."""

    type: SubjectType
    ref: str = ""
    """Random, one per person; empty where nobody is depicted."""
    consent: str = ""
    """sha256 of the record of consent that it was trained under."""

    def __post_init__(self) -> None:
        """Refuse a kind that is unknown, and a person without a consent."""
        if self.type not in get_args(SubjectType):
            raise ValueError(f"subject is {self.type!r}, expected one of {get_args(SubjectType)}")
        if is_person(self.type) and not (self.ref and _SHA256.fullmatch(self.consent)):
            raise ValueError(f"subject is {self.type} without reference or consent")


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterHeader:
    """What a character file says about itself."""

    name: str
    level: str
    """``L0`` enrolled, ``L1`` tokens tuned, ``L2`` tokens and LoRA, ``none`` only a LoRA."""
    backbone: str
    """Name of the backbone spec."""
    backbone_digest: str = ""
    """sha256 of that backbone's transformer; empty when unknown."""
    encoder: str = ""
    """Name of the face encoder that made the embeddings."""
    encoder_digest: str = ""
    trigger: str = ""
    """The words that call the character in a prompt."""
    strength: float = 1.0
    """Of the identity branch when the character was trained; what a caller asks for multiplies
    it."""
    sigma_window: tuple[float, float] = (0.0, 1.0)
    """Noise levels, low and high, between which the identity branch is on."""
    sites: tuple[str, ...] = ()
    lora: LoraSettings | None = None
    adapter_digest: str = ""
    """sha256 of the base identity adapter that folded the tokens; for the record only."""
    run_digest: str = ""
    """sha256 of everything that decided the weights; tells one run from another."""
    photos: tuple[PhotoRecord, ...] = ()
    """The usable photos, trained on and held out."""
    subject: SubjectRecord | None = None
    """Whose face it is; None where nobody said it, or where the backbone draws drawings alone. It
    is left out of the file then."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Steps, losses, scores: for people. Only `recipe_digest` is read back, to tell whether a
    recipe beside the file is the one that trained it."""

    def __post_init__(self) -> None:
        """Refuse numbers that conditioning could not use."""
        low, high = self.sigma_window
        if not 0 <= low < high <= 1:
            raise ValueError(f"sigma_window is [{low}, {high}], expected 0 <= low < high <= 1")
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise ValueError(f"strength is {self.strength}, expected 0 or more")

    @property
    def lora_scale(self) -> float:
        """Alpha / rank, or 0 without a LoRA."""
        return self.lora.scale if self.lora else 0.0

    def to_json(self) -> str:
        """Write as one line of JSON, the same for equal headers."""
        entries = {**asdict(self), "lora_scale": self.lora_scale}
        if self.subject is None:
            del entries["subject"]
        return json.dumps(entries, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; a derived entry is left out.

        Raises:
            ValueError: Not JSON, or an entry out of range.
            TypeError: An unknown entry, or one of another type.
            KeyError: A missing one.
        """
        entries = json.loads(text)
        entries.pop("lora_scale")
        entries["sites"] = tuple(entries["sites"])
        entries["sigma_window"] = tuple(entries["sigma_window"])
        entries["photos"] = tuple(PhotoRecord(**photo) for photo in entries["photos"])
        if entries.get("subject") is not None:
            entries["subject"] = SubjectRecord(**entries["subject"])
        if entries["lora"] is not None:
            entries["lora"]["targets"] = tuple(entries["lora"]["targets"])
            entries["lora"] = LoraSettings(**entries["lora"])
        return cls(**entries)

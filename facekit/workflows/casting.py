"""Who is in which shot and where, decided from prompts, characters and regions."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from facekit.adapters.character import Character
from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.generation.finding import FIRST_PASS_STEPS
from facekit.generation.regions import AUTO, Region, make_masks, parse_region
from facekit.types import Shot
from facekit.weights import known_digest

__all__ = [
    "ShotCast",
    "cast_prompts",
    "character_digest",
    "check_casts",
    "parse_regions",
    "whole_picture",
]

_WORDS = "words by region"
"""Tells takes of several characters from those whose regions all read one prompt."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotCast:
    """The characters of one shot, each with its region."""

    characters: tuple[Character, ...]
    regions: Mapping[str, Region] = dataclasses.field(default_factory=dict)
    """Name -> where; a character without one acts on the whole picture."""
    is_auto: bool = False
    """Whether regions are looked for in a first pass."""
    detector: str = ""
    """The face model that looks for them."""

    @property
    def is_plain(self) -> bool:
        """Whether it is one character all over the picture, as most shots are."""
        return len(self.characters) == 1 and not self.regions and not self.is_auto

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for shots that can be sampled with one attachment."""
        places = {name: region.key for name, region in self.regions.items()}
        return (*((who.source, places.get(who.name)) for who in self.characters), self.is_auto)

    def describe(self) -> str:
        """Write who is where, such as "mira left, tom right"."""
        return ", ".join(f"{who.name} {self._place(who)}" for who in self.characters)

    def fingerprint(self) -> list[object]:
        """What decides a take beside shot and settings, as plain data."""
        keys = {name: region.key for name, region in self.regions.items()}
        found: list[object] = [
            [known_digest(Path(who.source)), keys.get(who.name)] for who in self.characters
        ]
        if len(self.characters) > 1:
            found.append(_WORDS)
        return [*found, f"{AUTO} {FIRST_PASS_STEPS} {self.detector}"] if self.is_auto else found

    def to_json(self) -> list[dict[str, object]]:
        """Return names, files, their digests and regions."""
        return [
            {
                "name": who.name,
                "file": who.source,
                "sha256": character_digest(who),
                "region": self._place(who),
            }
            for who in self.characters
        ]

    def _place(self, who: Character) -> str:
        if self.is_auto:
            return AUTO
        return self.regions[who.name].text if who.name in self.regions else "everywhere"


def character_digest(character: Character) -> str | None:
    """The sha256 of a character's file; None where it was made in memory."""
    path = Path(character.source)
    return known_digest(path) if path.is_file() else None


def whole_picture(character: Character | None) -> ShotCast | None:
    """One character all over the picture; None for nobody."""
    return None if character is None else ShotCast(characters=(character,))


def parse_regions(said: Sequence[str], names: Sequence[str]) -> dict[str, Region | None]:
    """Read regions as the command line says them.

    Args:
        said: Each `NAME=REGION`.
        names: Of the characters at hand.

    Returns:
        Name -> region; None for one that is to be looked for.

    Raises:
        UsageError: Not of that form, an unknown name, a name twice, or an unknown region.
        MediaError: A drawn mask cannot be read.
    """
    found: dict[str, Region | None] = {}
    for text in said:
        name, is_there, region = text.partition("=")
        name = name.removeprefix("@")
        if not is_there or name not in names:
            known = ", ".join(names)
            raise UsageError(
                f"--region {text}: expected NAME=REGION with one of {known} as the name, such as"
                f" {names[0]}=left; correct it, or load that character with --with"
            )
        if name in found:
            raise UsageError(
                f"--region {text}: {name} has a region already, expected one for each; a region"
                " that moves is written with .. between its boxes"
            )
        found[name] = None if region == AUTO else parse_region(region)
    return found


def cast_prompts(
    prompts: Sequence[str],
    characters: Sequence[Character],
    regions: Mapping[str, Region | None],
    detector: str,
) -> tuple[ShotCast, ...]:
    """Decide who is in the shot of every prompt.

    One character alone is in all of them. Of several, those whom a prompt names are in its shot,
    each in its region; where none is given, regions are looked for.

    Args:
        prompts: With `@name` as they were given.
        characters: All that are at hand.
        regions: As from `parse_regions`.
        detector: The face model that looks for regions.

    Raises:
        UsageError: Two characters of one name; a prompt that names none of several; or regions for
            some in a shot and not for others.
    """
    names = [who.name for who in characters]
    for name in names:
        if names.count(name) > 1:
            files = " and ".join(who.source for who in characters if who.name == name)
            raise UsageError(
                f"{files}: both are called {name}, expected names that prompts can tell apart;"
                " leave one away, or train it under another name"
            )
    return tuple(_cast(prompt, characters, regions, detector) for prompt in prompts)


def _cast(
    prompt: str,
    characters: Sequence[Character],
    regions: Mapping[str, Region | None],
    detector: str,
) -> ShotCast:
    said = set(re.findall(r"@([A-Za-z][\w-]*)", prompt))
    there = tuple(who for who in characters if who.name in said or len(characters) == 1)
    if not there:
        names = ", ".join(f"@{who.name}" for who in characters)
        raise UsageError(
            f"prompt {prompt!r}: names nobody of the {len(characters)} characters, expected one or"
            f" more of {names}; say who is in the shot"
        )
    given = {who.name: regions[who.name] for who in there if who.name in regions}
    placed = {name: region for name, region in given.items() if region is not None}
    # One of several alone in a shot has the whole picture unless somebody says where it is.
    is_auto = not placed and (len(there) > 1 or bool(given))
    if placed and len(placed) < len(there):
        left = ", ".join(who.name for who in there if who.name not in placed)
        raise UsageError(
            f"prompt {prompt!r}: {', '.join(placed)} has a region and {left} has none, expected a"
            f" region for everybody in the shot or for nobody; add --region {left}=..., or leave"
            " all of them to be found"
        )
    return ShotCast(
        characters=there,
        regions=placed,
        is_auto=is_auto,
        detector=detector if is_auto else "",
    )


def check_casts(shots: Sequence[Shot], casts: Sequence[ShotCast], spec: BackboneSpec) -> None:
    """Refuse regions that a shot could not keep before the work begins.

    Args:
        shots: Give size and length.
        casts: Who is in them and where, one per shot.
        spec: The backbone.

    Raises:
        UsageError: Regions that do not fit the picture or cover one another.
    """
    for shot, cast in zip(shots, casts, strict=True):
        if cast.regions:
            make_masks(cast.regions, shot, spec)

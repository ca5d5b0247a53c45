"""A character file in memory, and its part in a pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from facekit.adapters.character_file import ADAPTER_FILE, CharacterFile
from facekit.adapters.character_loras import LoraParts
from facekit.adapters.conditioning import Conditioning, Strength
from facekit.adapters.judging_faces import JudgingFaces
from facekit.adapters.made_for import check_backbone
from facekit.adapters.site_checks import check_sites, check_widths
from facekit.backbones.digest import pipeline_digest
from facekit.backbones.spec import BackboneSpec, detect_spec
from facekit.errors import AdapterError, AdapterMismatch, UsageError

__all__ = ["Character", "check_characters", "load_character", "no_identity"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Character:
    """A loaded character file and where it came from."""

    file: CharacterFile
    source: str
    """The path, for messages."""
    judging: JudgingFaces | None = None
    """What takes are judged by where its photos are not at hand; the templates of a preset have
    it."""

    @property
    def name(self) -> str:
        """The character's name."""
        return self.file.header.name

    @property
    def trigger(self) -> str:
        """The words that call the character in a prompt."""
        return self.file.header.trigger

    @property
    def lora(self) -> LoraParts | None:
        """The size and the weights of its LoRA; None without one."""
        settings = self.file.header.lora
        return None if settings is None else (settings, self.file.lora)

    def keeps_to_region(self, spec: BackboneSpec) -> bool:
        """Whether it can be kept to a part of the picture: its LoRA, for the identity branch can.

        Args:
            spec: The backbone; knows whose tokens a layer reads.
        """
        lora = self.lora
        place = spec.family.lora_place
        return lora is None or all(place(path) is not None for path in lora[1])

    def conditioning(
        self, strength: Strength = 1.0, mask_LHW: Tensor | None = None
    ) -> Conditioning | None:
        """The character's part in a pass; None when it is a plain LoRA.

        Args:
            strength: Multiplies the strength that the character was trained with.
            mask_LHW: Where it is, as in ``Conditioning``.
        """
        if self.file.identity is None:
            return None
        trained = self.file.header.strength
        return Conditioning(
            identity=self.file.identity,
            null=self.file.null,
            strength=tuple(trained * key for key in strength)
            if isinstance(strength, Sequence)
            else trained * strength,
            mask_LHW=mask_LHW,
            window=self.file.header.sigma_window,
        )


def load_character(path: Path | str) -> Character:
    """Load a character file, or the one in a folder.

    Raises:
        AdapterDamaged: Missing, truncated, altered or not a character file.
        AdapterError: Its tensors are not those its header describes, or have no effect.
    """
    path = Path(path)
    if path.is_dir():
        path = path / ADAPTER_FILE
    return Character(file=CharacterFile.load(path), source=str(path))


def no_identity(character: Character, option: str) -> AdapterError:
    """Make the error that refuses an option of the identity branch for a plain LoRA."""
    return AdapterError(
        f"{character.source}: a plain LoRA has no identity branch, got {option}, expected none;"
        f" leave it away, or train {character.name} with an identity.level above none"
    )


def check_characters(pipe: Any, given: Sequence[Character], allow_other: bool) -> BackboneSpec:
    """Compare a pipeline with the backbone that characters were made for.

    Args:
        pipe: Of any backbone.
        given: At least one.
        allow_other: Its weights may be others.

    Returns:
        The pipeline's backbone.

    Raises:
        AdapterMismatch: It is another one, or its sites are of another width.
        SiteMissing: It has other sites.
    """
    try:
        spec = detect_spec(pipe)
    except UsageError as error:
        raise AdapterMismatch(f"{given[0].source}: {error}") from error
    digest = pipeline_digest(pipe)
    for character in given:
        check_backbone(
            character.source,
            character.file.header,
            spec.name,
            digest,
            allow_other_weights=allow_other,
        )
        identity, network = character.file.identity, spec.family.network(pipe)
        if identity is not None:
            check_sites(identity.sites, spec.sites(network), spec)
            widths = {site: key.shape[-1] for site, key in identity.keys.items()}
            check_widths(widths, network, spec, character.source)
    return spec

"""Put characters onto a stock pipeline and take them off again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.character_file import ADAPTER_FILE, CharacterFile
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.guidance import Guidance, Unconditional
from facekit.adapters.lora import (
    LoraStance,
    add_lora,
    load_lora_state,
    named_lora_parameters,
    remove_lora,
    set_lora_strength,
)
from facekit.adapters.made_for import check_backbone
from facekit.backbones.digest import pipeline_digest
from facekit.backbones.spec import BackboneSpec, detect_spec, site_module
from facekit.errors import AdapterError, AdapterMismatch, UsageError

__all__ = [
    "Character",
    "CharacterAttachment",
    "attach_characters",
    "load_character",
    "no_identity",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Character:
    """A loaded character file and where it came from."""

    file: CharacterFile
    source: str
    """The path, for messages."""

    @property
    def name(self) -> str:
        """The character's name."""
        return self.file.header.name

    @property
    def trigger(self) -> str:
        """The words that call the character in a prompt."""
        return self.file.header.trigger

    def conditioning(
        self, strength: float | Sequence[float] = 1.0, mask_LHW: Tensor | None = None
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


class CharacterAttachment:
    """Characters on a pipeline: identity and LoRA under one strength. Made by ``attach``.

    As a context manager it detaches at the end of the block.
    """

    def __init__(
        self,
        transformer: Any,
        spec: BackboneSpec,
        identity: Attachment | None,
        conditionings: tuple[Conditioning, ...],
        characters: tuple[Character, ...],
    ) -> None:
        self.transformer = transformer
        self.spec = spec
        """The backbone: how long prompts are padded, which sizes it draws."""
        self.identity = identity
        """Conditions on other masks, windows or guidance; None when all are plain LoRAs."""
        self.conditionings = conditionings
        self.characters = characters
        self._stances: list[LoraStance] = []
        self._loras: list[tuple[Any, str]] = []  # with the network that carries it
        self._is_detached = False

    def set_strength(self, strength: float) -> None:
        """Scale identity and LoRA together.

        1 is as trained; 0 gives the bare backbone bit-exactly. Above 1 is more than training knew,
        and the picture breaks before long.

        Raises:
            UsageError: Below 0, or no finite number.
            AdapterError: Detached already.
        """
        if self._is_detached:
            raise AdapterError(
                "set_strength after detach, expected a pipeline that carries the characters; attach"
                " them again"
            )
        if not (math.isfinite(strength) and strength >= 0):
            raise UsageError(
                f"strength is {strength:g}, expected 0 or more; 0 leaves the character out"
            )
        if self.identity is not None:
            self.identity.set_strength(strength)
        self.set_lora_strength(strength)

    def set_lora_strength(self, strength: float) -> None:
        """Scale only the LoRA."""
        for network, name in self._loras:
            set_lora_strength(network, strength, name)

    def detach(self) -> None:
        """Give the transformer back exactly as it was; a second call does nothing.

        That includes other LoRAs on it, and which of its parameters learn.
        """
        self._is_detached = True
        if self.identity is not None:
            self.identity.detach()
        for network, name in self._loras:
            remove_lora(network, name)
        self._loras.clear()
        for stance in self._stances:
            stance.restore()
        self._stances.clear()

    def __enter__(self) -> Self:
        """Nothing happens; the block ends with ``detach``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detach."""
        self.detach()

    def _add_lora(self, pipe: Any, character: Character) -> None:
        settings = character.file.header.lora
        if settings is None:
            return
        if settings.expert == "high" and self.spec.num_experts == 1:
            raise AdapterMismatch(
                f"{character.source}: its LoRA is for much noise alone, expected one for all noise"
                f" levels, for {self.spec.name} has one network; use the backbone it was made for"
            )
        name = f"{character.name}_{len(self._loras)}".replace(".", "_")
        settings = replace(settings, targets=settings.targets or self.spec.lora_targets)
        network = self.spec.family.network(pipe, settings.expert)
        if network not in [earlier for earlier, _ in self._loras]:
            self._stances.append(LoraStance(network))
        add_lora(network, self.spec, settings, name=name)
        self._loras.append((network, name))
        load_lora_state(network, character.file.lora, name)
        for parameter in named_lora_parameters(network, name).values():
            parameter.requires_grad_(False)


def attach_characters(
    pipe: Any,
    characters: Character | Sequence[Character],
    strength: float = 1.0,
    *,
    masks_LHW: Sequence[Tensor | None] | None = None,
    unconditional: Unconditional = "null",
    guidance: Guidance = "two_way",
    identity_guidance: float | None = None,
    guidance_scale: float | None = None,
    allow_other_weights: bool = False,
) -> CharacterAttachment:
    """Attach one or several characters to a stock diffusers pipeline.

    The pipeline is called as ever afterwards. All of it or nothing: after an error the pipeline
    is as it was.

    Args:
        pipe: Of any backbone; pipelines that share its network get the characters too.
        characters: Loaded from character files. Several LoRAs add up over the whole picture.
        strength: Of identity and LoRA, times what they were trained with.
        masks_LHW: Where each character is, on the latent token grid, as in ``Conditioning``.
        unconditional: As for ``Attachment.condition``, like the three that follow.
        guidance: Two-way or three-way.
        identity_guidance: Of three-way guidance.
        guidance_scale: The pipeline's own, needed for three-way guidance.
        allow_other_weights: Go on when the backbone has the right shape but another digest, such
            as a finetuned one.

    Raises:
        AdapterMismatch: The pipeline is not the backbone that a character was made for.
        AlreadyAttached: Characters are attached already.
        AdapterError: Options that contradict each other, or that a plain LoRA has no part in.
        UsageError: A strength below 0.
    """
    given = (characters,) if isinstance(characters, Character) else tuple(characters)
    masks = tuple(masks_LHW) if masks_LHW is not None else (None,) * len(given)
    if not given or len(masks) != len(given):
        raise UsageError(
            f"{len(given)} characters and {len(masks)} masks, expected at least one character and"
            " a mask (or None) for each; pass one mask per character"
        )
    spec = _check_backbone(pipe, given, allow_other_weights)
    transformer = spec.family.network(pipe)
    placed = [
        (character, mask, character.conditioning(mask_LHW=mask))
        for character, mask in zip(given, masks, strict=True)
    ]
    for character, mask, conditioning in placed:
        if conditioning is None and mask is not None:
            raise no_identity(character, "a mask")
    conditionings = tuple(item for _, _, item in placed if item is not None)
    asked = (unconditional, guidance, identity_guidance, guidance_scale)
    if asked != ("null", "two_way", None, None) and not conditionings:
        raise no_identity(given[0], "guidance of the identity")
    identity = None
    if conditionings:
        identity = attach(spec.sites(transformer), transformer, spec, pipe=pipe)
    attachment = CharacterAttachment(transformer, spec, identity, conditionings, given)
    try:
        for character in given:
            attachment._add_lora(pipe, character)
        if identity is not None:
            identity.condition(
                conditionings,
                unconditional=unconditional,
                guidance=guidance,
                identity_guidance=identity_guidance,
                guidance_scale=guidance_scale,
            )
        attachment.set_strength(strength)
    except BaseException:
        attachment.detach()
        raise
    return attachment


def no_identity(character: Character, option: str) -> AdapterError:
    """Make the error that refuses an option of the identity branch for a plain LoRA."""
    return AdapterError(
        f"{character.source}: a plain LoRA acts on the whole picture and has no identity branch,"
        f" got {option}, expected none; leave it away, or train {character.name} with an"
        " identity.level above none"
    )


def _check_backbone(pipe: Any, given: Sequence[Character], allow_other: bool) -> BackboneSpec:
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
        _check_width(spec.family.network(pipe), character, spec)
    return spec


def _check_width(transformer: Any, character: Character, spec: BackboneSpec) -> None:
    identity = character.file.identity
    if identity is None or set(identity.sites) != set(spec.sites(transformer)):
        return  # attach says what is wrong with the sites
    for site in identity.sites:
        kind = spec.family.site_kind(transformer, site)
        got, width = identity.keys[site].shape[-1], kind.width(site_module(transformer, site))
        if got != width:
            raise AdapterMismatch(
                f"{character.source}: {site} is {got} wide, the pipeline's {width}, expected the"
                " same; load the backbone it was made for"
            )

"""Put characters onto a stock pipeline and take them off again."""

import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.character_loras import CharacterLoras, LoraParts
from facekit.adapters.conditioning import Conditioning, Strength
from facekit.adapters.guards import check_network
from facekit.adapters.guidance import Guidance, Unconditional
from facekit.adapters.loaded_character import (
    Character,
    check_characters,
    load_character,
    no_identity,
)
from facekit.backbones.family import Expert
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterError, AdapterMismatch, UsageError

__all__ = [
    "Character",
    "CharacterAttachment",
    "attach_characters",
    "load_character",
    "no_identity",
]


class CharacterAttachment:
    """Characters on a pipeline: identity and LoRA under one strength. Made by ``attach``.

    As a context manager it detaches at the end of the block.
    """

    def __init__(
        self,
        pipe: Any,
        spec: BackboneSpec,
        *,
        has_identity: bool,
        allow_other_weights: bool,
        **guidance: Any,
    ) -> None:
        self.transformer = spec.family.network(pipe)
        self.spec = spec
        """The backbone: how long prompts are padded, which sizes it draws."""
        self.identity: Attachment | None = None
        """Conditions on other masks, windows or guidance; None when all are plain LoRAs."""
        if has_identity:
            self.identity = attach(spec.sites(self.transformer), self.transformer, spec, pipe=pipe)
        self.conditionings: tuple[Conditioning, ...] = ()
        self.characters: tuple[Character, ...] = ()
        self._pipe = pipe
        self._masks: Sequence[Tensor | None] = ()
        self._allow_other_weights = allow_other_weights
        self._guidance = guidance
        experts: tuple[Expert, ...] = ("low",) if spec.num_experts == 1 else ("low", "high")
        self._loras = {
            expert: CharacterLoras(spec.family.network(pipe, expert), spec, pipe)
            for expert in experts
        }
        self._strength: Strength = 1.0
        self._is_detached = False

    @property
    def lora_names(self) -> tuple[str, ...]:
        """What peft calls the characters' LoRAs, by their places and not by their names."""
        names = (name for loras in self._loras.values() for name in loras.names)
        return tuple(dict.fromkeys(names))

    def set_strength(self, strength: Strength) -> None:
        """Scale identity and LoRA together.

        1 is as trained; 0 gives the bare backbone bit-exactly. Above 1 is more than training knew,
        and the picture breaks before long.

        Args:
            strength: A number, or keyframes spread evenly over the clip from its first to its
                last frame. A LoRA acts on all frames at once and takes their mean.

        Raises:
            UsageError: Below 0, or no finite number.
            AdapterError: Detached already; or keyframes for a plain LoRA.
        """
        self._must_be_attached("set_strength")
        keys = tuple(strength) if isinstance(strength, Sequence) else (strength,)
        if not keys or not all(math.isfinite(key) and key >= 0 for key in keys):
            told = ", ".join(f"{key:g}" for key in keys)
            raise UsageError(
                f"strength is {told or 'nothing'}, expected 0 or more; 0 leaves the character out"
            )
        for character in self.characters if isinstance(strength, Sequence) else ():
            if character.file.identity is None:
                raise no_identity(character, "keyframes of strength")
        self._strength = keys if isinstance(strength, Sequence) else float(strength)
        if self.identity is not None:
            self.identity.set_strength(self._strength)
        self.set_lora_strength(sum(keys) / len(keys))

    def set_strengths(self, strengths: Sequence[Strength]) -> None:
        """Scale each character by itself, identity and LoRA together.

        Args:
            strengths: One per character, each as for ``set_strength``; of keyframes a LoRA takes
                the mean.

        Raises:
            AdapterError: Detached already.
        """
        self._must_be_attached("set_strengths")
        self._strength = 1.0
        if self.identity is not None:
            rows = zip(self.characters, strengths, self._masks, strict=True)
            placed = [who.conditioning(strength, mask) for who, strength, mask in rows]
            self.conditionings = tuple(one for one in placed if one is not None)
            self.identity.condition(self.conditionings, **self._guidance)
            self.identity.set_strength(1.0)
        keys = [one if isinstance(one, Sequence) else (one,) for one in strengths]
        for loras in self._loras.values():
            loras.set_strengths([sum(each) / len(each) for each in keys])

    def set_lora_strength(self, strength: float) -> None:
        """Scale only the LoRA."""
        for loras in self._loras.values():
            loras.set_strength(strength)

    def switch_to(
        self,
        characters: Character | Sequence[Character],
        *,
        masks_LHW: Sequence[Tensor | None] | None = None,
    ) -> None:
        """Put other characters in the place of these; strength and guidance stay.

        Much quicker than to detach and attach, for a LoRA of the same size is only filled anew.
        All of it or nothing: after an error the pipeline has the characters that it had.

        Args:
            characters: For the same backbone; with an identity branch if those before had one.
            masks_LHW: Where each of them is; everywhere when None.

        Raises:
            AdapterMismatch: The pipeline is not the backbone that a character was made for.
            AdapterError: Detached already; or only one of before and after has an identity branch.
        """
        self._must_be_attached("switch_to")
        before = (self.characters, self._masks)
        given, masks = _pairs(characters, masks_LHW)
        check_characters(self._pipe, given, self._allow_other_weights)
        try:
            self._put(given, masks)
            self.set_strength(self._strength)
        except BaseException:
            self._put(*before)
            self.set_strength(self._strength)
            raise

    def detach(self) -> None:
        """Give the transformer back exactly as it was; a second call does nothing.

        That includes other LoRAs on it, and which of its parameters learn.
        """
        self._is_detached = True
        if self.identity is not None:
            self.identity.detach()
        for loras in self._loras.values():
            loras.take_off()

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

    def _put(self, given: Sequence[Character], masks: Sequence[Tensor | None]) -> None:
        placed = []
        for character, mask in zip(given, masks, strict=True):
            conditioning = character.conditioning(mask_LHW=mask)
            if conditioning is not None:
                placed.append(conditioning)
        if bool(placed) != (self.identity is not None):
            raise AdapterError(
                f"{given[0].source}: {'an' if placed else 'no'} identity branch, expected the"
                " same as the characters before; detach them and attach this one"
            )
        wanted = {
            expert: [_lora_of(character, expert) for character in given] for expert in self._loras
        }
        for character in given:
            self._must_have_the_network(character)
        for expert, loras in self._loras.items():
            check_network(loras.network, has_lora=any(wanted[expert]))
        for expert, loras in self._loras.items():
            loras.put(wanted[expert], masks)
        if self.identity is not None:
            self.identity.condition(placed, **self._guidance)
        self.conditionings, self.characters = tuple(placed), tuple(given)
        self._masks = masks

    def _must_have_the_network(self, character: Character) -> None:
        lora = character.lora
        if lora is not None and lora[0].expert not in self._loras:
            raise AdapterMismatch(
                f"{character.source}: its LoRA is for much noise alone, expected one for all noise"
                f" levels, for {self.spec.name} has one network; use the backbone it was made for"
            )

    def _must_be_attached(self, method: str) -> None:
        if self._is_detached:
            raise AdapterError(
                f"{method} after detach, expected a pipeline that carries the characters; attach"
                " them again"
            )


def _lora_of(character: Character, expert: Expert) -> LoraParts | None:
    """Its LoRA where it belongs on this network."""
    lora = character.lora
    return lora if lora is not None and lora[0].expert == expert else None


def attach_characters(
    pipe: Any,
    characters: Character | Sequence[Character],
    strength: Strength = 1.0,
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
        characters: Loaded from character files. LoRAs without a mask add up over the whole picture.
        strength: Of identity and LoRA, times what they were trained with; as for
            ``CharacterAttachment.set_strength``.
        masks_LHW: Where each character is, on the latent token grid, as in ``Conditioning``; its
            identity and its LoRA act there and nowhere else.
        unconditional: As for ``Attachment.condition``, like the three that follow.
        guidance: Two-way or three-way.
        identity_guidance: Of three-way guidance.
        guidance_scale: The pipeline's own, needed for three-way guidance.
        allow_other_weights: Go on when the backbone has the right shape but another digest, such
            as a finetuned one.

    Raises:
        AdapterMismatch: The pipeline is not the backbone that a character was made for.
        AlreadyAttached: Characters are attached already.
        AdapterError: Options that contradict each other, or that a plain LoRA has no part in; or
            a pipeline set up in a way that would lose a character.
        UsageError: A strength below 0.
    """
    given, masks = _pairs(characters, masks_LHW)
    spec = check_characters(pipe, given, allow_other_weights)
    has_identity = any(character.file.identity is not None for character in given)
    asked = (unconditional, guidance, identity_guidance, guidance_scale)
    if asked != ("null", "two_way", None, None) and not has_identity:
        raise no_identity(given[0], "guidance of the identity")
    attachment = CharacterAttachment(
        pipe,
        spec,
        has_identity=has_identity,
        allow_other_weights=allow_other_weights,
        unconditional=unconditional,
        guidance=guidance,
        identity_guidance=identity_guidance,
        guidance_scale=guidance_scale,
    )
    try:
        attachment._put(given, masks)
        attachment.set_strength(strength)
    except BaseException:
        attachment.detach()
        raise
    return attachment


def _pairs(
    characters: Character | Sequence[Character], masks_LHW: Sequence[Tensor | None] | None
) -> tuple[tuple[Character, ...], tuple[Tensor | None, ...]]:
    given = (characters,) if isinstance(characters, Character) else tuple(characters)
    masks = tuple(masks_LHW) if masks_LHW is not None else (None,) * len(given)
    if not given or len(masks) != len(given):
        raise UsageError(
            f"{len(given)} characters and {len(masks)} masks, expected at least one character and"
            " a mask (or None) for each; pass one mask per character"
        )
    return given, masks

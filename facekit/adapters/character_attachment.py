"""Characters on a pipeline: identity and LoRA under one strength, and a place for each."""

import math
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.character_loras import CharacterLoras, LoraParts
from facekit.adapters.conditioning import Conditioning, Strength
from facekit.adapters.guards import check_network
from facekit.adapters.loaded_character import Character, check_characters, no_identity
from facekit.backbones.family import Expert
from facekit.backbones.spec import BackboneSpec
from facekit.errors import AdapterError, AdapterMismatch, UsageError

__all__ = ["CharacterAttachment", "pairs_of"]


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

    @property
    def takes_regional_prompts(self) -> bool:
        """Whether ``set_regional_prompts`` has a backbone and characters that it can serve."""
        reads = self.spec.family.text_projection(self.transformer)
        return self.identity is not None and reads is not None

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

    def set_regional_prompts(self, prompts: Sequence[Sequence[str]] | None) -> None:
        """Let the region of each character read a prompt of its own.

        Words belong to no place: told of two people, a backbone may give the hair of one to the
        other. Where no region is, and in the pass without the prompt, what the pipeline is called
        with is read as ever.

        Args:
            prompts: For each character one for all clips of a call, or one for each of them, such
                as ``facekit.generation.regional_prompts`` makes. None lets everybody read the same
                again.

        Raises:
            AdapterError: Detached already; a character without a region or without an identity
                branch; or a backbone that has one prompt for all of the picture (all but Wan).
        """
        self._must_be_attached("set_regional_prompts")
        if prompts is None:
            for loras in self._loras.values():
                loras.set_prompts(None)
            return
        if self.identity is None:
            raise no_identity(self.characters[0], "prompts of regions")
        if len(prompts) != len(self.characters) or any(mask is None for mask in self._masks):
            raise AdapterError(
                f"prompts for {len(prompts)} of {len(self.characters)} characters, expected one for"
                " each, and a region for each; attach with masks_LHW"
            )
        encode = self.spec.family.encode_text
        encoded = [encode(self._pipe, self.spec, one) for one in prompts]
        for loras in self._loras.values():
            loras.set_prompts(encoded, partial(self.identity.pass_kind, loras.network))

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
        Prompts of regions end.
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
        given, masks = pairs_of(characters, masks_LHW)
        check_characters(self._pipe, given, self._allow_other_weights)
        try:
            self.put(given, masks)
            self.set_strength(self._strength)
        except BaseException:
            self.put(*before)
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

    def put(self, given: Sequence[Character], masks: Sequence[Tensor | None]) -> None:
        """Let these take part, checked already; ``switch_to`` checks them, and keeps strength.

        Raises:
            AdapterError: Only one of these and those before has an identity branch, or the network
                is set up in a way that would lose a character.
            AdapterMismatch: A LoRA that does not fit.
        """
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


def pairs_of(
    characters: Character | Sequence[Character], masks_LHW: Sequence[Tensor | None] | None
) -> tuple[tuple[Character, ...], tuple[Tensor | None, ...]]:
    """Make a row of what may be one character, and a mask or None for each.

    Raises:
        UsageError: Nobody, or another number of masks.
    """
    given = (characters,) if isinstance(characters, Character) else tuple(characters)
    masks = tuple(masks_LHW) if masks_LHW is not None else (None,) * len(given)
    if not given or len(masks) != len(given):
        raise UsageError(
            f"{len(given)} characters and {len(masks)} masks, expected at least one character and"
            " a mask (or None) for each; pass one mask per character"
        )
    return given, masks

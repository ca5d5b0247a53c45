"""Put characters onto a stock pipeline and take them off again."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from facekit.adapters.character_attachment import CharacterAttachment, pairs_of
from facekit.adapters.conditioning import Strength
from facekit.adapters.guidance import Guidance, Unconditional
from facekit.adapters.loaded_character import (
    Character,
    check_characters,
    load_character,
    no_identity,
)

__all__ = [
    "Character",
    "CharacterAttachment",
    "attach_characters",
    "load_character",
    "no_identity",
]


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
    given, masks = pairs_of(characters, masks_LHW)
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
        attachment.put(given, masks)
        attachment.set_strength(strength)
    except BaseException:
        attachment.detach()
        raise
    return attachment

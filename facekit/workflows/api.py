"""The public door: a character on a stock diffusers pipeline.

    character = facekit.load_character("mira/adapter.safetensors")  # or "mira-1.0.0.facekit"
    with facekit.attach(pipe, character) as mira:
        frames = pipe(
            f"{character.trigger} in the kitchen",
            max_sequence_length=mira.spec.max_sequence_length,
        ).frames

A prompt is padded with vectors that the backbone attends to, so another length draws another
picture than the one that training knew.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from facekit.adapters.character import Character, attach_characters
from facekit.adapters.character import CharacterAttachment as Attachment
from facekit.adapters.conditioning import Strength
from facekit.adapters.guidance import Guidance, Unconditional
from facekit.workflows.preset_files import load_any as load_character
from facekit.workflows.rights import permit_all
from facekit.workflows.rights_place import find_rights

__all__ = ["Attachment", "Character", "attach", "load_character"]


def attach(
    pipe: Any,
    character: Character | Path | str | Sequence[Character | Path | str],
    strength: Strength = 1.0,
    *,
    masks_LHW: Sequence[Tensor | None] | None = None,
    unconditional: Unconditional = "null",
    guidance: Guidance = "two_way",
    identity_guidance: float | None = None,
    guidance_scale: float | None = None,
    allow_other_weights: bool = False,
    use: str = "",
) -> Attachment:
    """Attach one or several characters to a stock diffusers pipeline.

    The consent of a real person is checked here, as by ``facekit shoot``; a file that says nothing
    of whose face it is is let pass, unless the show demands that it does. What the pipeline then
    draws is neither noted in the ledger of use nor given credentials.

    Args:
        pipe: A plain pipeline, such as ``WanPipeline.from_pretrained(...)``; which backbone it is
            is found out from its transformer.
        character: Loaded, or the path of a character file or of a preset.
        strength: Of identity and LoRA: 1 is as trained, 0 the bare backbone. Keyframes are spread
            evenly over the clip from its first to its last frame; a LoRA takes their mean.
        masks_LHW: Where each character is, 0..1: (height, width) or (frames, height, width), pooled
            to the latent token grid; everywhere when None.
        unconditional: What the pass without the prompt sees: ``null`` is nobody, ``same`` the same
            characters.
        guidance: ``three_way`` guides the identity by itself, at the cost of a third pass.
        identity_guidance: How much, with ``three_way``.
        guidance_scale: The one that the pipeline is called with, needed for ``three_way``.
        allow_other_weights: Go on when the backbone has the right shape but other weights, such as
            a finetuned one.
        use: What the clips are for, such as "narrative-fiction"; what the show says, or else the
            first that the consent of each person allows, when empty.

    Returns:
        Takes ``set_strength``, ``switch_to`` and ``detach``, knows the backbone's ``spec``, and
        detaches at the end of a ``with`` block.

    Raises:
        ConsentRefused: A person has not agreed to this, or no longer.
        AdapterMismatch: The pipeline is not the backbone that the character was made for.
        AlreadyAttached: Characters are attached already.
        AdapterError: Options that contradict each other, or that a plain LoRA has no part in; or
            a pipeline set up in a way that would lose a character.
    """
    several = (character,) if isinstance(character, Character | Path | str) else character
    loaded = [item if isinstance(item, Character) else load_character(item) for item in several]
    place = find_rights()
    people = ((one.name, one.source, one.file.header) for one in loaded)
    permit_all(people, place.use("shoot", use=use), place)
    return attach_characters(
        pipe,
        loaded,
        strength,
        masks_LHW=masks_LHW,
        unconditional=unconditional,
        guidance=guidance,
        identity_guidance=identity_guidance,
        guidance_scale=guidance_scale,
        allow_other_weights=allow_other_weights,
    )

"""The public door: a character on a stock diffusers pipeline in three lines.

character = facekit.load_character("mira/adapter.safetensors")
with facekit.attach(pipe, character, strength=1.0):
frames = pipe("mira in the kitchen", ...).frames
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facekit.adapters.character import Character, attach_characters, load_character
from facekit.adapters.character import CharacterAttachment as Attachment

__all__ = ["Attachment", "Character", "attach", "load_character"]


def attach(
    pipe: Any,
    character: Character | Path | str | Sequence[Character | Path | str],
    strength: float = 1.0,
    **options: Any,
) -> Attachment:
    """Attach one or several characters to a stock diffusers pipeline.

    Args:
        pipe: A plain pipeline, such as ``WanPipeline.from_pretrained(...)``; which backbone it is
            is found out from its transformer.
        character: Loaded, or the path of a character file.
        strength: Of identity and LoRA; 0 is the bare backbone.
        options: As for ``facekit.adapters.character.attach_characters``: ``masks_LHW``,
            ``guidance``, ``identity_guidance``, ``guidance_scale``, ``unconditional``,
            ``allow_other_weights``.

    Returns:
        Takes ``set_strength`` and ``detach``, and detaches at the end of a ``with`` block.

    Raises:
        AdapterMismatch: The pipeline is not the backbone that the character was made for.
        AlreadyAttached: Characters are attached already.
    """
    several = (character,) if isinstance(character, Character | Path | str) else character
    loaded = [item if isinstance(item, Character) else load_character(item) for item in several]
    return attach_characters(pipe, loaded, strength, **options)

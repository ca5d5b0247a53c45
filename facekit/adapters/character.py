"""Put characters onto a stock pipeline and take them off again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from facekit.adapters.attach import Attachment, attach
from facekit.adapters.character_file import CharacterFile
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.lora import add_lora, load_lora_state, remove_lora, set_lora_strength
from facekit.adapters.made_for import check_backbone
from facekit.backbones.spec import BackboneSpec, site_module
from facekit.backbones.wan import detect_spec, pipeline_digest
from facekit.errors import AdapterMismatch, UsageError

__all__ = ["Character", "CharacterAttachment", "attach_characters", "load_character"]


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
        """The character's part in a pass; None when it is a plain LoRA."""
        if self.file.identity is None:
            return None
        low, high = self.file.header.training.get("sigma_window", (0.0, 1.0))
        return Conditioning(
            identity=self.file.identity,
            null=self.file.null,
            strength=strength,
            mask_LHW=mask_LHW,
            window=None if (low, high) == (0.0, 1.0) else (low, high),
        )


def load_character(path: Path | str) -> Character:
    """Load a character file, or the ``adapter.safetensors`` in a folder.

    Raises:
        AdapterDamaged: Missing, truncated, altered or not a character file.
        AdapterError: Its tensors are not those its header describes, or have no effect.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "adapter.safetensors"
    return Character(file=CharacterFile.load(path), source=str(path))


class CharacterAttachment:
    """Characters on a pipeline: identity and LoRA under one strength. Made by ``attach``.

    As a context manager it detaches at the end of the block.
    """

    def __init__(
        self,
        transformer: Any,
        identity: Attachment | None,
        conditionings: tuple[Conditioning, ...],
        loras: tuple[str, ...],
        characters: tuple[Character, ...],
    ) -> None:
        self.transformer = transformer
        self.identity = identity
        """Conditions on other masks, windows or guidance; None when all are plain LoRAs."""
        self.conditionings = conditionings
        self.characters = characters
        self._loras = loras

    def set_strength(self, strength: float) -> None:
        """Scale identity and LoRA together; 0 gives the bare backbone bit-exactly."""
        if self.identity is not None:
            self.identity.set_strength(strength)
        self.set_lora_strength(strength)

    def set_lora_strength(self, strength: float) -> None:
        """Scale only the LoRA."""
        for name in self._loras:
            set_lora_strength(self.transformer, strength, name)

    def condition(self, **options: Any) -> None:
        """Condition on the same characters with other options of ``Attachment.condition``."""
        if self.identity is not None:
            self.identity.condition(self.conditionings, **options)

    def detach(self) -> None:
        """Give the transformer back exactly as it was; a second call does nothing."""
        if self.identity is not None:
            self.identity.detach()
        for name in self._loras:
            remove_lora(self.transformer, name)
        self._loras = ()

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


def attach_characters(
    pipe: Any,
    characters: Character | Sequence[Character],
    strength: float = 1.0,
    *,
    masks_LHW: Sequence[Tensor | None] | None = None,
    allow_other_weights: bool = False,
    **options: Any,
) -> CharacterAttachment:
    """Attach one or several characters to a stock diffusers pipeline.

    The pipeline is called as ever afterwards. All of it or nothing: after an error the pipeline
    is as it was.

    Args:
        pipe: A Wan pipeline; the ones that share its transformer get the characters too.
        characters: Loaded from character files. Several LoRAs add up over the whole picture.
        strength: Of identity and LoRA.
        masks_LHW: Where each character is, on the latent token grid, as in ``Conditioning``.
        allow_other_weights: Go on when the backbone has the right shape but another digest, such
            as a finetuned one.
        options: As for ``Attachment.condition``, such as ``guidance``.

    Raises:
        AdapterMismatch: The pipeline is not the backbone that a character was made for.
        AlreadyAttached: Characters are attached already.
    """
    given = (characters,) if isinstance(characters, Character) else tuple(characters)
    masks = tuple(masks_LHW) if masks_LHW is not None else (None,) * len(given)
    if not given or len(masks) != len(given):
        raise UsageError(
            f"{len(given)} characters and {len(masks)} masks, expected at least one character and"
            " a mask (or None) for each; pass one mask per character"
        )
    spec = _check_backbone(pipe, given, allow_other_weights)
    transformer = pipe.transformer
    conditionings = tuple(
        conditioning
        for character, mask in zip(given, masks, strict=True)
        if (conditioning := character.conditioning(mask_LHW=mask)) is not None
    )
    identity = attach(spec.sites(transformer), transformer, spec) if conditionings else None
    attachment = CharacterAttachment(transformer, identity, conditionings, (), given)
    try:
        attachment._loras = _add_loras(transformer, spec, given)
        attachment.condition(**options)
        attachment.set_strength(strength)
    except BaseException:
        attachment.detach()
        raise
    return attachment


def _add_loras(transformer: Any, spec: BackboneSpec, given: Sequence[Character]) -> tuple[str, ...]:
    added: list[str] = []
    try:
        for character in given:
            settings = character.file.header.lora
            if settings is None:
                continue
            name = f"{character.name}_{len(added)}".replace(".", "_")
            settings = replace(settings, targets=settings.targets or spec.lora_targets)
            add_lora(transformer, spec, settings, name=name)
            added.append(name)
            load_lora_state(transformer, character.file.lora, name)
            for path, parameter in transformer.named_parameters():
                if f".{name}." in path:
                    parameter.requires_grad_(False)
    except BaseException:
        for name in added:
            remove_lora(transformer, name)
        raise
    return tuple(added)


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
        _check_width(pipe.transformer, character, spec)
    return spec


def _check_width(transformer: Any, character: Character, spec: BackboneSpec) -> None:
    identity = character.file.identity
    if identity is None or set(identity.sites) != set(spec.sites(transformer)):
        return  # attach says what is wrong with the sites
    for site in identity.sites:
        got, width = identity.keys[site].shape[-1], site_module(transformer, site).inner_dim
        if got != width:
            raise AdapterMismatch(
                f"{character.source}: {site} is {got} wide, the pipeline's {width}, expected the"
                " same; load the backbone it was made for"
            )

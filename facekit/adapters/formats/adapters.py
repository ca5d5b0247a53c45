"""Anything a LoRA can come in: a file of any tool, a pair of them, or facekit's character file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.formats.bases import LoraBase, base_from_folder, base_names, get_base
from facekit.adapters.formats.factors import LoraFactors, LoraWeights
from facekit.adapters.formats.infer import fitting_bases
from facekit.adapters.formats.parts import Spelling
from facekit.adapters.formats.reading import HEADER, LoraFile, parse_lora
from facekit.adapters.formats.tensors import RawFile, read_raw
from facekit.errors import AdapterError, AdapterMismatch

__all__ = ["AnyAdapter", "other_expert", "read_adapter"]

_KIND = "facekit.character"
_OTHER_SIDE = (
    ("high_noise", "low_noise"),
    ("highnoise", "lownoise"),
    ("high-noise", "low-noise"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnyAdapter:
    """An adapter of any kind, its LoRA in neutral form."""

    file: LoraFile
    base: LoraBase
    also_fits: tuple[str, ...] = ()
    """Other backbones with the same layers, where none was named."""
    paths: tuple[Path, ...] = ()
    """All files that were read."""
    character: CharacterFile | None = None
    """What it came from, when it is facekit's own; it may hold an identity branch."""

    @property
    def weights(self) -> tuple[LoraWeights, ...]:
        """One, or those of both experts."""
        return self.file.weights

    @property
    def format(self) -> str:
        """The format, or a description of one that has no name."""
        return "facekit" if self.character is not None else self.file.spelling.describe()

    @property
    def has_identity(self) -> bool:
        """Whether there is an identity branch, which no other tool knows."""
        return self.character is not None and self.character.identity is not None


def read_adapter(
    path: Path | str,
    *,
    base: str | LoraBase | None = None,
    source: Path | str | None = None,
    partial: bool = False,
    alpha: float | None = None,
) -> AnyAdapter:
    """Read an adapter of any kind; the file of the other expert, beside it, as well.

    Args:
        path: A safetensors file, or the folder of a PEFT adapter.
        base: The backbone; found out from names and shapes when None.
        source: A diffusers folder whose config says what layers there are; before ``base``.
        partial: Leave out keys that are no part of a LoRA on this base.
        alpha: Counts where the file says nothing.

    Raises:
        AdapterError: Keys missing or unexpected, a pickle, no effect, or no LoRA in a character.
        AdapterMismatch: Made for another backbone.
        AdapterDamaged: Not readable, or not finite.
        UsageError: An unknown backbone.
    """
    path = Path(path)
    raw = read_raw(path)
    if raw.header.get("kind") == _KIND:
        return _from_character(path, base, source)
    chosen, others = _choose(raw, base, source)
    file = parse_lora(raw, chosen, partial=partial, alpha=alpha)
    second = other_expert(path)
    if second is None or len(file.weights) > 1 or file.weights[0].expert == "none":
        return AnyAdapter(file=file, base=chosen, also_fits=others, paths=(path,))
    more = parse_lora(read_raw(second), chosen, partial=partial, alpha=alpha)
    if len(more.weights) > 1 or {file.weights[0].expert, more.weights[0].expert} != {"high", "low"}:
        raise AdapterMismatch(
            f"{path} and {second} are not the two experts of one adapter, expected one of high"
            " noise and one of low noise; rename one of them"
        )
    both = sorted((*file.weights, *more.weights), key=lambda each: each.expert)
    notes = (*file.notes, *more.notes, f"{path.name} and {second.name} are read as one adapter")
    joined = replace(file, weights=tuple(both), notes=notes)
    return AnyAdapter(file=joined, base=chosen, also_fits=others, paths=(path, second))


def other_expert(path: Path) -> Path | None:
    """The file of the other expert, when the name says which one this is and it is there."""
    for pair in _OTHER_SIDE:
        for mine, other in (pair, pair[::-1]):
            if mine in path.name:
                candidate = path.with_name(path.name.replace(mine, other))
                return candidate if candidate.exists() else None
    return None


def _choose(
    raw: RawFile, base: str | LoraBase | None, source: Path | str | None
) -> tuple[LoraBase, tuple[str, ...]]:
    if isinstance(base, LoraBase):
        return base, ()
    if source is not None:
        return base_from_folder(source, base or ""), ()
    if base is not None:
        return get_base(base), ()
    said = _said_base(raw.header)
    if said in base_names():
        return get_base(said), ()
    first, *others = fitting_bases(raw)
    return first, tuple(each.name for each in others)


def _said_base(header: Mapping[str, str]) -> str:
    try:
        entries = json.loads(header.get(HEADER, "{}"))
    except ValueError:  # parse_lora says so
        return ""
    return str(entries.get("base", "")) if isinstance(entries, dict) else ""


def _from_character(
    path: Path, base: str | LoraBase | None, source: Path | str | None
) -> AnyAdapter:
    character = CharacterFile.load(path)
    header = character.header
    if isinstance(base, LoraBase):
        chosen = base
    elif source is not None:
        chosen = base_from_folder(source, base or header.backbone)
    else:
        chosen = get_base(base or header.backbone)
    if header.backbone != chosen.name:
        raise AdapterMismatch(
            f"{path}: made for {header.backbone}, expected {chosen.name}; leave --base away"
        )
    alpha = header.lora.alpha if header.lora is not None else 0.0
    modules = {
        name.removesuffix(".lora_A.weight"): LoraFactors(
            down=down, up=character.lora[name.replace(".lora_A.", ".lora_B.")], alpha=alpha
        )
        for name, down in character.lora.items()
        if name.endswith(".lora_A.weight")
    }
    if len(modules) * 2 != len(character.lora):
        raise AdapterError(
            f"{path}: {len(character.lora)} LoRA tensors make {len(modules)} modules, expected two"
            " each; fetch or train it again"
        )
    wrong = [name for name, each in modules.items() if chosen.shapes.get(name) != each.shape]
    if wrong:
        raise AdapterMismatch(
            f"{path}: {len(wrong)} LoRA modules are not layers of {chosen.name}"
            f" ({', '.join(wrong[:5])}), expected that backbone; name its folder with --source"
        )
    weights = LoraWeights(modules=modules, base=chosen.name, trigger=header.trigger)
    spelling = Spelling(prefixes=(), naming="diffusers", endings=())
    file = LoraFile(path=path, weights=(weights,), spelling=spelling, notes=())
    return AnyAdapter(file=file, base=chosen, paths=(path,), character=character)

"""What a LoRA must be before anybody uses it: whole, of the right shapes, finite, not zero."""

from collections.abc import Mapping
from pathlib import Path

from facekit.adapters.formats.bases import LoraBase
from facekit.adapters.formats.catalogue import Part
from facekit.adapters.formats.complaints import few, told
from facekit.adapters.formats.factors import Factors, LokrFactors, LoraFactors
from facekit.adapters.formats.parts import Module, Take
from facekit.errors import AdapterDamaged, AdapterError, AdapterMismatch

__all__ = ["check_effect", "check_finite", "check_ranks", "check_shapes", "check_whole", "idle"]

_HALVES = ("down", "up")


def check_whole(take: Take, base: LoraBase, source: Path, *, partial: bool) -> None:
    """Refuse a file with half of its keys, or with keys of something else.

    Raises:
        AdapterError: Keys missing, or (unless ``partial``) unexpected.
    """
    missing = [_key(module, part) for module in take.modules for part in _missing(module)]
    unexpected = () if partial else take.unexpected
    if not take.modules:
        raise AdapterMismatch(
            f"{source}: none of its {len(take.unexpected)} keys is a LoRA of {base.name}"
            f" ({few(take.unexpected)}), expected the layers of that backbone; name the backbone"
            " that it was trained on with --base"
        )
    if missing or unexpected:
        next_step = "fetch or train it again"
        if unexpected and not missing:
            next_step = "name another --base, or leave them out with --partial"
        raise AdapterError(
            f"{source}: {told(missing=missing, unexpected=unexpected)}, expected whole modules of"
            f" {base.name}; {next_step}"
        )


def check_ranks(module: Module, source: Path) -> None:
    """Refuse factors that cannot be multiplied.

    Raises:
        AdapterDamaged: Another number of ranks in one half than in the other.
    """
    for left, right in (("up", "down"), ("w1_a", "w1_b"), ("w2_a", "w2_b")):
        first, second = module.parts.get(left), module.parts.get(right)  # type: ignore[call-overload]
        if first is None or second is None:
            continue
        if first.ndim < 2 or second.ndim < 2 or first.shape[1] != second.shape[0]:
            raise AdapterDamaged(
                f"{source}: {module.name} has {left} {tuple(first.shape)} and {right}"
                f" {tuple(second.shape)}, expected one rank in both; fetch or train it again"
            )


def check_shapes(
    modules: Mapping[str, tuple[tuple[int, int] | None, tuple[int, int]]],
    base: LoraBase,
    source: Path,
) -> None:
    """Refuse a LoRA of a larger or smaller model.

    Args:
        modules: Name to the shape that is there, None where that cannot be told yet, and the one
            that is expected.
        base: The backbone.
        source: The file.

    Raises:
        AdapterMismatch: Shapes differ.
    """
    wrong = [
        f"{name} {got} not {expected}"
        for name, (got, expected) in modules.items()
        if got is not None and got != expected
    ]
    if wrong:
        raise AdapterMismatch(
            f"{source}: {len(wrong)} of {len(modules)} modules have another shape ({few(wrong)}),"
            f" expected those of {base.name}; name the backbone that it was trained on with --base"
        )


def check_finite(modules: Mapping[str, Factors], source: Path) -> None:
    """Refuse NaN and infinity.

    Raises:
        AdapterDamaged: Some tensor holds them.
    """
    broken = [
        path
        for path, factors in modules.items()
        if not all(tensor.isfinite().all() for tensor in factors.tensors())
    ]
    if broken:
        raise AdapterDamaged(
            f"{source}: {len(broken)} modules hold NaN or infinity ({few(broken)}), expected"
            " finite numbers; train it again from the last good checkpoint"
        )


def check_effect(modules: Mapping[str, Factors], source: Path) -> None:
    """Refuse a LoRA that would change nothing.

    Raises:
        AdapterError: All modules are zero.
    """
    if len(idle(modules)) == len(modules):
        raise AdapterError(
            f"{source}: has no effect, its {len(modules)} modules are all zero, expected weights"
            " that were trained; train it, or name another file"
        )


def idle(modules: Mapping[str, Factors]) -> tuple[str, ...]:
    """The modules that change nothing."""
    return tuple(path for path, factors in modules.items() if _is_idle(factors))


def _is_idle(factors: Factors) -> bool:
    if isinstance(factors, LoraFactors):
        return factors.magnitude is None and (
            factors.alpha == 0 or not factors.up.any() or not factors.down.any()
        )
    return _lokr_is_idle(factors)


def _lokr_is_idle(factors: LokrFactors) -> bool:
    return factors.scale == 0 or not all(tensor.any() for tensor in factors.tensors())


def _key(module: Module, part: str) -> str:
    """The key that a missing part would have, spelled like the half that is there."""
    other: Part = "up" if part == "down" else "down"
    there = module.keys.get(other)
    if part in _HALVES and there is not None:
        ending = there.removeprefix(module.name)
        for one, two in (("lora_A", "lora_B"), ("down", "up")):
            pair = (one, two) if part == "up" else (two, one)
            ending = ending.replace(*pair)
        return module.name + ending
    return f"{module.name} {part}" if part in _HALVES else f"{module.name}.lokr_{part}"


def _missing(module: Module) -> tuple[str, ...]:
    parts = module.parts
    if any(part.startswith("w") for part in parts):
        missing = []
        for side in ("w1", "w2"):
            halves = [half for half in (f"{side}_a", f"{side}_b") if half in parts]
            if len(halves) == 1:
                missing.append(f"{side}_b" if halves[0].endswith("a") else f"{side}_a")
            elif not halves and side not in parts:
                missing.append(side)
        return tuple(missing)
    needed = ("down", "up")
    return tuple(part for part in needed if part not in parts)

"""What an adapter file is, whether it is whole, and whether it is the same as another one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.adapters.formats.adapters import AnyAdapter, read_adapter
from facekit.adapters.formats.arithmetic import relative_error
from facekit.adapters.formats.catalogue import FORMATS
from facekit.adapters.formats.checks import idle
from facekit.adapters.formats.complaints import few
from facekit.adapters.formats.factors import LokrFactors, LoraFactors, LoraWeights
from facekit.errors import AdapterError, AdapterMismatch, UsageError

__all__ = [
    "TOLERANCE",
    "FormatList",
    "Inspection",
    "Verification",
    "inspect_adapter",
    "list_formats",
    "verify_adapter",
]

TOLERANCE = 1e-6
"""How far delta W may be off, as a part of its norm, and still be called the same."""

_DIFFERENT = 7
"""Exit code of adapters that do not go together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatList:
    """The formats that can be written."""

    def describe(self) -> str:
        """One line each: name, and who reads it."""
        width = max(len(name) for name in FORMATS)
        return "\n".join(f"{name:<{width}}  {each.told}" for name, each in FORMATS.items())

    def to_json(self) -> Mapping[str, object]:
        """Name and readers of each."""
        return {"formats": [{"name": name, "readers": x.told} for name, x in FORMATS.items()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What an adapter is."""

    adapter: AnyAdapter

    def describe(self) -> str:
        """A line per fact."""
        facts = self.to_json()
        also = self.adapter.also_fits
        lines = [
            f"files: {', '.join(map(str, self.adapter.paths))}",
            f"format: {facts['format']}",
            f"base: {facts['base']}" + (f" (fits {', '.join(also)} as well)" if also else ""),
        ]
        if facts["trigger"]:
            lines.append(f"trigger: {facts['trigger']}")
        if self.adapter.has_identity:
            lines.append(f"identity branch: {facts['identity_sites']} sites, only facekit knows it")
        for each in self.adapter.weights:
            lines.append(_line(each))
        lines += [f"note: {note}" for note in self.adapter.file.notes]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data, with what stands where."""
        adapter = self.adapter
        character = adapter.character
        identity = character.identity if character is not None else None
        return {
            "files": [str(path) for path in adapter.paths],
            "format": adapter.format,
            "base": adapter.base.name,
            "also_fits": list(adapter.also_fits),
            "trigger": next((x.trigger for x in adapter.weights if x.trigger), ""),
            "identity_sites": len(identity.sites) if identity is not None else 0,
            "transformers": [_facts(each) for each in adapter.weights],
            "notes": list(adapter.file.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether an adapter is whole and does something, and whether it is the same as another."""

    path: Path
    against: Path | None
    base: str
    num_modules: int
    idle: tuple[str, ...]
    """Modules that change nothing."""
    missing: tuple[str, ...] = ()
    """Modules of the other one that this one lacks."""
    unexpected: tuple[str, ...] = ()
    """Modules that the other one lacks."""
    errors: Mapping[str, float] | None = None
    """Module to the error of delta W, as a part of its norm; None without another one."""

    @property
    def max_error(self) -> float | None:
        """The largest of the errors."""
        return None if self.errors is None else max(self.errors.values(), default=0.0)

    @property
    def exit_code(self) -> int:
        """0, or 7 when something is not as it should be."""
        too_far = self.max_error is not None and not self.max_error <= TOLERANCE
        bad = self.missing or self.unexpected or too_far or (self.idle and self.errors is None)
        return _DIFFERENT if bad else 0

    def describe(self) -> str:
        """The verdict, and what is wrong."""
        lines = [f"{self.path}: {self.num_modules} modules, all of them layers of {self.base}"]
        if self.idle:
            lines.append(f"no effect: {len(self.idle)} modules ({few(self.idle)})")
        if self.errors is not None:
            lines.append(
                f"compared with {self.against}: largest error of delta W {self.max_error:.1e}"
            )
            far = {name: error for name, error in self.errors.items() if not error <= TOLERANCE}
            if far:
                worst = sorted(far, key=lambda name: -far[name])
                told = ", ".join(f"{name} {far[name]:.1e}" for name in worst[:5])
                lines.append(f"differ: {len(far)} modules ({told}); expected at most {TOLERANCE:g}")
        if self.missing:
            lines.append(f"missing: {len(self.missing)} modules ({few(self.missing)})")
        if self.unexpected:
            lines.append(f"unexpected: {len(self.unexpected)} modules ({few(self.unexpected)})")
        lines.append("fine" if self.exit_code == 0 else "not fine; train or convert it again")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data; errors that are infinite become null."""
        errors = None
        if self.errors is not None:
            errors = {name: _finite(error) for name, error in self.errors.items()}
        return {
            "path": str(self.path),
            "against": None if self.against is None else str(self.against),
            "base": self.base,
            "modules": self.num_modules,
            "idle": list(self.idle),
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "max_error": None if self.max_error is None else _finite(self.max_error),
            "tolerance": TOLERANCE,
            "errors": errors,
        }


def list_formats() -> FormatList:
    """List the formats that can be written."""
    return FormatList()


def inspect_adapter(
    path: Path,
    *,
    base: str | None = None,
    source: Path | None = None,
    partial: bool = False,
    alpha: float | None = None,
) -> Inspection:
    """Tell what an adapter is; arguments and errors as for ``read_adapter``."""
    return Inspection(
        adapter=read_adapter(path, base=base, source=source, partial=partial, alpha=alpha)
    )


def verify_adapter(
    path: Path,
    against: Path | None = None,
    *,
    base: str | None = None,
    source: Path | None = None,
    alpha: float | None = None,
) -> Verification:
    """Check that an adapter fits its backbone and does something, or that two are the same.

    Args:
        path: The adapter.
        against: Another one, in any format.
        base: The backbone; found out when None.
        source: Its folder in diffusers format, for one that is not known.
        alpha: Counts where a file says nothing.

    Raises:
        AdapterError: As for ``read_adapter``; or nothing to compare.
        AdapterMismatch: The two are for different backbones.
    """
    one = read_adapter(path, base=base, source=source, alpha=alpha)
    modules = _modules(one)
    if not modules:
        raise AdapterError(
            f"{path}: has no LoRA, only an identity branch, expected one to verify; use facekit"
            " shoot, which checks the branch when it loads it"
        )
    resting = tuple(sorted(idle(modules)))
    if against is None:
        return Verification(
            path=path, against=None, base=one.base.name, num_modules=len(modules), idle=resting
        )
    if not against.exists():
        raise UsageError(f"{against}: no such file, expected an adapter; check the spelling")
    two = read_adapter(against, base=one.base, alpha=alpha)
    if two.character is None and two.base.name != one.base.name:
        raise AdapterMismatch(
            f"{against} is for {two.base.name}, expected {one.base.name}; compare adapters of one"
            " backbone"
        )
    others = _modules(two)
    both = sorted(modules.keys() & others.keys())
    return Verification(
        path=path,
        against=against,
        base=one.base.name,
        num_modules=len(modules),
        idle=resting,
        missing=_active(others, set(others) - set(modules)),
        unexpected=_active(modules, set(modules) - set(others)),
        errors={name: relative_error(modules[name], others[name]) for name in both},
    )


def _modules(adapter: AnyAdapter) -> dict[str, LoraFactors | LokrFactors]:
    prefix = len(adapter.weights) > 1
    return {
        f"{each.expert}:{path}" if prefix else path: factors
        for each in adapter.weights
        for path, factors in each.modules.items()
    }


def _active(modules: Mapping[str, LoraFactors | LokrFactors], names: set[str]) -> tuple[str, ...]:
    resting = set(idle({name: modules[name] for name in names}))
    return tuple(sorted(names - resting))


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None


def _facts(weights: LoraWeights) -> dict[str, object]:
    modules = weights.modules
    kinds = Counter(_kind(each) for each in modules.values())
    ranks = Counter(each.rank for each in modules.values() if each.rank is not None)
    dtypes = Counter(
        str(t.dtype).removeprefix("torch.") for x in modules.values() for t in x.tensors()
    )
    alphas = sorted({each.alpha for each in modules.values()})
    return {
        "expert": weights.expert,
        "modules": len(modules),
        "kinds": dict(kinds),
        "ranks": {str(rank): count for rank, count in sorted(ranks.items())},
        "alphas": alphas,
        "dtypes": dict(dtypes),
        "parameters": sum(t.numel() for each in modules.values() for t in each.tensors()),
        "idle": sorted(idle(modules)),
    }


def _kind(factors: LoraFactors | LokrFactors) -> str:
    if isinstance(factors, LokrFactors):
        return "LoKr"
    return "LoRA" if factors.magnitude is None else "DoRA"


def _line(weights: LoraWeights) -> str:
    facts = _facts(weights)
    which = "" if weights.expert == "none" else f"{weights.expert} noise: "
    if not weights.modules:
        return "LoRA: none"
    kinds = ", ".join(f"{count} {kind}" for kind, count in _counted(facts["kinds"]))
    ranks = ", ".join(rank for rank, _ in _counted(facts["ranks"]))
    dtypes = ", ".join(dtype for dtype, _ in _counted(facts["dtypes"]))
    alphas = sorted({each.alpha for each in weights.modules.values()})
    told = f"{alphas[0]:g}" if len(alphas) == 1 else f"{alphas[0]:g} to {alphas[-1]:g}"
    resting = idle(weights.modules)
    silent = f", {len(resting)} without effect" if resting else ""
    return f"{which}modules: {kinds}, rank {ranks or 'full'}, alpha {told}, {dtypes}{silent}"


def _counted(counts: object) -> list[tuple[str, int]]:
    return list(counts.items()) if isinstance(counts, dict) else []

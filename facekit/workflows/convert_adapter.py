"""Adapters from one tool to another: read, checked, written, and read back to be sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facekit.adapters.bake import BAKE_RANK, Baked
from facekit.adapters.character import Character
from facekit.adapters.formats.adapters import AnyAdapter, read_adapter
from facekit.adapters.formats.arithmetic import approximate, relative_error
from facekit.adapters.formats.catalogue import Format, get_format
from facekit.adapters.formats.factors import Factors, LokrFactors, LoraWeights
from facekit.adapters.formats.readers import reader_notes
from facekit.adapters.formats.reading import read_lora
from facekit.adapters.formats.writing import check_writable, output_paths, write_lora
from facekit.errors import AdapterError, OutputError, UsageError
from facekit.media.files import ensure_new
from facekit.types import Progress
from facekit.workflows.adapters import TOLERANCE
from facekit.workflows.bake_adapter import bake_character, with_baked

__all__ = ["ConvertPlan", "Converted", "plan_convert", "run_convert"]

_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConvertPlan:
    """A conversion that will work as far as can be told without doing it."""

    adapter: AnyAdapter
    to: Format
    outputs: tuple[Path, ...]
    path: Path
    bake: float | None
    source: Path | None
    weights: tuple[LoraWeights, ...]
    """What is written, but for what is baked."""
    losses: Mapping[str, float]
    """Module to the part of delta W that its approximation as a LoRA lost."""
    notes: tuple[str, ...]

    def describe(self) -> str:
        """A line per fact."""
        count = sum(len(each.modules) for each in self.weights)
        lines = [
            f"from: {', '.join(map(str, self.adapter.paths))} ({self.adapter.format})",
            f"to: {', '.join(map(str, self.outputs))} ({self.to.name}: {self.to.told})",
            f"base: {self.adapter.base.name}, modules: {count}",
        ]
        if self.bake is not None:
            lines.append(f"bake: the identity branch at strength {self.bake:g}, rank {BAKE_RANK}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "from": [str(path) for path in self.adapter.paths],
            "from_format": self.adapter.format,
            "to": [str(path) for path in self.outputs],
            "to_format": self.to.name,
            "base": self.adapter.base.name,
            "modules": sum(len(each.modules) for each in self.weights),
            "bake": self.bake,
            "approximated": dict(self.losses),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Converted:
    """What was written, and how far it is from what was read."""

    plan: ConvertPlan
    written: tuple[Path, ...]
    max_error: float
    """Largest error of delta W, read back, against what was to be written."""
    baked: Baked | None

    def describe(self) -> str:
        """What was written, what it misses."""
        lines = [f"written: {', '.join(map(str, self.written))}"]
        lines.append(f"read back: largest error of delta W {self.max_error:.1e}")
        if self.baked is not None:
            worst = max(self.baked.residuals.values())
            lines.append(
                f"baked: misses {self.baked.velocity_residual:.0%} of what the identity branch does"
                f" to the prediction (root mean square; up to {worst:.0%} at a site)"
            )
        if self.plan.losses:
            worst = max(self.plan.losses.values())
            lines.append(f"approximated: {len(self.plan.losses)} modules, at most {worst:.1%} lost")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            **self.plan.to_json(),
            "written": [str(path) for path in self.written],
            "max_error": self.max_error,
            "baked": None if self.baked is None else _baked_facts(self.baked),
        }


def plan_convert(
    path: Path,
    out: Path,
    *,
    to: str,
    base: str | None = None,
    source: Path | None = None,
    bake: float | None = None,
    as_lora: int | None = None,
    alpha: float | None = None,
    partial: bool = False,
    force: bool = False,
) -> ConvertPlan:
    """Read an adapter and check that it can be written in another format.

    Args:
        path: The adapter; of two experts either file.
        out: Where to; of two experts what both names are made of.
        to: The format.
        base: The backbone; found out when None.
        source: Its folder in diffusers format: for one that is not known, and to bake.
        bake: Approximate the identity branch at this strength.
        as_lora: Approximate LoKr by a LoRA of this rank.
        alpha: Counts where the file says nothing.
        partial: Leave out keys that are no part of a LoRA on this base.
        force: Replace what is there.

    Raises:
        AdapterError: As for ``read_adapter``; or nothing that the format could carry.
        AdapterMismatch: The format does not know what this LoRA is made of.
        OutputExists: Something is there.
        UsageError: Unknown names, an unfit ``out``, or options that do nothing.
    """
    form = get_format(to)
    adapter = read_adapter(path, base=base, source=source, partial=partial, alpha=alpha)
    _check_bake(path, adapter, bake)
    weights, losses = _plain(adapter.weights, as_lora)
    if as_lora is not None and not losses:
        raise UsageError(
            f"--as-lora {as_lora}: {path} holds no LoKr, so it would do nothing, expected one;"
            " leave it away"
        )
    check_writable(weights, form, adapter.base)
    _check_out(out, form)
    outputs = output_paths(weights, out, form)
    for output in outputs:
        if output.resolve() in {each.resolve() for each in adapter.paths}:
            raise UsageError(f"{output}: is what is read, expected another file; name another OUT")
        ensure_new(output, force, other="OUT")
    notes = [*adapter.file.notes, *reader_notes(weights, form, adapter.base)]
    if adapter.has_identity and bake is None:
        assert adapter.character is not None
        assert adapter.character.identity is not None
        notes.append(
            f"the identity branch ({len(adapter.character.identity.sites)} sites) is not carried:"
            f" {form.name} knows LoRA alone; --bake STRENGTH approximates it"
        )
    if adapter.also_fits:
        notes.append(f"taken for {adapter.base.name}; --base says otherwise")
    return ConvertPlan(
        adapter=adapter,
        to=form,
        outputs=outputs,
        path=out,
        bake=bake,
        source=source,
        weights=weights,
        losses=losses,
        notes=tuple(notes),
    )


def run_convert(plan: ConvertPlan, progress: Progress) -> Converted:
    """Write it, and read it back.

    Raises:
        OutputError: It cannot be written, or is not what it should be when it is read back.
        AdapterError: Baking the identity branch is no better than leaving it out.
        WeightsError: The backbone that baking needs is not here.
    """
    progress.start(2 if plan.bake is None else 3, "convert")
    weights = plan.weights
    baked = None
    said: dict[str, object] = {"converted_from": plan.adapter.format}
    if plan.bake is not None:
        assert plan.adapter.character is not None
        source = str(plan.adapter.paths[0])
        character = Character(file=plan.adapter.character, source=source)
        baked = bake_character(character, plan.bake, plan.source)
        weights = (with_baked(weights[0], baked),)
        said["baked"] = _baked_facts(baked)
        progress.advance(1, "identity branch fitted")
    if plan.losses:
        said["approximated"] = {"modules": len(plan.losses), "most": max(plan.losses.values())}
    base = plan.adapter.base
    written = write_lora(weights, plan.path, plan.to, base, said=said)
    progress.advance(1, "written")
    again = [each for path in written for each in read_lora(path, base).weights]
    worst = 0.0
    for before, after in zip(weights, again, strict=True):
        for name in before.modules.keys() | after.modules.keys():
            worst = max(worst, _error(after.modules.get(name), before.modules.get(name)))
    progress.advance(1, "read back")
    progress.finish()
    if worst > TOLERANCE:
        raise OutputError(
            f"{written[0]}: read back, delta W is {worst:.1e} off, expected at most {TOLERANCE:g};"
            " do not use it, and report this file"
        )
    return Converted(plan=plan, written=written, max_error=worst, baked=baked)


def _error(got: Factors | None, wanted: Factors | None) -> float:
    if got is None or wanted is None:
        here = got if got is not None else wanted
        assert here is not None
        return 0.0 if not here.delta().any() else float("inf")
    return relative_error(got, wanted)


def _check_bake(path: Path, adapter: AnyAdapter, bake: float | None) -> None:
    if bake is not None and not adapter.has_identity:
        raise UsageError(
            f"--bake {bake:g}: {path} has no identity branch, so it would do nothing, expected a"
            " character file of level L0, L1 or L2; leave it away"
        )
    if bake is not None and not 0 < bake < float("inf"):
        raise UsageError(f"--bake is {bake:g}, expected a strength above 0; try 1, as trained")
    if bake is None and not any(each.modules for each in adapter.weights):
        raise AdapterError(
            f"{path}: has no LoRA, only an identity branch, which no other tool knows, expected"
            " something to convert; approximate it with --bake 1"
        )


def _check_out(out: Path, to: Format) -> None:
    is_folder = to.alpha == "config"
    if is_folder and out.suffix == _SUFFIX:
        raise UsageError(
            f"{out}: {to.name} is a folder with two files, expected a name without {_SUFFIX};"
            " leave the ending away"
        )
    if not is_folder and out.suffix != _SUFFIX:
        raise UsageError(f"{out}: expected a name that ends in {_SUFFIX}; add the ending")


def _plain(
    weights: Sequence[LoraWeights], rank: int | None
) -> tuple[tuple[LoraWeights, ...], dict[str, float]]:
    """Make plain LoRAs of LoKr where that is asked for."""
    if rank is None:
        return tuple(weights), {}
    losses: dict[str, float] = {}
    plain = []
    for each in weights:
        modules: dict[str, Factors] = {}
        for path, factors in each.modules.items():
            modules[path] = factors
            if isinstance(factors, LokrFactors):
                modules[path], losses[path] = approximate(factors, rank)
        plain.append(replace(each, modules=modules))
    return tuple(plain), losses


def _baked_facts(baked: Baked) -> dict[str, object]:
    return {
        "strength": baked.strength,
        "missed_of_prediction": baked.velocity_residual,
        "missed_by_site": dict(baked.residuals),
    }

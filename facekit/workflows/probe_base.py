"""What a backbone is: its facts, and where identity and LoRA go into it."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from facekit.backbones.spec import BackboneSpec, get_spec, site_module, spec_names
from facekit.errors import UsageError, WeightsMissing

__all__ = ["BackboneFacts", "BackboneList", "Site", "list_backbones", "probe_base"]

_WIDTH = 96
_LABEL = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place where identity is injected."""

    path: str
    """Of the module in the network."""
    width: int
    """Channels of keys and values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneFacts:
    """One backbone, with the sites of its network."""

    spec: BackboneSpec
    sites: tuple[Site, ...]
    is_tiny: bool
    """Whether the sites are those of the small model for tests, the real one's config not being
    here."""

    def describe(self) -> str:
        """A line for each fact and for each site."""
        lines = [f"{self.spec.name}, of the family {self.spec.family.name}"]
        for label, said in self._rows():
            lines.append(
                textwrap.fill(
                    f"{label:<{_LABEL}} {said}",
                    _WIDTH,
                    subsequent_indent=" " * (_LABEL + 1),
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
        longest = max(len(site.path) for site in self.sites)
        return "\n".join([*lines, *(f"  {s.path:<{longest}}  {s.width}" for s in self.sites)])

    def to_json(self) -> Mapping[str, object]:
        """Every fact, and every site with its width."""
        return {
            **_facts(self.spec),
            "sites": [dataclasses.asdict(site) for site in self.sites],
            "sites_of": "tiny" if self.is_tiny else "real",
        }

    def _rows(self) -> list[tuple[str, str]]:
        spec = self.spec
        sizes = ", ".join(f"{aspect} {h}x{w}" for aspect, (h, w) in spec.sizes.items())
        whose = "the model itself"
        if self.is_tiny:
            whose = "the small random model for tests, for its own config is not here"
        return [
            *(("repository", f"{repo} at {commit}") for repo, commit in _repositories(spec)),
            ("licence", f"{spec.licence}; {_commercial(spec)}"),
            ("sizes", f"{sizes} (height x width); any multiples of {spec.spatial_multiple}"),
            ("frames", f"{spec.legal_frames}, {spec.fps:g} in a second"),
            ("prompt", f"up to {spec.max_sequence_length} tokens"),
            (
                "sampling",
                f"{spec.num_inference_steps} steps, guidance_scale {spec.guidance_scale:g}",
            ),
            ("noise", ", ".join(_noise(spec))),
            ("networks", f"{spec.num_experts} {spec.family.network_class}"),
            ("LoRA targets", " ".join(_grouped(spec.lora_targets))),
            ("LoRA not in", spec.lora_excluded or "nothing else of these names"),
            ("sites", f"{len(self.sites)}, with the width of keys and values, of {whose}"),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneList:
    """All backbones."""

    specs: tuple[BackboneSpec, ...]

    def describe(self) -> str:
        """One line each: name, frames, repository, licence."""
        rows = [
            (
                spec.name,
                f"{spec.legal_frames} frames",
                " + ".join(repo for repo, _ in spec.family.repositories(spec)) or "ships",
                spec.licence,
            )
            for spec in self.specs
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            "  ".join([*(text.ljust(w) for text, w in zip(row[:3], widths, strict=True)), row[3]])
            for row in rows
        )

    def to_json(self) -> Mapping[str, object]:
        """Every fact of each, without the sites."""
        return {"backbones": [_facts(spec) for spec in self.specs]}


def list_backbones() -> BackboneList:
    """List every backbone."""
    return BackboneList(specs=tuple(get_spec(name) for name in spec_names()))


def probe_base(name: str | None = None, source: Path | None = None) -> BackboneFacts | BackboneList:
    """Tell what a backbone is; all of them without a name.

    No weights are read: the sites come from the network's config where it is on this machine, else
    from the small model for tests.

    Args:
        name: Of the backbone.
        source: A folder in diffusers format; the spec's own place when None.

    Raises:
        UsageError: The name is unknown, or a folder without a name.
        WeightsMissing: The folder holds no pipeline.
        WeightsError: The folder is another model's.
    """
    if name is None:
        if source is not None:
            raise UsageError(f"{source}: given without a backbone's name; say whose folder it is")
        return list_backbones()
    spec = get_spec(name)
    try:
        network, is_tiny = spec.outline(source), False
    except WeightsMissing:
        if source is not None:
            raise
        network, is_tiny = spec.family.network(spec.tiny()), True
    return BackboneFacts(spec=spec, sites=_sites(spec, network), is_tiny=is_tiny)


def _sites(spec: BackboneSpec, network: nn.Module) -> tuple[Site, ...]:
    return tuple(
        Site(
            path=path,
            width=spec.family.site_kind(network, path).width(site_module(network, path)),
        )
        for path in spec.sites(network)
    )


def _facts(spec: BackboneSpec) -> dict[str, object]:
    repositories = spec.family.repositories(spec)
    return {
        "name": spec.name,
        "family": spec.family.name,
        "network": spec.family.network_class,
        "num_experts": spec.num_experts,
        "repositories": [{"repo": repo, "revision": commit} for repo, commit in repositories],
        "licence": spec.licence,
        "commercial_use": spec.commercial_use,
        "sizes": {aspect: list(size) for aspect, size in spec.sizes.items()},
        "spatial_multiple": spec.spatial_multiple,
        "frame_multiple": spec.frame_multiple,
        "max_frames": spec.max_frames,
        "fps": spec.fps,
        "max_sequence_length": spec.max_sequence_length,
        "num_inference_steps": spec.num_inference_steps,
        "min_inference_steps": spec.min_inference_steps,
        "guidance_scale": spec.guidance_scale,
        "noise": {"kind": spec.process.kind, **_settings(spec)},
        "lora_targets": list(spec.lora_targets),
        "lora_excluded": spec.lora_excluded,
    }


def _repositories(spec: BackboneSpec) -> tuple[tuple[str, str], ...]:
    return spec.family.repositories(spec) or (("ships with facekit", "its version"),)


def _commercial(spec: BackboneSpec) -> str:
    if spec.commercial_use:
        return "commercial use allowed"
    return "commercial use not for everybody, so doctor --commercial refuses it"


def _settings(spec: BackboneSpec) -> dict[str, object]:
    process = spec.process
    return {f.name: getattr(process, f.name) for f in dataclasses.fields(process)}  # type: ignore[arg-type]


def _grouped(targets: Sequence[str]) -> list[str]:
    """The layers of one attention together."""
    groups: dict[str, list[str]] = {}
    for target in targets:
        attention, _, layer = target.rpartition(".to_")
        groups.setdefault(attention, []).append(f"to_{layer}" if attention else layer)
    return [
        f"{attention}.{{{','.join(layers)}}}" if attention else ",".join(layers)
        for attention, layers in groups.items()
    ]


def _noise(spec: BackboneSpec) -> list[str]:
    return [spec.process.kind, *(f"{name} {value}" for name, value in _settings(spec).items())]

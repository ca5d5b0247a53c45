"""What a backbone is to facekit: where it listens, what sizes it draws, how it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from facekit.backbones.family import Family
from facekit.backbones.noise import FlowNoise, NoiseProcess
from facekit.backbones.shapes import SHAPES, Shapes
from facekit.errors import SiteMissing, UsageError, WeightsError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = [
    "BackboneSpec",
    "detect_spec",
    "get_spec",
    "register_spec",
    "site_module",
    "spec_names",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec:
    """One video model: facts, and the family that knows how it is run."""

    name: str
    family: Family = field(repr=False)
    process: NoiseProcess = field(default_factory=FlowNoise)
    """How its latents become noise, and what it predicts."""
    repo: str
    """Where the weights live: a Hub repository, or empty for weights inside the package."""
    revision: str
    """The pinned commit of that repository; empty for weights inside the package."""
    licence: str
    """SPDX name of the licence of its weights, or its terms in words."""
    commercial_use: bool
    """Whether that licence allows commercial use."""
    lora_targets: tuple[str, ...]
    """Endings of the module paths that LoRA wraps."""
    lora_excluded: str | None = None
    """Regular expression of whole module paths that LoRA leaves out although their ending fits."""
    sizes: Mapping[str, tuple[int, int]] = field(hash=False)
    """Aspect to the default (height, width) in pixels."""
    site_every: int = 2
    """Identity is injected in every so-manieth block, from the first on."""
    spatial_multiple: int = 16
    """Height and width must be multiples of it."""
    max_sequence_length: int = 512
    """Length that prompts are padded to, in training and in sampling."""
    frame_multiple: int = 4
    """Legal frame counts are one more than a multiple of it."""
    max_frames: int = 81
    num_inference_steps: int = 30
    guidance_scale: float = 5.0
    fps: float = 16.0
    fingerprint: Mapping[str, object] = field(hash=False)
    """Entries of the network's config that tell this model among its family."""
    tiny_fingerprint: Mapping[str, object] = field(hash=False)
    """The same of what `tiny` builds."""
    pipeline_class: str = ""
    """Of diffusers; the family's when empty."""
    min_inference_steps: int = 1
    """With fewer the scheduler makes no numbers."""
    starts_from_frame: bool = False
    """Whether it was trained to go on from a clean first frame, so that shots can be continued."""
    ends_with_frame: bool = False
    """Whether its stock pipeline takes a picture for the last frame too."""
    num_experts: int = 1
    """Networks that share the noise levels, the first one for much noise."""
    shapes: Shapes | None = None
    """What the real model looks like, for estimates; what `SHAPES` holds under its name if None."""

    def sites(self, transformer: nn.Module) -> tuple[str, ...]:
        """Module paths of the cross-attentions where identity is injected, in order.

        Raises:
            SiteMissing: The transformer has none.
        """
        found = self.family.find_sites(transformer, self.site_every)
        if not found:
            raise SiteMissing(
                f"{type(transformer).__name__} has no cross-attention that {self.name} injects"
                f" identity into; pass the {self.family.network_name} of a {self.family.name}"
                " pipeline"
            )
        return found

    def fits(self, network: Any) -> bool:
        """Whether a network is of this model, by its class and its config."""
        if type(network).__name__ != self.family.network_class:
            return False
        config = getattr(network, "config", {})
        return any(
            all(config.get(name) == value for name, value in fingerprint.items())
            for fingerprint in (self.fingerprint, self.tiny_fingerprint)
        )

    def load(
        self, source: Path | str | None = None, dtype: torch.dtype = torch.float32
    ) -> "DiffusionPipeline":
        """Load the stock diffusers pipeline; never downloads.

        Args:
            source: A folder in diffusers format; the spec's own place when None.
            dtype: Of the transformer and the text encoder.

        Raises:
            WeightsMissing: Nothing there; the message names the command that fetches it.
            WeightsError: The folder is another model's, or part of it is missing.
        """
        place = None if source is None else Path(source)
        self.outline(place)
        pipe: DiffusionPipeline = self.family.load(self, place, dtype)
        held = len(self.family.networks(pipe))
        if held != self.num_experts:
            raise WeightsError(
                f"{place or self.repo}: holds {held} networks, expected {self.num_experts} for"
                f" {self.name}; name its folder, or fetch it again"
            )
        return pipe

    def outline(self, source: Path | str | None = None) -> nn.Module:
        """Build the real network from its config alone, without weights, on the meta device.

        Args:
            source: As for ``load``.

        Raises:
            WeightsMissing: Nothing there; the message names the command that fetches it.
            WeightsError: The folder is another model's, or its config cannot be read.
        """
        place = None if source is None else Path(source)
        network: nn.Module = self.family.outline(self, place)
        if self.fits(network):
            return network
        try:
            found = detect_spec(network).name
        except UsageError:
            found = f"a {type(network).__name__} of a model that facekit does not know"
        raise WeightsError(
            f"{place or self.repo}: holds {found}, expected {self.name}; name the folder of"
            f" {self.name}, or the backbone whose folder it is"
        )

    def known_shapes(self) -> Shapes | None:
        """What the real model looks like, where that is known without its weights."""
        return self.shapes or SHAPES.get(self.name)

    def tokenizer(self, source: Path | str | None = None) -> Any:
        """Load the pipeline's tokenizer alone, which takes no time; never downloads.

        Args:
            source: As for ``load``.

        Raises:
            WeightsMissing: Nothing there; the message names the command that fetches it.
        """
        return self.family.load_tokenizer(self, None if source is None else Path(source))

    def tiny(self) -> "DiffusionPipeline":
        """Build a small random pipeline of the real classes, the same on every call."""
        return self.family.build_tiny(self)

    def check_size(self, height: int, width: int) -> None:
        """Refuse a picture size that the model cannot draw.

        Raises:
            UsageError: Naming the nearest legal size.
        """
        step = self.spatial_multiple
        if height > 0 and width > 0 and height % step == 0 and width % step == 0:
            return
        near = [max(step, round(side / step) * step) for side in (height, width)]
        raise UsageError(
            f"size is {height}x{width} (height x width), expected multiples of {step} for"
            f" {self.name}; use {near[0]}x{near[1]}"
        )

    def check_frames(self, num_frames: int) -> None:
        """Refuse a frame count that the model cannot draw in one go.

        Raises:
            UsageError: Naming the nearest legal count.
        """
        step, most = self.frame_multiple, self.max_frames
        if 1 <= num_frames <= most and num_frames % step == 1 % step:
            return
        near = min(max(round((num_frames - 1) / step), 0) * step + 1, most)
        raise UsageError(
            f"num_frames is {num_frames}, expected {self.legal_frames} for {self.name}; use {near}"
        )

    @property
    def legal_frames(self) -> str:
        """The frame counts that it can draw in one go, in words."""
        step, most = self.frame_multiple, self.max_frames
        return f"1 to {most}" if step == 1 else f"{step} * n + 1 up to {most}"


_SPECS: dict[str, BackboneSpec] = {}


def register_spec(spec: BackboneSpec) -> BackboneSpec:
    """Make a spec known by its name.

    Raises:
        ValueError: The name is taken.
    """
    if spec.name in _SPECS:
        raise ValueError(f"backbone {spec.name!r} is registered twice; choose another name")
    _SPECS[spec.name] = spec
    return spec


def get_spec(name: str) -> BackboneSpec:
    """Find a spec by name.

    Raises:
        UsageError: Unknown; the message lists the known ones.
    """
    if name not in _SPECS:
        known = ", ".join(spec_names())
        raise UsageError(f"backbone {name!r} is unknown, expected one of {known}; choose one")
    return _SPECS[name]


def detect_spec(model: Any) -> BackboneSpec:
    """Tell the backbone from a pipeline or its network.

    Raises:
        UsageError: None of the known ones.
    """
    network = model
    for spec in _SPECS.values():
        held = spec.family.networks(model)[0]
        if type(held).__name__ == spec.family.network_class:
            network = held
            break
    experts = 1 if getattr(model, "transformer_2", None) is None else 2
    for spec in _SPECS.values():
        if network is not model and experts != spec.num_experts:
            continue
        if spec.fits(network):
            return spec
    raise UsageError(
        f"{type(network).__name__} is not a backbone that facekit knows, expected one of"
        f" {', '.join(spec_names())}; load the pipeline with"
        " facekit.backbones.get_spec(name).load()"
    )


def spec_names() -> tuple[str, ...]:
    """The names of all known backbones, sorted."""
    return tuple(sorted(_SPECS))


def site_module(transformer: nn.Module, site: str) -> Any:
    """Find the module at a path.

    Raises:
        SiteMissing: There is none.
    """
    try:
        return transformer.get_submodule(site)
    except AttributeError as error:
        raise SiteMissing(
            f"{type(transformer).__name__} has no {site}, expected the backbone that the adapter"
            " was made for; load that backbone"
        ) from error

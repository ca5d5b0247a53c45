"""What families of backbones do differently: one subclass each, in a file of its own.

Shapes: B batch, C channels, F frames, H height, W width, L latent tokens.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from facekit.backbones.hub import from_pretrained, network_outline, pipeline_folder
from facekit.backbones.sites import CROSS, LoraPlace, SiteKind, cross_attention_place
from facekit.errors import AdapterError, UsageError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from facekit.backbones.spec import BackboneSpec

__all__ = ["Call", "Expert", "Family", "PassKind", "Text", "latent_grid", "unwrapped"]

Text: TypeAlias = Mapping[str, Tensor]
"""What a network is told of prompts: its keyword -> a tensor whose first axis is the prompts."""

Expert: TypeAlias = Literal["low", "high"]
"""Of two networks that share the noise levels, the one for little noise or the one for much."""

PassKind: TypeAlias = Literal["conditional", "unconditional", "both"]
"""``both`` is the unconditional half of a batch and then the conditional one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One call of the network, as far as identity depends on it."""

    latents: Tensor
    """As the network is given them, samples first."""
    grid: tuple[int, int, int]
    """Latent tokens: frames, height, width."""
    timestep_B: Tensor
    """Of the noisiest token where tokens differ."""

    @property
    def batch(self) -> int:
        """Samples, both halves of guidance counted."""
        return int(self.latents.shape[0])

    @property
    def device(self) -> torch.device:
        """Of the latents."""
        return self.latents.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the latents."""
        return self.latents.dtype

    @property
    def has_equal_halves(self) -> bool:
        """Whether every sample is there twice, as where both halves of guidance are asked for."""
        first, *second = self.latents.chunk(2)
        return self.batch % 2 == 0 and torch.equal(first, second[0])


def latent_grid(
    latents: Tensor, patch: int | Sequence[int], axes: Sequence[int] = (2, 3, 4)
) -> tuple[int, int, int]:
    """Count latent tokens: frames, height, width.

    Args:
        latents: With five axes.
        patch: Latents to a token, one number for height and width or three.
        axes: Of frames, height and width.
    """
    sizes = (1, patch, patch) if isinstance(patch, int) else tuple(patch)
    frames, height, width = (
        int(latents.shape[axis]) // size for axis, size in zip(axes, sizes, strict=True)
    )
    return frames, height, width


def unwrapped(network: Any) -> Any:
    """A network without the wrapper of ``torch.compile``."""
    return getattr(network, "_orig_mod", network)


class Family(ABC):
    """How pipelines of one family are loaded, told prompts, and asked for a prediction.

    Latents are (B, C, F, H, W) everywhere outside: a family whose network wants another layout
    packs and unpacks them.
    """

    name: ClassVar[str]
    pipeline_class: ClassVar[str]
    """Of diffusers; the text-to-video pipeline."""
    network_class: ClassVar[str]
    """Of diffusers; what is adapted."""
    network_name: ClassVar[str] = "transformer"
    """The pipeline's attribute that holds it."""
    guides_in_two_passes: ClassVar[bool] = True
    """Whether sampling asks with and without the prompt; a distilled model is told the scale."""
    one_at_a_time: ClassVar[bool] = False
    """Whether the stock pipeline takes a single prompt and a single generator only."""
    needs_picture: ClassVar[bool] = False
    """Whether the stock pipeline begins every clip with a picture that its caller gives."""

    has_text_apart: ClassVar[bool] = False
    """Whether ``attn2`` of every block reads the text, and everything else in it the latents."""

    def network(self, pipe: Any, expert: Expert = "low") -> Any:
        """The network of a pipeline that is trained; the only one, or one of two experts."""
        return self.networks(pipe)[-1 if expert == "low" else 0]

    def networks(self, pipe: Any) -> tuple[Any, ...]:
        """All networks that identity is injected into, the one for much noise first."""
        return (unwrapped(getattr(pipe, self.network_name, None)),)

    def sigma_range(self, pipe: Any, expert: Expert = "low") -> tuple[float, float]:
        """The noise levels that `network` is asked at; training draws no others."""
        return 0.0, 1.0

    @abstractmethod
    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """Module paths of the attentions where identity is injected, in order; empty for none."""

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """How one of them is listened to."""
        return CROSS

    def site_grid(self, grid: tuple[int, int, int], site: str) -> tuple[int, int, int]:
        """The latent tokens that a site sees, of those of the whole call."""
        return grid

    def lora_place(self, path: str) -> LoraPlace | None:
        """Whose tokens a layer reads; None where those of latents and text cannot be told apart.

        Where it is known, the LoRA of a character can be kept to a region.
        """
        return cross_attention_place(path) if self.has_text_apart else None

    def text_projection(self, network: Any) -> nn.Module | None:
        """The module that turns encoded prompts into what the attentions to the text read.

        None where a region of the picture cannot be told another prompt than the rest.
        """
        return None

    def repositories(self, spec: "BackboneSpec") -> tuple[tuple[str, str], ...]:
        """The Hub repositories that it is loaded from, each with its pinned revision."""
        return ((spec.repo, spec.revision),) if spec.repo else ()

    def load(self, spec: "BackboneSpec", source: Path | None, dtype: torch.dtype) -> Any:
        """Load the stock pipeline; never downloads.

        Raises:
            WeightsMissing: It is not on this machine.
            WeightsError: What is there cannot be loaded.
        """
        import diffusers

        # The autoencoder stays in float32: in half precision it shows.
        dtypes = {"default": dtype, "vae": torch.float32}
        kind = getattr(diffusers, spec.pipeline_class or self.pipeline_class)
        return from_pretrained(kind, spec, source, dtype=dtypes)

    def load_tokenizer(self, spec: "BackboneSpec", source: Path | None) -> Any:
        """Load the tokenizer alone; raises as `load`."""
        from transformers import AutoTokenizer

        return from_pretrained(AutoTokenizer, spec, source, subfolder="tokenizer")

    def outline(self, spec: "BackboneSpec", source: Path | None) -> Any:
        """Build the real network from its config alone, without weights, on the meta device.

        Raises:
            WeightsMissing: It is not on this machine.
            WeightsError: Its config cannot be read.
        """
        import diffusers

        return network_outline(
            getattr(diffusers, self.network_class), pipeline_folder(spec, source), self.network_name
        )

    @abstractmethod
    def build_tiny(self, spec: "BackboneSpec") -> "DiffusionPipeline":
        """Build a small random pipeline of the real classes, the same on every call."""

    @abstractmethod
    def encode_text(self, pipe: Any, spec: "BackboneSpec", prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does."""

    @abstractmethod
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode frames, RGB in -1..1, to latents as the network wants them; no gradient.

        Raises:
            UsageError: A number of frames that the autoencoder would cut.
        """

    @abstractmethod
    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode what `encode_video` gives to frames (B, 3, F, H, W), about -1..1; gradients flow.

        Args:
            pipe: Of this family.
            latents: (B, C, F', H', W').
            clamp: Clip to -1..1. It kills the gradient where the decoder saturates.
        """

    @abstractmethod
    def predict(
        self, pipe: Any, spec: "BackboneSpec", noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Ask the network for its prediction, in the shape of the latents."""

    @abstractmethod
    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Read the arguments of the network's ``forward``."""

    def pass_kind(self, name: str | None, kwargs: dict[str, Any]) -> PassKind:
        """Tell what a call is for, by the name that the pipeline gives it.

        Args:
            name: Of the cache context; None outside of any.
            kwargs: Of the network's ``forward``.
        """
        if name in ("uncond", "pred_uncond"):
            return "unconditional"
        return "both" if name == "cond_uncond" else "conditional"

    def is_guided(self, pipe: Any, call: Call) -> bool:
        """Whether a call asks for both halves of guidance in one batch.

        Told from the latents, which are the same in both halves, and so also right where another
        pipeline runs the network.

        Raises:
            AdapterError: Two prompts from the same noise and a pipeline without guidance, which
                could be another pipeline with it as well.
        """
        scale = Family.guidance_scale(self, pipe, None)
        if call.has_equal_halves and scale is not None and scale <= 1:
            raise AdapterError(
                f"{call.batch} samples, each of them twice, from a pipeline without guidance, which"
                " cannot be told from the halves of guidance of another pipeline that shares its"
                f" {self.network_name}, expected samples that differ; give each prompt a seed of"
                " its own, or attach to the pipeline that is called"
            )
        return call.has_equal_halves

    def guidance_scale(self, pipe: Any, network: Any) -> float | None:
        """The scale that a pipeline guides a network with as it runs; None when it does not run.

        Pipelines that do not say whether they run are taken to.
        """
        if getattr(pipe, "_current_timestep", pipe) is None:
            return None
        scale = getattr(pipe, "_guidance_scale", None)
        return None if scale is None else float(scale)

    def shift(self, pipe: Any) -> float:
        """How far the scheduler moves noise levels towards noise; training draws them alike.

        Raises:
            UsageError: The scheduler has no such setting.
        """
        scheduler = pipe.scheduler
        # Only what the class itself takes: a config keeps the keys of the scheduler it came from.
        taken = inspect.signature(type(scheduler)).parameters
        for key in ("shift", "flow_shift"):
            if key in taken and scheduler.config.get(key) is not None:
                return float(scheduler.config[key])
        raise UsageError(
            f"{type(scheduler).__name__} has neither shift nor flow_shift, expected the scheduler"
            " of a flow-matching backbone; load the backbone with its own scheduler"
        )

    def sampling_options(
        self, spec: "BackboneSpec", guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """What the stock pipeline is called with beside prompt, size, length, steps and seeds."""
        return {"guidance_scale": guidance_scale, "max_sequence_length": spec.max_sequence_length}

    @contextmanager
    def sampling(self, pipe: Any, guidance_scale: float) -> Iterator[None]:
        """Set inside the block what a pipeline needs for sampling and takes in no argument."""
        yield

    def frames_of(self, output: Any) -> np.ndarray:
        """The frames of what the stock pipeline gave, float, (B, F, H, W, 3), 0..1."""
        return np.asarray(output.frames)

"""AnimateDiff: an image UNet of Stable Diffusion 1.5 with motion modules in between.

To the UNet a clip is so many pictures: frames stand in the batch, and only the motion modules see
them in a row. Identity and LoRA stay out of the motion modules.

Shapes: B batch, C channels, F frames, H height, W width, L text tokens.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.animatediff_sites import halvings, spatial_sites
from facekit.backbones.animatediff_tiny import TINY_TEXT_DIM, build_tiny
from facekit.backbones.family import Call, Family, PassKind, Text
from facekit.backbones.hub import from_pretrained, network_outline, pipeline_folder
from facekit.backbones.noise import NUM_TRAIN_TIMESTEPS, DiffusionNoise
from facekit.backbones.sites import FRAMEWISE, SiteKind
from facekit.backbones.spec import BackboneSpec, register_spec
from facekit.errors import WeightsError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["ANIMATEDIFF", "ANIMATEDIFF_SD15", "AnimateDiffFamily"]

# Source: configs/inference/inference-v2.yaml of the authors (github.com/guoyww/AnimateDiff) and
# diffusers' page on AnimateDiff: linear betas, where Stable Diffusion has scaled ones.
_PROCESS = DiffusionNoise("epsilon", "linear", 0.00085, 0.012)
_IMAGE_REPO = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_IMAGE_REVISION = "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"
_MOST_ATTENTIONS = 3
"""In one of its blocks; those on the way up have one more than those on the way down."""


class AnimateDiffFamily(Family):
    """Cross-attention to the text frame by frame, at several resolutions; both halves at once."""

    name = "animatediff"
    pipeline_class = "AnimateDiffPipeline"
    network_class = "UNetMotionModel"
    network_name = "unet"

    def find_sites(self, network: nn.Module, every: int) -> tuple[str, ...]:
        """Every so-manieth spatial attention to the text, in the order that they are run."""
        return tuple(spatial_sites(network))[::every]

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """Frame by frame."""
        return FRAMEWISE

    def site_grid(self, grid: tuple[int, int, int], site: str) -> tuple[int, int, int]:
        """Halved, rounding up, once for every block that was gone down."""
        frames, height, width = grid
        for _ in range(halvings(site)):
            height, width = -(-height // 2), -(-width // 2)
        return frames, height, width

    def repositories(self, spec: BackboneSpec) -> tuple[tuple[str, str], ...]:
        """Motion modules, and the image model that they go into."""
        return ((spec.repo, spec.revision), (_IMAGE_REPO, _IMAGE_REVISION))

    def load(self, spec: BackboneSpec, source: Path | None, dtype: torch.dtype) -> Any:
        """Load a saved pipeline, or an image model with the motion modules of the spec.

        Args:
            spec: Names the motion modules.
            source: A saved ``AnimateDiffPipeline``, or a Stable Diffusion 1.5 of one's own, which
                gets the motion modules; Stable Diffusion 1.5 itself when None.
            dtype: Of the UNet and the text encoder.
        """
        from diffusers import AnimateDiffPipeline, MotionAdapter

        if source is not None and not _is_image_model(source):
            return super().load(spec, source, dtype)
        motion = from_pretrained(MotionAdapter, spec, None, dtype=dtype)
        pipe = from_pretrained(
            AnimateDiffPipeline,
            _image_model(spec),
            source,
            dtype={"default": dtype, "vae": torch.float32},
            motion_adapter=motion,
            # Of no use here, and the processor of images needs torchvision.
            feature_extractor=None,
            image_encoder=None,
        )
        # The UNet was made anew, and no longer knows where its weights came from.
        pipe.unet.register_to_config(_name_or_path=str(Path(pipe.config._name_or_path, "unet")))
        pipe.scheduler = _motion_scheduler()
        return pipe

    def load_tokenizer(self, spec: BackboneSpec, source: Path | None) -> Any:
        """That of the image model."""
        return super().load_tokenizer(_image_model(spec), source)

    def outline(self, spec: BackboneSpec, source: Path | None) -> Any:
        """As `load` puts it together."""
        from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel

        if source is not None and not _is_image_model(source):
            return super().outline(spec, source)
        motion = network_outline(MotionAdapter, pipeline_folder(spec, None))
        images = pipeline_folder(_image_model(spec), source)
        unet = network_outline(UNet2DConditionModel, images, "unet")
        with torch.device("meta"):
            return UNetMotionModel.from_unet2d(unet, motion, load_weights=False)

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """The blocks of Stable Diffusion 1.5, two widths, two heads."""
        return build_tiny(spec, _motion_scheduler())

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does, before it repeats them for frames.

        Returns:
            (B, 77, C) in the dtype of the text encoder.
        """
        embeds: Tensor = pipe.encode_prompt(list(prompts), pipe.text_encoder.device, 1, False)[0]
        return {"encoder_hidden_states": embeds}

    @torch.no_grad()
    def encode_video(self, pipe: Any, frames_BCFHW: Tensor) -> Tensor:
        """Encode frame by frame to the mode of the posterior, scaled; any number of frames."""
        vae = pipe.vae
        frames = _frames_first(frames_BCFHW.to(vae.device, vae.dtype))
        latents = vae.encode(frames).latent_dist.mode() * vae.config.scaling_factor
        return _frames_third(latents, frames_BCFHW.shape[0])

    def decode_latents(self, pipe: Any, latents: Tensor, clamp: bool = False) -> Tensor:
        """Decode frame by frame."""
        vae = pipe.vae
        flat = _frames_first(latents.to(vae.device, vae.dtype) / vae.config.scaling_factor)
        frames = _frames_third(vae.decode(flat).sample, latents.shape[0])
        return frames.clamp(-1, 1) if clamp else frames

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict the noise."""
        num_frames = noisy.shape[2]
        repeated = {key: x.repeat_interleave(num_frames, dim=0) for key, x in text.items()}
        noise: Tensor = pipe.unet(
            sample=noisy,
            timestep=spec.process.timestep(sigma_B.to(noisy.device)),
            return_dict=False,
            **repeated,
        )[0]
        return noise

    def read_call(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Latents first, then a timestep: a number, one for all samples or one for each."""
        latents = kwargs["sample"] if "sample" in kwargs else args[0]
        timestep = torch.as_tensor(kwargs["timestep"] if "timestep" in kwargs else args[1])
        _, _, frames, height, width = latents.shape
        return Call(
            latents=latents,
            grid=(frames, height, width),
            timestep_B=timestep.reshape(-1),
        )

    def pass_kind(self, name: str | None, kwargs: dict[str, Any]) -> PassKind:
        """Tell the stock pipelines' calls, which have no name, by how they tell the timestep.

        They pass it by position, one for all samples; `predict` passes one for each by name.
        """
        timestep = kwargs.get("timestep")
        return "conditional" if isinstance(timestep, Tensor) and timestep.ndim == 1 else "both"

    def shift(self, pipe: Any) -> float:
        """What makes the timestep in the middle the median, as where timesteps are drawn evenly."""
        middle = float(_PROCESS.sigma(torch.tensor([NUM_TRAIN_TIMESTEPS / 2])))
        return middle / (1 - middle)

    def sampling_options(
        self, spec: BackboneSpec, guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """The length of prompts is the tokenizer's."""
        return {"guidance_scale": guidance_scale}


def _motion_scheduler() -> Any:
    """The scheduler that the motion modules were trained for."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=_PROCESS.beta_start,
        beta_end=_PROCESS.beta_end,
        beta_schedule=_PROCESS.beta_schedule,
        # Source: diffusers' page on AnimateDiff.
        clip_sample=False,
        timestep_spacing="linspace",
        steps_offset=1,
    )


def _frames_first(x_BCFHW: Tensor) -> Tensor:
    """(B, C, F, H, W) to (B F, C, H, W)."""
    return x_BCFHW.transpose(1, 2).flatten(0, 1)


def _frames_third(x: Tensor, batch: int) -> Tensor:
    """(B F, C, H, W) to (B, C, F, H, W)."""
    return x.reshape(batch, -1, *x.shape[1:]).transpose(1, 2)


def _image_model(spec: BackboneSpec) -> BackboneSpec:
    return dataclasses.replace(spec, repo=_IMAGE_REPO, revision=_IMAGE_REVISION)


def _is_image_model(folder: Path) -> bool:
    """Whether a pipeline's folder holds a UNet for pictures, to which motion is still to come.

    The pipeline would give it motion modules of random numbers, without a word.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        return False  # loading says what is missing
    try:
        kinds = json.loads(index.read_text(encoding="utf-8"))
        return bool(kinds["unet"][1] == "UNet2DConditionModel")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise WeightsError(
            f"{index}: cannot be read as the index of a pipeline with a unet ({error}), expected"
            " AnimateDiff or Stable Diffusion 1.5; fetch the folder again"
        ) from error


ANIMATEDIFF = AnimateDiffFamily()

ANIMATEDIFF_SD15 = register_spec(
    BackboneSpec(
        name="animatediff_sd15",
        family=ANIMATEDIFF,
        process=_PROCESS,
        repo="guoyww/animatediff-motion-adapter-v1-5-2",
        revision="6167b88ffe39b4441fdf2113e77b99a6f56b7906",
        # Source: the card of Stable Diffusion 1.5 and LICENSE.txt of github.com/guoyww/AnimateDiff.
        # The former allows commercial use and forbids the uses that its attachment A lists.
        licence="CreativeML Open RAIL-M with its use restrictions; motion modules Apache-2.0",
        commercial_use=True,
        # Spelled out as far as `attentions`, for the motion modules have the same names below it.
        lora_targets=tuple(
            f"attentions.{index}.transformer_blocks.0.{attention}.{linear}"
            for index in range(_MOST_ATTENTIONS)
            for attention in ("attn1", "attn2")
            for linear in ("to_q", "to_k", "to_v", "to_out.0")
        ),
        # The image model was trained at 512x512, and draws things twice where a picture is larger.
        sizes=MappingProxyType({"1:1": (512, 512), "16:9": (432, 768), "9:16": (768, 432)}),
        # Sixteen there are in all; IP-Adapter (arXiv 2308.06721) reads at each of them too.
        site_every=1,
        spatial_multiple=8,
        max_sequence_length=77,
        frame_multiple=1,
        max_frames=32,
        num_inference_steps=25,
        guidance_scale=7.5,
        fps=8.0,
        fingerprint=MappingProxyType({"cross_attention_dim": 768, "in_channels": 4}),
        tiny_fingerprint=MappingProxyType({"cross_attention_dim": TINY_TEXT_DIM}),
    )
)

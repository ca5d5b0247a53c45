"""The shapes that training is timed at: networks with random weights, and what they are fed.

Shapes: C latent channels, F latent frames, H and W latent height and width.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    WanPipeline,
    WanTransformer3DModel,
)

from facekit.backbones import BackboneSpec, get_spec
from facekit.backbones.wan import TOON
from facekit.training.encoded import EncodedPhotos

__all__ = [
    "EMBEDDING_DIM",
    "SHAPES",
    "Shape",
    "Work",
    "flops_of_a_step",
    "outline",
    "photos",
    "pipeline",
]

_VIEWS = 8
EMBEDDING_DIM = 128
"""Of the embedded face encoders."""
_WAN_VAE = {"base_dim": 96, "z_dim": 16}
_SMALL_VAE = {"base_dim": 8, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A network of Wan's kind and the clip that it is trained on when nothing else is asked."""

    layers: int
    heads: int
    head_dim: int
    ffn_dim: int
    text_dim: int
    text_tokens: int
    frames: int
    size: tuple[int, int]
    """Height and width in pixels."""
    vae: Mapping[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """What `WanTransformer3DModel` takes."""
        return {
            "num_layers": self.layers,
            "num_attention_heads": self.heads,
            "attention_head_dim": self.head_dim,
            "ffn_dim": self.ffn_dim,
            "text_dim": self.text_dim,
        }


SHAPES = {
    "tiny": Shape(
        layers=4, heads=2, head_dim=64, ffn_dim=512, text_dim=64, text_tokens=16, frames=5,
        size=(64, 64), vae=_SMALL_VAE,
    ),
    "small": Shape(
        layers=8, heads=6, head_dim=64, ffn_dim=1536, text_dim=384, text_tokens=64, frames=17,
        size=(128, 128), vae=_SMALL_VAE,
    ),
    # Source: transformer/config.json of Wan-AI/Wan2.1-T2V-1.3B-Diffusers and -14B-Diffusers.
    "wan-1.3b": Shape(
        layers=30, heads=12, head_dim=128, ffn_dim=8960, text_dim=4096, text_tokens=512, frames=33,
        size=(480, 832), vae=_WAN_VAE,
    ),
    "wan-14b": Shape(
        layers=40, heads=40, head_dim=128, ffn_dim=13824, text_dim=4096, text_tokens=512, frames=33,
        size=(480, 832), vae=_WAN_VAE,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What every way of training is given: the same network, the same latents and texts."""

    pipe: Any
    spec: BackboneSpec
    latents_shape: tuple[int, int, int, int]
    text_tokens: int
    text_dim: int
    pixels: int
    """Side of a square that the decoded picture holds."""

    @property
    def network(self) -> Any:
        """What is trained."""
        return self.pipe.transformer

    @property
    def tokens(self) -> int:
        """Latent tokens of a sample."""
        _, frames, height, width = self.latents_shape
        steps = self.network.config.patch_size
        return (frames // steps[0]) * (height // steps[1]) * (width // steps[2])


def outline(name: str) -> Any:
    """The network of a shape without memory for its weights."""
    with torch.device("meta"):
        return WanTransformer3DModel(**SHAPES[name].config)


def pipeline(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
) -> Work:
    """Build a shape with random weights on the device, or load the toon backbone as it ships."""
    if name == "toon":
        pipe: Any = TOON.load().to(device)
        height, width = size or (96, 96)
        seen = torch.zeros(1, 3, frames or 9, height, width)
        latents_shape = tuple(TOON.family.encode_video(pipe, seen).shape[1:])
        text_dim = pipe.transformer.config.text_dim
        return Work(
            pipe=pipe, spec=TOON, latents_shape=latents_shape, text_dim=text_dim,
            text_tokens=TOON.max_sequence_length, pixels=min(height, width),
        )  # fmt: skip
    shape = SHAPES[name]
    height, width = size or shape.size
    network = outline(name).to(dtype).to_empty(device=device)
    fill(network)
    with torch.device(device):
        vae = AutoencoderKLWan(**shape.vae).to(dtype)
    pipe = WanPipeline(
        tokenizer=None,
        text_encoder=None,
        transformer=network.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    spec = dataclasses.replace(get_spec("wan2_1_t2v_1_3b"), sizes={"1:1": (height, width)})
    latent_frames = ((frames or shape.frames) - 1) // 4 + 1
    return Work(
        pipe=pipe, spec=spec, latents_shape=(16, latent_frames, height // 8, width // 8),
        text_tokens=shape.text_tokens, text_dim=shape.text_dim, pixels=min(height, width),
    )  # fmt: skip


@torch.no_grad()
def fill(network: Any) -> None:
    """Give a network that has memory and no values random ones, of a size that does not explode."""
    generator = torch.Generator(next(network.parameters()).device).manual_seed(0)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=0.02, generator=generator)
        else:
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    network.rope = type(network.rope)(  # its tables are not parameters, so they hold no values yet
        network.config.attention_head_dim,
        network.config.patch_size,
        network.config.rope_max_seq_len,
    ).to(next(network.parameters()).device)


def photos(work: Work, device: torch.device) -> EncodedPhotos:
    """Latents, texts and embeddings as training keeps them, random ones."""
    generator = torch.Generator().manual_seed(1)
    _, *grid = work.latents_shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    # The face in the middle of the picture, half as wide: 64 pixels of a crop for its half.
    scale = 64 / (0.5 * work.pixels)
    place = torch.tensor([[scale, 0.0, -32.0], [0.0, scale, -32.0]])
    captions = tuple(f"{index}" for index in range(_VIEWS))
    return EncodedPhotos(
        latents=tuple(normal(*work.latents_shape) for _ in captions),
        masks=tuple(torch.rand(*grid, generator=generator) for _ in captions),
        transforms=(place,) * _VIEWS,
        view_photos=tuple(range(_VIEWS)),
        captions=captions,
        class_captions=captions,
        texts={"encoder_hidden_states": normal(_VIEWS + 1, work.text_tokens, work.text_dim)},
        phrases=("", *captions),
        embeddings_PD=torch.nn.functional.normalize(normal(_VIEWS, EMBEDDING_DIM), dim=-1),
        quality_P=torch.ones(_VIEWS),
        token_photos=tuple(range(_VIEWS)),
        clips=(),
        face_frames=(0,) * _VIEWS,
    ).to(device)


def flops_of_a_step(work: Work, batch: int, checkpointing: bool) -> float:
    """Multiplications and additions of one step that trains a LoRA of a frozen network.

    Linear layers go forward and hand gradients back, attention costs 2.5 times as much backwards;
    with checkpointing both go forward once more. The LoRA itself, norms and embeddings are left
    out.
    """
    config, length, text = work.network.config, work.tokens, work.text_tokens
    width = config.num_attention_heads * config.attention_head_dim
    linear = length * (2 * 6 * width**2 + 4 * width * config.ffn_dim) + text * 4 * width**2
    attention = 4 * length * (length + text) * width
    again = float(checkpointing)
    step = linear * (2.0 + again) + attention * (3.5 + again)
    return batch * config.num_layers * step

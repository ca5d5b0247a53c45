"""Wan 2.1 VACE: Wan with further blocks that read a video, a mask and reference pictures.

Shapes: B batch, C channels, F frames, H height, W width.
"""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from facekit.backbones.wan import WanFamily, wan_spec

__all__ = ["WAN_VACE", "WanVaceFamily"]


class WanVaceFamily(WanFamily):
    """Identity and LoRA go into the main blocks alone, as those of Wan 2.1 T2V do.

    The blocks that read the video are left as they are. Training on photos shows them what the
    stock pipeline does of a prompt alone: an empty video, all of it to be drawn.
    """

    name = "wan_vace"
    pipeline_class = "WanVACEPipeline"
    network_class = "WanVACETransformer3DModel"
    can_continue = False
    one_at_a_time = True

    def __init__(self) -> None:
        self._empty: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], Tensor]] = (
            WeakKeyDictionary()
        )

    def latent_arguments(self, pipe: Any, noisy: Tensor) -> dict[str, Tensor]:
        """The noisy latents, and what the further blocks read of an empty video."""
        control_1CFHW = self._empty_video(pipe, noisy).to(noisy)
        shape = (noisy.shape[0], *control_1CFHW.shape[1:])
        return {"hidden_states": noisy, "control_hidden_states": control_1CFHW.expand(shape)}

    @torch.no_grad()
    def _empty_video(self, pipe: Any, noisy: Tensor) -> Tensor:
        """Latents and mask as the stock pipeline makes them of nothing."""
        found = self._empty.setdefault(pipe.vae, {})
        sizes = tuple(noisy.shape[2:])
        if sizes not in found:
            scale, temporal = pipe.vae_scale_factor_spatial, pipe.vae_scale_factor_temporal
            video, mask, pictures = pipe.preprocess_conditions(
                height=sizes[1] * scale,
                width=sizes[2] * scale,
                num_frames=(sizes[0] - 1) * temporal + 1,
                dtype=torch.float32,
                device=noisy.device,
            )
            latents = pipe.prepare_video_latents(video, mask, pictures, device=noisy.device)
            masks = pipe.prepare_masks(mask, pictures)
            found[sizes] = torch.cat([latents, masks], dim=1)
        return found[sizes]


WAN_VACE = WanVaceFamily()

wan_spec(
    "wan2_1_vace_1_3b",
    WAN_VACE,
    fingerprint={"num_layers": 30},
    lora_within="blocks",
    repo="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    revision="ec4d2cb062b548996b179d493fdd05340de702a1",
)
wan_spec(
    "wan2_1_vace_14b",
    WAN_VACE,
    fingerprint={"num_layers": 40},
    lora_within="blocks",
    repo="Wan-AI/Wan2.1-VACE-14B-diffusers",
    revision="db79b90c60bbb45ceec9e41b9d5a4df934538ac4",
)

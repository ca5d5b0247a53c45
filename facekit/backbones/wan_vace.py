"""Wan 2.1 VACE: Wan with further blocks that read a video, a mask and reference pictures.

Shapes: B batch, C channels, F frames, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor

from facekit.backbones.wan import wan_spec
from facekit.backbones.wan_condition import WanConditionFamily

__all__ = ["WAN_VACE", "WanVaceFamily"]


class WanVaceFamily(WanConditionFamily):
    """Identity and LoRA go into the main blocks alone, as those of Wan 2.1 T2V do.

    The blocks that read the video are left as they are. Training on photos shows them what the
    stock pipeline does of a prompt alone: an empty video, all of it to be drawn.
    """

    name = "wan_vace"
    pipeline_class = "WanVACEPipeline"
    network_class = "WanVACETransformer3DModel"
    one_at_a_time = True

    def latent_arguments(self, pipe: Any, noisy: Tensor) -> dict[str, Tensor]:
        """The noisy latents, and what the further blocks read of an empty video."""
        control = self.empty_condition(pipe, noisy)
        return {"hidden_states": noisy, "control_hidden_states": control}

    def make_empty(
        self, pipe: Any, num_frames: int, height: int, width: int, device: torch.device
    ) -> Tensor:
        """Latents and mask of a video that is all to be drawn."""
        video, mask, pictures = pipe.preprocess_conditions(
            height=height,
            width=width,
            num_frames=num_frames,
            dtype=torch.float32,
            device=device,
        )
        latents = pipe.prepare_video_latents(video, mask, pictures, device=device)
        return torch.cat([latents, pipe.prepare_masks(mask, pictures)], dim=1)


WAN_VACE = WanVaceFamily()

_BESIDE_THE_BLOCKS = r"(?!blocks\.).*"

wan_spec(
    "wan2_1_vace_1_3b",
    WAN_VACE,
    fingerprint={"num_layers": 30},
    lora_excluded=_BESIDE_THE_BLOCKS,
    repo="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    revision="ec4d2cb062b548996b179d493fdd05340de702a1",
)
wan_spec(
    "wan2_1_vace_14b",
    WAN_VACE,
    fingerprint={"num_layers": 40},
    lora_excluded=_BESIDE_THE_BLOCKS,
    repo="Wan-AI/Wan2.1-VACE-14B-diffusers",
    revision="db79b90c60bbb45ceec9e41b9d5a4df934538ac4",
)

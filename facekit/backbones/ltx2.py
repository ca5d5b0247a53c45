"""LTX-2 and LTX-2.3, the video of the two streams; the audio stays as it is.

Shapes: B batch, C channels, F frames, H height, W width, L latent tokens.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facekit.backbones.family import Text
from facekit.backbones.ltx import VIDEO_LORA_TARGETS, LTXFamily, pack, unpack
from facekit.backbones.ltx2_tiny import TINY_LAYERS, build_tiny
from facekit.backbones.sites import GATED_CROSS, SiteKind
from facekit.backbones.spec import BackboneSpec, register_spec

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

__all__ = ["LTX2", "LTX_2", "LTX_2_3", "LTX2Family"]


class LTX2Family(LTXFamily):
    """As LTX-Video, beside a stream of audio, with gates on the heads from 2.3 on.

    The passes that the pipeline calls ``uncond_stg`` and ``uncond_modality`` see the prompt, and
    so the characters: what is left out there is self-attention or the audio.
    """

    name = "ltx2"
    pipeline_class = "LTX2Pipeline"
    network_class = "LTX2VideoTransformer3DModel"

    def site_kind(self, network: nn.Module, site: str) -> SiteKind:
        """Cross-attention that may have gates."""
        return GATED_CROSS

    def build_tiny(self, spec: BackboneSpec) -> "DiffusionPipeline":
        """Four blocks of two heads."""
        return build_tiny(spec)

    @torch.no_grad()
    def encode_text(self, pipe: Any, spec: BackboneSpec, prompts: Sequence[str]) -> Text:
        """Encode prompts exactly as the stock pipeline does, through its connectors.

        Returns:
            Embeddings (B, L, C) for the video and for the audio, which the network asks for, and
            the mask of both, L = ``spec.max_sequence_length``.
        """
        embeds, mask, _, _ = pipe.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=spec.max_sequence_length,
        )
        video, audio, heard = pipe.connectors(
            embeds, mask, padding_side=getattr(pipe.tokenizer, "padding_side", "left")
        )
        return {
            "encoder_hidden_states": video,
            "audio_encoder_hidden_states": audio,
            "encoder_attention_mask": heard,
            "audio_encoder_attention_mask": heard.clone(),  # no file holds one tensor twice
        }

    def predict(
        self, pipe: Any, spec: BackboneSpec, noisy: Tensor, sigma_B: Tensor, text: Text
    ) -> Tensor:
        """Predict noise minus clean latents of the video, at ``spec.fps`` frames per second.

        A photo has no sound. The two streams are kept apart, which the network knows from its
        pass ``uncond_modality``: the video then does not depend on the audio at all. What stands
        in the place of the audio, for there must be something, is one token of zeros.
        """
        network = pipe.transformer
        batch, _, frames, height, width = noisy.shape
        timestep = spec.process.timestep(sigma_B.to(noisy.device))
        velocity: Tensor = network(
            hidden_states=pack(pipe, noisy),
            audio_hidden_states=noisy.new_zeros(batch, 1, network.config.audio_in_channels),
            timestep=timestep,
            sigma=timestep,
            num_frames=frames,
            height=height,
            width=width,
            fps=spec.fps,
            audio_num_frames=1,
            isolate_modalities=True,
            return_dict=False,
            **text,
        )[0]
        return unpack(pipe, velocity, noisy)

    def sampling_options(
        self, spec: BackboneSpec, guidance_scale: float, fps: float
    ) -> dict[str, Any]:
        """Beside the common ones the frame rate, and the guidance that the model was made for."""
        options = {
            "guidance_scale": guidance_scale,
            "max_sequence_length": spec.max_sequence_length,
            "frame_rate": fps,
        }
        if spec.fingerprint["gated_attn"]:
            return options
        return {**options, "audio_guidance_scale": guidance_scale, **_PLAIN_GUIDANCE}


LTX2 = LTX2Family()

_PLAIN_GUIDANCE = MappingProxyType(
    {
        "guidance_rescale": 0.0,
        "audio_guidance_rescale": 0.0,
        "stg_scale": 0.0,
        "audio_stg_scale": 0.0,
        "modality_scale": 1.0,
        "audio_modality_scale": 1.0,
        "use_cross_timestep": False,
    }
)
"""Of LTX-2: the pipeline's other defaults are LTX-2.3's, whose attention alone can be perturbed.

Source: the example of diffusers' LTX-2 page, from before there was an LTX-2.3.
"""


def _ltx2_spec(name: str, *, gated: bool, **facts: Any) -> BackboneSpec:
    return register_spec(
        BackboneSpec(
            name=name,
            family=LTX2,
            lora_targets=VIDEO_LORA_TARGETS,
            # LTX-2.5 has gates too, and no biases in its feed-forward layers.
            fingerprint=MappingProxyType({"num_layers": 48, "gated_attn": gated, "ff_bias": True}),
            tiny_fingerprint=MappingProxyType({"num_layers": TINY_LAYERS, "gated_attn": gated}),
            # Source: the licence of Lightricks/LTX-2. False, for whom it binds is not known here.
            licence="LTX-2 Community License, paid above a yearly revenue of 10 million dollars",
            commercial_use=False,
            sizes=MappingProxyType({"1:1": (640, 640), "16:9": (512, 896), "9:16": (896, 512)}),
            spatial_multiple=32,
            max_sequence_length=1024,
            frame_multiple=8,
            max_frames=481,
            # The scheduler stretches its levels down to shift_terminal, and of one it makes 0 / 0.
            min_inference_steps=2,
            fps=24.0,
            **facts,
        )
    )


# Revisions: as several public repositories pin them; the Hub itself was out of reach. Steps and
# guidance: the example of diffusers' LTX-2 page, and the defaults of its pipeline for 2.3.
LTX_2 = _ltx2_spec(
    "ltx_2",
    gated=False,
    repo="Lightricks/LTX-2",
    revision="47da56e2ad66ce4125a9922b4a8826bf407f9d0a",
    num_inference_steps=40,
    guidance_scale=4.0,
)
LTX_2_3 = _ltx2_spec(
    "ltx_2_3",
    gated=True,
    repo="diffusers/LTX-2.3-Diffusers",
    revision="8eee8edcf067e838b843f926ec4d4cc9b2be1aaf",
    num_inference_steps=30,
    guidance_scale=3.0,
)

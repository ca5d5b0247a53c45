"""Continue a clip: its last frame begins the next one, and the identity branch holds the face."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage

from facekit.adapters.attach import Attachment
from facekit.adapters.conditioning import Conditioning
from facekit.backbones.spec import BackboneSpec, detect_spec
from facekit.errors import UsageError
from facekit.generation.sample import SampleSettings, conditioned, quiet, run_pipeline
from facekit.generation.shots import check_shots
from facekit.types import Clip, Image, NoProgress, Progress, Shot

__all__ = ["continuation_pipeline", "continue_clip"]


def continuation_pipeline(pipe: Any) -> Any:
    """Build the stock image-to-video pipeline from the parts of a text-to-video pipeline.

    Nothing is copied: the transformer is the same object, so what is attached to it stays attached.
    A pipeline that begins with a picture by itself is given back as it is.

    Raises:
        UsageError: The backbone was not trained to start from a clean first frame.
    """
    from diffusers import WanImageToVideoPipeline

    if isinstance(pipe, WanImageToVideoPipeline):
        return pipe
    if not pipe.config.get("expand_timesteps"):
        network = detect_spec(pipe).family.network(pipe)
        raise UsageError(
            f"{type(network).__name__} does not take a clean first frame "
            "(expand_timesteps is off), so a shot cannot be continued; use a backbone that does, "
            "such as toon"
        )
    return WanImageToVideoPipeline(
        tokenizer=pipe.tokenizer,
        text_encoder=pipe.text_encoder,
        vae=pipe.vae,
        scheduler=pipe.scheduler,
        transformer=pipe.transformer,
        transformer_2=pipe.transformer_2,
        boundary_ratio=pipe.config.get("boundary_ratio"),
        expand_timesteps=True,
    )


def continue_clip(
    pipe: Any,
    clip: Clip,
    shot: Shot,
    spec: BackboneSpec,
    settings: SampleSettings | None = None,
    *,
    attachment: Attachment | None = None,
    identities: Conditioning | Sequence[Conditioning] | None = None,
    last: Image | None = None,
    progress: Progress | None = None,
    negative_prompt: str = "",
) -> Clip:
    """Generate what comes after a clip.

    The last frame gives the picture, the identity branch the face: every piece hears the same
    identity, so that a face that got worse in one piece is not handed on to the next as the truth.

    Args:
        pipe: What `continuation_pipeline` gave.
        clip: What has been shot; its last frame is continued.
        shot: Prompt, seed and length of the new piece; its size must be the clip's.
        spec: The backbone.
        settings: Those of the backbone when None.
        attachment: What `attach` gave for the same transformer.
        identities: Who is in it; without them the attachment's own condition stands.
        last: A picture of the same size that the new piece ends with.
        progress: Told of every denoising step.
        negative_prompt: What the pictures should not show.

    Returns:
        The new piece; its first frame shows the last frame of the clip again.

    Raises:
        UsageError: The shot differs in size from the clip, or is too short to move; identities
            without an attachment; or a last picture for a backbone that does not take one.
    """
    settings = settings or SampleSettings.of(spec)
    progress = progress or NoProgress()
    check_shots([shot], spec)
    scope = conditioned(attachment, identities, settings)
    height, width = clip.frames.shape[1:3]
    if (shot.height, shot.width) != (height, width):
        raise UsageError(
            f"{shot.name} is {shot.width}x{shot.height}, the clip that it continues "
            f"{width}x{height}; shoot both in one size"
        )
    if shot.num_frames < 2:
        raise UsageError(
            f"{shot.name} has {shot.num_frames} frame, a continuation needs at least 2; ask for "
            "more frames"
        )
    progress.start(settings.num_inference_steps, shot.name)
    extra = _pictures(pipe, clip.frames[-1], last, shot, spec, negative_prompt)
    with scope, quiet(pipe):
        pieces = run_pipeline(pipe, [shot], spec, settings, progress, extra=extra)
    progress.finish()
    return pieces[0]


def _pictures(
    pipe: Any,
    first: Image,
    last: Image | None,
    shot: Shot,
    spec: BackboneSpec,
    negative_prompt: str,
) -> dict[str, Any]:
    """What the pipeline is given besides size and noise."""
    if last is not None and not spec.ends_with_frame:
        raise UsageError(
            f"{shot.name}: a last picture was given, expected none for {spec.name}, whose pipeline"
            " takes clean frames at the beginning alone; leave it away"
        )
    if spec.family.needs_picture:
        ends = {} if last is None else {"last_image": PillowImage.fromarray(last)}
        told = {"negative_prompt": negative_prompt} if negative_prompt else {}
        return {"image": PillowImage.fromarray(first), **ends, **told}
    return {
        "image": torch.from_numpy(first / np.float32(255.0)).permute(2, 0, 1)[None],
        "prompt_embeds": _encode(pipe, shot.prompt, spec),
        "negative_prompt_embeds": _encode(pipe, negative_prompt, spec),
    }


def _encode(pipe: Any, prompt: str, spec: BackboneSpec) -> Any:
    """Encode a prompt as text-to-video does.

    The image-to-video pipeline cleans prompts with a library that diffusers does not require.
    """
    from diffusers import WanPipeline

    reader = WanPipeline(
        tokenizer=pipe.tokenizer,
        text_encoder=pipe.text_encoder,
        vae=pipe.vae,
        scheduler=pipe.scheduler,
        transformer=pipe.transformer,
    )
    return spec.family.encode_text(reader, spec, [prompt])["encoder_hidden_states"]

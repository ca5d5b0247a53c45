"""The character as it is now, put into the pipeline for a validation.

Shapes: K identity tokens, C token channels.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from facekit.adapters.attach import Attachment
from facekit.adapters.conditioning import Conditioning
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.training.denoiser import Denoiser, attention_kernels, autocast
from facekit.training.encoded import EncodedPhotos
from facekit.training.objective import IdentityTokens
from facekit.training.processes import Processes
from facekit.training.settings import TrainSettings
from facekit.training.trainer import Validate, Validation

__all__ = ["all_tokens", "in_place", "judged_together"]


@torch.no_grad()
def all_tokens(
    adapter: IdentityAdapter | None, encoded: EncodedPhotos, tokens: IdentityTokens | None
) -> Tensor | None:
    """The tokens (K, C) of the character from `token_photos`, on the CPU; None without any."""
    if adapter is None:
        return None
    photos = torch.tensor(encoded.token_photos)
    tokens_1KC = adapter.tokens(
        encoded.embeddings_PD[photos][None], encoded.quality_P[photos][None]
    )
    if tokens is not None:
        tokens_1KC = tokens(tokens_1KC)
    return tokens_1KC[0].detach().cpu().clone()


def in_place(
    validate: Validate,
    settings: TrainSettings,
    denoiser: Denoiser,
    adapter: IdentityAdapter | None,
    attachment: Attachment | None,
    tokens: IdentityTokens | None,
    encoded: EncodedPhotos,
    guidance: Mapping[str, Any],
) -> Validate:
    """Wrap a validation so that the character, as it is now, is in the picture.

    Args:
        validate: Only has to sample.
        settings: Strength, window and precision.
        denoiser: The backbone.
        adapter: The base identity adapter; None for a plain LoRA, which is on already.
        attachment: Of that adapter.
        tokens: What is learned about the identity; None when nothing is.
        encoded: The photos.
        guidance: Further options of ``Attachment.condition``, those that shots are sampled with.
    """

    @torch.no_grad()
    def judge(step: int) -> Validation:
        network = denoiser.network
        scope: Any = nullcontext()
        tokens_KC = all_tokens(adapter, encoded, tokens)
        if adapter is not None and attachment is not None and tokens_KC is not None:
            folded = adapter.fold(tokens_KC.to(network.device)).detached()
            scope = attachment.conditioned_on(
                Conditioning(
                    identity=folded,
                    strength=settings.strength,
                    window=settings.sigma_window,
                    null=None if adapter.null is None else adapter.fold(adapter.null_tokens(1)),
                ),
                **guidance,
            )
        how = (network.device, settings.precision)
        with scope, autocast(*how), attention_kernels(*how):
            return validate(step)

    return judge


def judged_together(judge: Validate, processes: Processes) -> Validate:
    """Let the first process judge for all; where weights are shared out, the others sample too."""
    if processes.count == 1:
        return judge

    def together(step: int) -> Validation:
        if not processes.shards:
            return processes.same(lambda: judge(step))
        with processes.noticing():
            own = judge(step)
        return processes.same(lambda: own)

    return together

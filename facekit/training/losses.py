"""The terms of the loss, each a function of tensors and nothing else.

Shapes: B samples, C latent channels, F latent frames, H and W latent height and width, D embedding,
N negatives.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["contrastive_loss", "flow_loss", "identity_loss", "low_noise_gain", "preservation_loss"]

_TEMPERATURE = 0.07
_LEAST_AREA = 1e-3


def flow_loss(
    velocity_BCFHW: Tensor, target_BCFHW: Tensor, masks_BFHW: Tensor, masked_B: Tensor
) -> Tensor:
    """Squared error of the velocity; for chosen samples only where the face is.

    Args:
        velocity_BCFHW: What the model says.
        target_BCFHW: Noise minus clean latents.
        masks_BFHW: Which part of each latent cell is face, 0..1.
        masked_B: Bool; True takes the mean over the face. It is divided by the area of the mask
            in each frame, so that a small face counts as much as a large one, and frames without
            a face are left out.

    Returns:
        A scalar. A masked sample without any face counts as an unmasked one.

    Source: ConsisID (arXiv 2411.17440) section 3.3, with the area normalised, which
    diffusion-pipe and musubi-tuner leave out.
    """
    if masks_BFHW.shape != (velocity_BCFHW.shape[0], *velocity_BCFHW.shape[2:]):
        raise ValueError(
            f"masks have shape {tuple(masks_BFHW.shape)}, expected that of the latents without"
            f" channels, {tuple(velocity_BCFHW[:, 0].shape)}"
        )
    error_BFHW = (velocity_BCFHW.float() - target_BCFHW.float()).square().mean(dim=1)
    whole_B = error_BFHW.mean(dim=(1, 2, 3))
    area_BF = masks_BFHW.sum(dim=(2, 3))
    seen_BF = (area_BF > _LEAST_AREA).float()
    inside_BF = (error_BFHW * masks_BFHW).sum(dim=(2, 3)) / area_BF.clamp_min(_LEAST_AREA)
    frames_B = seen_BF.sum(dim=1)
    face_B = (inside_BF * seen_BF).sum(dim=1) / frames_B.clamp_min(1.0)
    use_face_B = masked_B & (frames_B > 0)
    return face_B.where(use_face_B, whole_B).mean()


def low_noise_gain(sigma_B: Tensor, max_sigma: float) -> Tensor:
    """(1 - sigma)^2 below `max_sigma`, 0 above: how far to trust the estimate of the picture."""
    return (1.0 - sigma_B).square() * (sigma_B < max_sigma)


def identity_loss(cosine_B: Tensor, gain_B: Tensor, batch_size: int) -> Tensor:
    """One minus the likeness of the estimated picture, weighted by trust.

    Args:
        cosine_B: Likeness to a photo that neither conditions nor is the target; only for the
            samples that were decoded.
        gain_B: Trust in each of them, from `low_noise_gain`.
        batch_size: Samples in the whole batch; those not decoded count 0, so that the term does
            not grow when few samples qualify.
    """
    return ((1.0 - cosine_B) * gain_B).sum() / batch_size


def contrastive_loss(
    embedding_BD: Tensor, own_BD: Tensor, others_ND: Tensor, gain_B: Tensor, batch_size: int
) -> Tensor:
    """InfoNCE: nearer to the own photo than to a bank of other faces. All vectors have unit norm.

    Source: arXiv 1807.03748 equation 4.
    """
    own_B1 = (embedding_BD * own_BD).sum(dim=1, keepdim=True)
    logits = functional.log_softmax(
        torch.cat([own_B1, embedding_BD @ others_ND.T], dim=1) / _TEMPERATURE, dim=1
    )
    return (-logits[:, 0] * gain_B).sum() / batch_size


def preservation_loss(velocity: Tensor, base_velocity: Tensor) -> Tensor:
    """Squared distance of the adapted model to the base model, both on the class prompt.

    Source: differential output preservation, ai-toolkit `SDTrainer.py`.
    """
    return functional.mse_loss(velocity.float(), base_velocity.float())

"""What the parts of a build have trained so far, read from the checkpoints in its work folder."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from facekit.workflows.toon_plan import BuildToonPlan

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan
    from torch import Tensor

    from facekit.faces.toon import ToonFaces
    from facekit.faces.toon_nets import EmbedderNet
    from facekit.training.toon_model import ToonModel

__all__ = ["embedder_a", "first_vae", "new_model", "tensors_digest", "trained_embedder"]


def first_vae(plan: BuildToonPlan) -> "AutoencoderKLWan":
    """The VAE of the part `vae-faces`, with the latent statistics that the backbone knows."""
    from facekit.toon.corpus import load_shard
    from facekit.toon.fitting import load_average
    from facekit.toon.vae import new_vae, set_latent_statistics

    vae = new_vae()
    load_average(vae, plan.out / "vae-faces.pt")
    set_latent_statistics(vae, load_shard(plan.out / "corpus" / "1x1_1"))
    return vae


def embedder_a(plan: BuildToonPlan) -> "ToonFaces":
    """The first encoder without its detector: the corpus knows where its faces are."""
    from facekit.faces.toon import ToonFaces
    from facekit.faces.toon_nets import DetectorNet, RefinerNet

    name = "toon-a"
    return ToonFaces(
        name, DetectorNet(name), RefinerNet(name), trained_embedder(plan, name), digest="0" * 64
    )


def trained_embedder(plan: BuildToonPlan, variant: str) -> "EmbedderNet":
    """The embedder of one variant, as trained so far."""
    from facekit.toon.encoders import Recogniser
    from facekit.toon.fitting import load_average

    recogniser = Recogniser(variant)
    load_average(recogniser, plan.out / f"{variant}-embedder.pt")
    return recogniser.embedder


def new_model(plan: BuildToonPlan) -> "ToonModel":
    """The untrained backbone and base adapter."""
    from facekit.training.toon_model import ToonModel

    return ToonModel("toon-a", "", 128, seed=plan.seed)


def tensors_digest(tensors: "Iterable[Tensor]") -> str:
    """Return the sha256 (hex) over the bytes of tensors, in order."""
    digest = sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

"""What the parts of a build have trained so far, read from the checkpoints in its work folder."""

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from facekit.resources import BACKBONE_FOLDER, BASE_ADAPTER_FILE, toon_dir
from facekit.workflows.toon_plan import BuildToonPlan

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan
    from torch import Tensor, nn

    from facekit.faces.toon import ToonFaces
    from facekit.faces.toon_nets import EmbedderNet
    from facekit.training.toon_model import ToonModel

__all__ = [
    "embedder_a",
    "first_vae",
    "new_model",
    "seed_from_shipped",
    "tensors_digest",
    "trained_embedder",
]


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


def seed_from_shipped(plan: BuildToonPlan) -> None:
    """Write the shipped weights as the checkpoints that the work folder lacks.

    A part that the plan trains starts at step 0, with the shipped weights and new optimisers; any
    other part counts as done.
    """
    from diffusers import AutoencoderKLWan, WanTransformer3DModel
    from transformers import UMT5EncoderModel

    from facekit.adapters.identity_adapter import IdentityAdapter
    from facekit.faces.toon_nets import DetectorNet, RefinerNet
    from facekit.toon.encoders import Recogniser
    from facekit.toon.fitting import seed_checkpoint
    from facekit.toon.probe import ProbeNet
    from facekit.weights import load_nets, verify

    shipped = toon_dir()
    verify(shipped)

    def seed(part: str, model: "nn.Module", name: str) -> None:
        path = plan.out / f"{name}.pt"
        if not path.exists():
            seed_checkpoint(model, path, step=0 if part in plan.parts else plan.steps_of(part))

    for variant in ("toon-a", "toon-b"):
        detector, refiner = DetectorNet(variant), RefinerNet(variant)
        recogniser = Recogniser(variant)
        nets = {"detector.": detector, "refiner.": refiner, "embedder.": recogniser.embedder}
        load_nets(shipped / f"{variant}.safetensors", nets)
        letter = variant[-1]
        seed(f"detector-{letter}", detector, f"{variant}-detector")
        seed(f"refiner-{letter}", refiner, f"{variant}-refiner")
        seed(f"embedder-{letter}", recogniser, f"{variant}-embedder")
    probe = ProbeNet()
    load_nets(shipped / "probe.safetensors", {"": probe})
    seed("probe", probe, "probe")
    folder = shipped / BACKBONE_FOLDER
    vae = AutoencoderKLWan.from_pretrained(folder, subfolder="vae")
    seed("vae", vae, "vae")
    seed("vae-faces", vae, "vae-faces")
    model = new_model(plan)
    transformer = WanTransformer3DModel.from_pretrained(folder, subfolder="transformer")
    model.transformer.load_state_dict(transformer.float().state_dict())
    text_encoder = UMT5EncoderModel.from_pretrained(folder, subfolder="text_encoder")
    model.text_encoder.load_state_dict(text_encoder.float().state_dict())
    adapter = IdentityAdapter.load(shipped / BASE_ADAPTER_FILE)
    model.adapter.load_state_dict(adapter.float().state_dict())
    seed("backbone", model, "backbone")


def tensors_digest(tensors: "Iterable[Tensor]") -> str:
    """Return the sha256 (hex) over the bytes of tensors, in order."""
    digest = sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

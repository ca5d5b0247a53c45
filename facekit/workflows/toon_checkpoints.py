"""What the parts of a build have trained so far, read from the checkpoints in its work folder."""

from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from torch import Tensor, nn

from facekit.resources import BACKBONE_FOLDER, BASE_ADAPTER_FILE, toon_dir
from facekit.weights import load_nets, verify
from facekit.workflows.toon_plan import BuildToonPlan

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan

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
    """Write the shipped weights as the checkpoints that the work folder lacks, and read no others.

    A part that the plan trains starts at step 0, with the shipped weights and new optimisers; any
    other part counts as done.

    Raises:
        WeightsMissing: A shipped file that is needed is not there.
        ChecksumMismatch: It is not the recorded one, or is damaged.
    """
    from facekit.toon.fitting import seed_checkpoint

    sources: list[tuple[str, str, Callable[[], nn.Module]]] = [
        # part, name of its checkpoint, what reads the shipped weights
        *(
            (f"{net}-{variant[-1]}", f"{variant}-{net}", partial(_shipped_net, net, variant))
            for variant in ("toon-a", "toon-b")
            for net in ("detector", "refiner", "embedder")
        ),
        ("probe", "probe", _shipped_probe),
        ("vae", "vae", _shipped_vae),
        ("vae-faces", "vae-faces", _shipped_vae),
        ("backbone", "backbone", partial(_shipped_model, plan)),
    ]
    for part, name, read in sources:
        path = plan.out / f"{name}.pt"
        if not path.exists():
            seed_checkpoint(read(), path, step=0 if part in plan.parts else plan.steps_of(part))


def _shipped_net(net: str, variant: str) -> nn.Module:
    """One net of a face encoder, as its part trains it."""
    from facekit.faces.toon_nets import DetectorNet, RefinerNet
    from facekit.toon.encoders import Recogniser

    recogniser = Recogniser(variant)
    nets = {
        "detector": DetectorNet(variant),
        "refiner": RefinerNet(variant),
        "embedder": recogniser.embedder,
    }
    path = toon_dir() / f"{variant}.safetensors"
    verify(path.parent, below=path.name)
    load_nets(path, {f"{name}.": value for name, value in nets.items()})
    return recogniser if net == "embedder" else nets[net]


def _shipped_probe() -> nn.Module:
    from facekit.toon.probe import ProbeNet

    probe, path = ProbeNet(), toon_dir() / "probe.safetensors"
    verify(path.parent, below=path.name)
    load_nets(path, {"": probe})
    return probe


def _shipped_vae() -> nn.Module:
    from diffusers import AutoencoderKLWan

    verify(toon_dir(), below=f"{BACKBONE_FOLDER}/vae/")
    vae: nn.Module = AutoencoderKLWan.from_pretrained(toon_dir() / BACKBONE_FOLDER, subfolder="vae")
    return vae


def _shipped_model(plan: BuildToonPlan) -> nn.Module:
    """Backbone and base adapter; the truth heads do not ship and are new."""
    from diffusers import WanTransformer3DModel
    from transformers import UMT5EncoderModel

    from facekit.adapters.identity_adapter import IdentityAdapter

    shipped = toon_dir()
    for name in (
        f"{BACKBONE_FOLDER}/transformer/",
        f"{BACKBONE_FOLDER}/text_encoder/",
        BASE_ADAPTER_FILE,
    ):
        verify(shipped, below=name)
    model, folder = new_model(plan), shipped / BACKBONE_FOLDER
    transformer = WanTransformer3DModel.from_pretrained(folder, subfolder="transformer")
    model.transformer.load_state_dict(transformer.float().state_dict())
    text_encoder = UMT5EncoderModel.from_pretrained(folder, subfolder="text_encoder")
    model.text_encoder.load_state_dict(text_encoder.float().state_dict())
    adapter = IdentityAdapter.load(shipped / BASE_ADAPTER_FILE)
    model.adapter.load_state_dict(adapter.float().state_dict())
    return model


def tensors_digest(tensors: Iterable[Tensor]) -> str:
    """Return the sha256 (hex) over the bytes of tensors, in order."""
    digest = sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

"""Write what a build has trained as the files that ship: encoders, probe, pipeline, adapter."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline
from safetensors.torch import save_file
from torch import Tensor

from facekit.backbones.digest import backbone_digest
from facekit.backbones.noise import NUM_TRAIN_TIMESTEPS
from facekit.faces.toon_nets import DetectorNet, RefinerNet
from facekit.media.files import replace_folder
from facekit.resources import BACKBONE_FOLDER, BASE_ADAPTER_FILE
from facekit.toon.fitting import load_average
from facekit.toon.probe import ProbeNet
from facekit.weights import file_digest, write_manifest
from facekit.workflows.toon_checkpoints import first_vae, new_model, trained_embedder
from facekit.workflows.toon_plan import BuildToonPlan

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan

    from facekit.training.toon_model import ToonModel

__all__ = ["export_toon", "save_backbone", "save_half"]


def save_backbone(model: "ToonModel", vae: "AutoencoderKLWan", folder: Path) -> None:
    """Write all parts so that `WanPipeline.from_pretrained` loads them.

    Everything is fp16; the model is left as it is in memory but for its dtype.
    """
    steps = NUM_TRAIN_TIMESTEPS
    pipeline = WanPipeline(
        tokenizer=model.tokenizer,
        text_encoder=model.text_encoder,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=steps, shift=1.0),
        transformer=model.transformer,
        expand_timesteps=True,
    )
    pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True)


def export_toon(plan: BuildToonPlan) -> None:
    """Write the files that ship as fp16 safetensors, with a manifest of digests and licence.

    They replace `plan.export_to` as a whole, once all of them are there.

    Raises:
        WeightsMissing: A part that they are made of has not been built.
        OutputError: They cannot be written.
    """
    encoders = {variant: _encoder_state(plan, variant) for variant in ("toon-a", "toon-b")}
    probe = ProbeNet()
    load_average(probe, plan.out / "probe.pt")
    model = new_model(plan)
    load_average(model, plan.out / "backbone.pt")
    vae = first_vae(plan)
    if (plan.out / "decoder.pt").is_file():
        load_average(vae, plan.out / "decoder.pt")
    with replace_folder(plan.export_to) as target:
        for variant, tensors in encoders.items():
            save_half(tensors, target / f"{variant}.safetensors")
        save_half(probe.state_dict(), target / "probe.safetensors")
        save_backbone(model, vae, target / BACKBONE_FOLDER)
        model.adapter.config = dataclasses.replace(
            model.adapter.config,
            backbone_digest=backbone_digest(target / BACKBONE_FOLDER),
            encoder_digest=file_digest(target / "toon-a.safetensors"),
        )
        model.adapter.save(target / BASE_ADAPTER_FILE, dtype=torch.float16)
        write_manifest(
            target, licence="Apache-2.0", commands={}, default_command="facekit lab build-toon"
        )


def _encoder_state(plan: BuildToonPlan, variant: str) -> dict[str, Tensor]:
    detector, refiner = DetectorNet(variant), RefinerNet(variant)
    load_average(detector, plan.out / f"{variant}-detector.pt")
    load_average(refiner, plan.out / f"{variant}-refiner.pt")
    nets = {"detector": detector, "refiner": refiner, "embedder": trained_embedder(plan, variant)}
    return {
        f"{net}.{name}": value
        for net, module in nets.items()
        for name, value in module.state_dict().items()
    }


def save_half(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write the floating-point tensors of a net as fp16 safetensors; counters are left out."""
    half = {
        name: value.half().contiguous()
        for name, value in tensors.items()
        if value.is_floating_point()
    }
    save_file(half, path, metadata={"format": "pt", "licence": "Apache-2.0"})
    path.chmod(0o644)

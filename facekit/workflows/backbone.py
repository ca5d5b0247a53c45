"""The backbone that a recipe names, with its base identity adapter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.made_for import check_backbone, check_encoder
from facekit.backbones.digest import pipeline_digest
from facekit.backbones.spec import BackboneSpec, get_spec
from facekit.backbones.wan import TOON
from facekit.errors import AdapterMismatch, WeightsMissing
from facekit.faces.protocols import FaceVendor
from facekit.recipe import Recipe
from facekit.resources import toon_dir

__all__ = ["BASE_ADAPTER_FILE", "TINY", "Backbone", "backbone_spec", "load_backbone"]

BASE_ADAPTER_FILE = "identity_adapter.safetensors"
"""In the folder of a backbone's weights, beside or inside its pipeline."""

TINY = "tiny"
"""The backbone of recipes that only prove the path: the toon backbone's classes, small, random."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backbone:
    """What a recipe's base section stands for, loaded."""

    spec: BackboneSpec
    pipe: Any
    digest: str
    """sha256 of the transformer's weights; empty for the tiny one."""


def backbone_spec(recipe: Recipe) -> BackboneSpec:
    """Find the spec that a recipe names, without loading anything.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
    """
    return TOON if recipe.base.name == TINY else get_spec(recipe.base.name)


def load_backbone(recipe: Recipe) -> Backbone:
    """Load the stock pipeline that a recipe names, in float32.

    Raises:
        UsageError: The name is unknown.
        WeightsError: Its weights are missing or damaged.
    """
    spec = backbone_spec(recipe)
    if recipe.base.name == TINY:
        return Backbone(spec=spec, pipe=spec.tiny(), digest="")
    pipe: Any = spec.load(recipe.base.source)
    return Backbone(spec=spec, pipe=pipe, digest=pipeline_digest(pipe))


def load_base_adapter(recipe: Recipe, backbone: Backbone, faces: FaceVendor) -> IdentityAdapter:
    """Load the identity adapter that many people taught to a backbone.

    Raises:
        WeightsMissing: The backbone has none.
        AdapterDamaged: The file cannot be read.
        AdapterMismatch: It was made for other weights, another encoder or other tokens.
    """
    if recipe.base.name == TINY:
        return _tiny_adapter(recipe, backbone, faces)
    path = _base_adapter_path(recipe, backbone.spec)
    adapter = IdentityAdapter.load(path)
    check_backbone(str(path), adapter.config, backbone.spec.name, backbone.digest)
    check_encoder(str(path), adapter.config, faces.name, faces.digest)
    if adapter.config.num_tokens != recipe.identity.num_tokens:
        raise AdapterMismatch(
            f"{path}: makes {adapter.config.num_tokens} tokens, got identity.num_tokens"
            f" {recipe.identity.num_tokens}, expected the same; set identity.num_tokens to"
            f" {adapter.config.num_tokens}"
        )
    return adapter


def _base_adapter_path(recipe: Recipe, spec: BackboneSpec) -> Path:
    own = Path(recipe.base.source) if recipe.base.source else None
    folders = [own, own.parent] if own else []
    folders += [toon_dir()] if spec.name == TOON.name else []
    for folder in folders:
        if (folder / BASE_ADAPTER_FILE).is_file():
            return folder / BASE_ADAPTER_FILE
    looked = ", ".join(str(folder) for folder in folders) or "no folder"
    raise WeightsMissing(
        f"{spec.name}: no {BASE_ADAPTER_FILE} in {looked}, expected the base identity adapter;"
        " put it beside base.source, or train a plain LoRA with --set identity.level=none"
    )


def _tiny_adapter(recipe: Recipe, backbone: Backbone, faces: FaceVendor) -> IdentityAdapter:
    """A random one with an effect, the same on every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapter = IdentityAdapter.from_transformer(
            backbone.pipe.transformer,
            backbone.spec,
            embedding_dim=faces.dim,
            num_tokens=recipe.identity.num_tokens,
            encoder=faces.name,
            encoder_digest=faces.digest,
        )
        for _, branch in adapter.branches():
            nn.init.normal_(branch.to_v.weight, std=0.1)
    return adapter.eval()

"""The backbone that a recipe names, with its base identity adapter."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.made_for import check_backbone, check_encoder
from facekit.backbones.digest import folder_parts_digest, parts_digest, pipeline_digest
from facekit.backbones.held import check_held, hold_weights, load_dtype, narrow
from facekit.backbones.spec import BackboneSpec, get_spec
from facekit.backbones.wan import TOON
from facekit.errors import AdapterMismatch, WeightsMissing
from facekit.faces.protocols import FaceVendor
from facekit.recipe import Recipe
from facekit.resources import BASE_ADAPTER_FILE, toon_dir
from facekit.weights import MANIFEST_NAME, known_digest, verify_once

__all__ = [
    "TINY",
    "Backbone",
    "backbone_spec",
    "base_adapter_path",
    "has_base_adapter",
    "load_backbone",
    "load_base_adapter",
    "load_tokenizer",
    "unknown_words",
    "weights_digest",
]

_CPU = torch.device("cpu")

TINY = "tiny"
"""The backbone of recipes that only prove the path: the toon backbone's classes, small, random."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backbone:
    """What a recipe's base section stands for, loaded."""

    spec: BackboneSpec
    pipe: Any
    digest: str
    """sha256 of the transformer's weights; empty for the tiny one. A character is made for it."""
    device: torch.device = _CPU
    """Where it computes, though parts of it may wait in main memory."""

    @property
    def network(self) -> Any:
        """The network that is adapted."""
        return self.spec.family.network(self.pipe)

    @property
    def parts_digest(self) -> str:
        """sha256 of everything that decides its pictures, the VAE and the text encoder included."""
        return parts_digest(self.pipe)


def backbone_spec(recipe: Recipe) -> BackboneSpec:
    """Find the spec that a recipe names, without loading anything.

    Raises:
        UsageError: The name is unknown; the message lists the known ones.
    """
    return TOON if recipe.base.name == TINY else get_spec(recipe.base.name)


def load_backbone(
    recipe: Recipe, device: torch.device | None = None, *, waits: bool = False
) -> Backbone:
    """Load the stock pipeline that a recipe names, its weights held as the recipe says.

    Args:
        recipe: Its base section says which, `memory.base_weights` how it is held.
        device: Where it computes, from `choose_device`; the CPU when None.
        waits: Leave it in main memory, for somebody who brings its parts.

    Raises:
        UsageError: The name is unknown, or the device cannot hold weights so.
        PackageMissing: The extra ``quant`` is not installed, and asked for.
        WeightsError: Its weights are missing or damaged.
    """
    spec, device = backbone_spec(recipe), device or _CPU
    how, precision = recipe.memory.base_weights, recipe.train.precision
    check_held(how, device)
    is_tiny = recipe.base.name == TINY
    pipe: Any = spec.tiny() if is_tiny else spec.load(recipe.base.source, load_dtype(how))
    digest = "" if is_tiny else pipeline_digest(pipe)
    if is_tiny and how != "float32":
        for name, part in pipe.components.items():
            if isinstance(part, nn.Module) and name != "vae":
                narrow(part)
    for network in spec.family.networks(pipe):
        hold_weights(network, how, getattr(torch, precision))
    if not waits:
        pipe.to(device)
    return Backbone(spec=spec, pipe=pipe, digest=digest, device=device)


def weights_digest(recipe: Recipe) -> str:
    """The sha256 (hex) of the weights that a recipe uses, as far as it is known without loading.

    What ships counts by its manifest, which it is compared with when it is loaded; a folder that
    the recipe names by its files; a repository by its pinned revision.

    Raises:
        UsageError: The backbone's name is unknown.
        WeightsMissing: The recipe names a folder without a pipeline.
    """
    spec, manifest = backbone_spec(recipe), toon_dir() / MANIFEST_NAME
    found = ["@".join(place) for place in spec.family.repositories(spec)] or ["@"]
    if manifest.is_file():
        found.append(known_digest(manifest))
    if recipe.base.source:
        own = Path(recipe.base.source)
        adapters = (folder / BASE_ADAPTER_FILE for folder in (own, own.parent))
        found.append(folder_parts_digest(own))
        found += [known_digest(path) for path in adapters if path.is_file()]
    return sha256("\n".join(found).encode()).hexdigest()


def load_tokenizer(recipe: Recipe) -> Any:
    """Load the tokenizer of the backbone that a recipe names, and nothing else of it.

    Raises:
        UsageError: The name is unknown.
        WeightsError: It is missing or damaged.
    """
    spec = backbone_spec(recipe)
    if recipe.base.name == TINY:
        tiny: Any = spec.tiny()
        return tiny.tokenizer
    return spec.tokenizer(recipe.base.source)


def unknown_words(tokenizer: Any, text: str) -> tuple[str, ...]:
    """List the words that a backbone's tokenizer cannot tell from each other, each once, in order.

    A tokenizer that spells words out in pieces knows them all.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is None:
        return ()
    words = dict.fromkeys(text.replace(",", " ").split())
    return tuple(word for word in words if unknown in tokenizer(word)["input_ids"])


def load_base_adapter(recipe: Recipe, backbone: Backbone, faces: FaceVendor) -> IdentityAdapter:
    """Load the identity adapter that many people taught to a backbone, to where that one is.

    Raises:
        WeightsMissing: The backbone has none.
        ChecksumMismatch: The shipped one is not the recorded one.
        AdapterDamaged: The file cannot be read.
        AdapterMismatch: It was made for other weights, another encoder or other tokens.
    """
    device = backbone.device
    if recipe.base.name == TINY:
        return _tiny_adapter(recipe, backbone, faces).to(device)
    path = base_adapter_path(recipe)
    verify_once(path.parent, below=path.name)
    adapter = IdentityAdapter.load(path, device)
    check_backbone(str(path), adapter.config, backbone.spec.name, backbone.digest)
    check_encoder(str(path), adapter.config, faces.name, faces.digest)
    if adapter.config.num_tokens != recipe.identity.num_tokens:
        raise AdapterMismatch(
            f"{path}: makes {adapter.config.num_tokens} tokens, got identity.num_tokens"
            f" {recipe.identity.num_tokens}, expected the same; set identity.num_tokens to"
            f" {adapter.config.num_tokens}"
        )
    return adapter


def has_base_adapter(recipe: Recipe) -> bool:
    """Whether the backbone that a recipe names has a base identity adapter.

    Raises:
        UsageError: The backbone's name is unknown.
    """
    try:
        return recipe.base.name == TINY or base_adapter_path(recipe).is_file()
    except WeightsMissing:
        return False


def base_adapter_path(recipe: Recipe) -> Path:
    """Find the file of the base identity adapter, without opening it; the tiny backbone needs none.

    Raises:
        UsageError: The backbone's name is unknown.
        WeightsMissing: The backbone has none.
    """
    spec = backbone_spec(recipe)
    own = Path(recipe.base.source) if recipe.base.source else None
    folders = [own, own.parent] if own else []
    folders += [toon_dir()] if spec.name == TOON.name else []
    for folder in folders:
        if (folder / BASE_ADAPTER_FILE).is_file():
            return folder / BASE_ADAPTER_FILE
    looked = "in " + ", ".join(map(str, folders)) if folders else "ships with facekit"
    raise WeightsMissing(
        f"{spec.name}: no {BASE_ADAPTER_FILE} {looked}, expected the base identity adapter, which"
        f" identity.level {recipe.identity.level} needs; put it beside base.source, or train a"
        " plain LoRA with --set identity.level=none"
    )


def _tiny_adapter(recipe: Recipe, backbone: Backbone, faces: FaceVendor) -> IdentityAdapter:
    """A random one with an effect, the same on every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapter = IdentityAdapter.from_transformer(
            backbone.network,
            backbone.spec,
            embedding_dim=faces.dim,
            num_tokens=recipe.identity.num_tokens,
            encoder=faces.name,
            encoder_digest=faces.digest,
        )
        for _, branch in adapter.branches():
            nn.init.normal_(branch.to_v.weight, std=0.1)
    return adapter.eval()

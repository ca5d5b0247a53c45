"""The character file: everything one character needs on a plain pipeline, in one safetensors file.

Keys: ``identity.<site>.k`` and ``.v`` (folded), ``null.<site>.k`` and ``.v``, ``tokens``,
``lora.<module path>.lora_A.weight`` and ``lora_B``, ``gallery.embeddings``. The header holds the
rest. Loading is all or nothing: every key is known, every site is there, the effect is not zero.

Shapes: K identity tokens, C channels, P photos, D embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from facekit.adapters.character_header import CharacterHeader
from facekit.adapters.folded import FoldedIdentity
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.tensor_file import read_tensors, tensor_bytes, write_tensors
from facekit.errors import AdapterDamaged, AdapterError

__all__ = ["ADAPTER_FILE", "FORMAT_VERSION", "CharacterFile", "CharacterHeader", "build_character"]

ADAPTER_FILE = "adapter.safetensors"
"""What a character's file is called in the folder of the character."""

FORMAT_VERSION = 1
_KIND = "facekit.character"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CharacterFile:
    """A character's header and tensors, in memory."""

    header: CharacterHeader
    identity: FoldedIdentity | None = None
    """Keys and values at every site, batch 1; None for a plain LoRA."""
    null: FoldedIdentity | None = None
    """The same for nobody, when the base adapter learned that."""
    tokens_BKC: Tensor | None = None
    """What was folded; training goes on from here."""
    lora: Mapping[str, Tensor] = field(default_factory=dict)
    embeddings_PD: Tensor | None = None
    """The gallery, one unit vector per photo."""

    def save(self, path: Path | str, dtype: torch.dtype | None = None) -> None:
        """Write a whole safetensors file or nothing; equal characters give equal bytes.

        Args:
            path: Where to, usually a file called ``ADAPTER_FILE``.
            dtype: Cast on the way (the gallery stays float32); as it is when None.

        Raises:
            OutputError: No permission, no space.
        """
        tensors = {
            name: tensor if name.startswith("gallery.") else tensor.to(dtype=dtype)
            for name, tensor in self._tensors().items()
        }
        write_tensors(path, tensors, self._header_entries())

    def to_bytes(self) -> bytes:
        """Make the content of the file that `save` writes, every tensor as it is."""
        return tensor_bytes(self._tensors(), self._header_entries())

    def _header_entries(self) -> dict[str, str]:
        return {
            "kind": _KIND,
            "format_version": str(FORMAT_VERSION),
            "character": self.header.to_json(),
            "modelspec.sai_model_spec": "1.0.0",
            "modelspec.title": self.header.name,
            "modelspec.architecture": f"{self.header.backbone}/facekit-character",
            "modelspec.trigger_phrase": self.header.trigger,
        }

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read and check a character file.

        Raises:
            AdapterDamaged: Missing, truncated, altered, not finite or not a character file.
            AdapterError: Its tensors are not the ones its header describes, or have no effect.
        """
        tensors, header_text = read_tensors(path, _KIND, FORMAT_VERSION)
        try:
            header = CharacterHeader.from_json(header_text["character"])
        except (ValueError, TypeError, KeyError) as error:
            raise AdapterDamaged(
                f"{path}: its header cannot be read ({error}), expected a character's; fetch the"
                " file again or upgrade facekit"
            ) from error
        used: set[str] = set()
        character = cls(
            header=header,
            identity=_take_folded(tensors, "identity", header.sites, used),
            null=_take_folded(tensors, "null", header.sites, used),
            tokens_BKC=_take(tensors, "tokens", used),
            lora={
                name.removeprefix("lora."): _take_known(tensors, name, used)
                for name in sorted(tensors)
                if name.startswith("lora.")
            },
            embeddings_PD=_take(tensors, "gallery.embeddings", used),
        )
        character._check(Path(path), tensors, used)
        return character

    def check_effect(self, source: str = "the character") -> None:
        """Refuse a character that would change nothing.

        Raises:
            AdapterError: All values are zero, and so is the LoRA.
        """
        values = list(self.identity.values.values()) if self.identity else []
        ups = [tensor for name, tensor in self.lora.items() if "lora_B" in name]
        if any(tensor.any() for tensor in (*values, *ups)):
            return
        raise AdapterError(
            f"{source}: has no effect, its {len(values)} sites and {len(ups)} LoRA layers are all"
            " zero, expected weights that were trained; train it, or use a trained base adapter"
        )

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"lora.{name}": tensor for name, tensor in self.lora.items()}
        for prefix, folded in (("identity", self.identity), ("null", self.null)):
            for site in folded.sites if folded else ():
                assert folded is not None
                tensors[f"{prefix}.{site}.k"] = folded.keys[site]
                tensors[f"{prefix}.{site}.v"] = folded.values[site]
        if self.tokens_BKC is not None:
            tensors["tokens"] = self.tokens_BKC
        if self.embeddings_PD is not None:
            tensors["gallery.embeddings"] = self.embeddings_PD
        return tensors

    def _check(self, path: Path, tensors: Mapping[str, Tensor], used: set[str]) -> None:
        header = self.header
        missing = [
            f"identity.{site}.{part}"
            for site in header.sites
            for part in "kv"
            if f"identity.{site}.{part}" not in tensors
        ]
        if header.lora is not None and not self.lora:
            missing.append("lora.*")
        missing += [
            name.replace(".lora_A.", ".lora_B.")
            for name in tensors
            if ".lora_A." in name and name.replace(".lora_A.", ".lora_B.") not in tensors
        ]
        unexpected = sorted(tensors.keys() - used)
        if header.lora is None:
            unexpected += [f"lora.{name}" for name in self.lora]
        if missing or unexpected:
            raise AdapterError(
                f"{path}: {len(missing)} keys missing ({', '.join(missing[:5])}),"
                f" {len(unexpected)} unexpected ({', '.join(unexpected[:5])}), expected what its"
                " header describes; fetch or train it again"
            )
        broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        if broken:
            raise AdapterDamaged(
                f"{path}: {len(broken)} tensors hold NaN or infinity ({', '.join(broken[:5])}),"
                " expected finite numbers; train it again from the last good checkpoint"
            )
        self.check_effect(str(path))


def build_character(
    header: CharacterHeader,
    *,
    adapter: IdentityAdapter | None = None,
    tokens_BKC: Tensor | None = None,
    lora: Mapping[str, Tensor] | None = None,
    embeddings_PD: Tensor | None = None,
) -> CharacterFile:
    """Fold what was trained into a character that needs neither adapter nor trainer.

    Args:
        header: Sites are filled in from the adapter; ``lora`` must be set when there is one.
        adapter: The base identity adapter; None for a plain LoRA.
        tokens_BKC: Batch 1; needed with an adapter.
        lora: What ``lora_state`` gives.
        embeddings_PD: The gallery.

    Raises:
        AdapterError: An adapter without the tokens of one character.
    """
    identity = null = None
    if adapter is not None:
        if tokens_BKC is None or tokens_BKC.shape[0] != 1:
            got = None if tokens_BKC is None else tuple(tokens_BKC.shape)
            raise AdapterError(
                f"tokens are {got}, expected (1, tokens, channels) beside an identity adapter;"
                " pass the tokens of one character"
            )
        with torch.no_grad():
            identity = adapter.fold(tokens_BKC)
            if adapter.null is not None:
                null = adapter.fold(adapter.null_tokens(1))
    return CharacterFile(
        header=replace(header, sites=adapter.config.sites if adapter is not None else ()),
        identity=identity.to("cpu") if identity else None,
        null=null.to("cpu") if null else None,
        tokens_BKC=None if tokens_BKC is None else tokens_BKC.detach().cpu(),
        lora=dict(lora or {}),
        embeddings_PD=None if embeddings_PD is None else embeddings_PD.detach().cpu().float(),
    )


def _take(tensors: Mapping[str, Tensor], name: str, used: set[str]) -> Tensor | None:
    return _take_known(tensors, name, used) if name in tensors else None


def _take_known(tensors: Mapping[str, Tensor], name: str, used: set[str]) -> Tensor:
    used.add(name)
    return tensors[name]


def _take_folded(
    tensors: Mapping[str, Tensor], prefix: str, sites: tuple[str, ...], used: set[str]
) -> FoldedIdentity | None:
    """Take the keys and values of the sites that are there; what is missing is found later."""
    here = [site for site in sites if all(f"{prefix}.{site}.{part}" in tensors for part in "kv")]
    if not here:
        return None
    return FoldedIdentity(
        keys={site: _take_known(tensors, f"{prefix}.{site}.k", used) for site in here},
        values={site: _take_known(tensors, f"{prefix}.{site}.v", used) for site in here},
    )

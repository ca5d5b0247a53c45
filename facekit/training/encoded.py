"""Everything about photos and clips that training reads again and again, in one file of the run.

Latents, face masks on the latent grid, text embeddings, crop transforms and face embeddings. A run
that goes on reads this file, whatever has become of the cache.

Shapes: C latent channels, F latent frames, H and W latent height and width, L text tokens, T text
channels, P photos, D embedding.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facekit.backbones.family import Text
from facekit.media.files import write_bytes

__all__ = ["EncodedPhotos"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedPhotos:
    """What one run learns from."""

    latents: tuple[Tensor, ...]
    """(C, F, H, W) per view, normalised as the transformer wants them."""
    masks: tuple[Tensor, ...]
    """(F, H, W) per view: which part of each latent cell is face."""
    transforms: tuple[Tensor, ...]
    """(2, 3) per view."""
    view_photos: tuple[int, ...]
    captions: tuple[str, ...]
    """Per view, with the trigger."""
    class_captions: tuple[str, ...]
    """Per view, with the class phrase."""
    texts: Text
    """Encodings of `phrases`."""
    phrases: tuple[str, ...]
    """Each caption once; the empty one is first."""
    embeddings_PD: Tensor
    quality_P: Tensor
    token_photos: tuple[int, ...]
    """The photos that make the tokens, in order: all of them, or the best views (`concat`)."""
    clips: frozenset[int] = frozenset()
    """The views that are excerpts of clips; the others are photos."""
    face_frames: tuple[int, ...]
    """Per view: the latent frame that shows the face where `transforms` says; 0 for a photo."""

    @property
    def num_photos(self) -> int:
        """How many photos condition."""
        return int(self.embeddings_PD.shape[0])

    @property
    def buckets(self) -> tuple[tuple[int, ...], ...]:
        """The latent size of every view."""
        return tuple(tuple(x.shape) for x in self.latents)

    def text(self, views: Sequence[int | None]) -> Text:
        """The encodings of views' captions, stacked; of the empty prompt for None."""
        return self._stacked("" if view is None else self.captions[view] for view in views)

    def class_text(self, views: Sequence[int]) -> Text:
        """The encodings of views' captions about anybody, stacked."""
        return self._stacked(self.class_captions[view] for view in views)

    def _stacked(self, captions: Iterable[str]) -> Text:
        places = [self.phrases.index(caption) for caption in captions]
        return {
            name: torch.stack([tensor[place] for place in places])
            for name, tensor in self.texts.items()
        }

    def save(self, path: Path, digest: str) -> None:
        """Write it whole or not at all, marked with what it was made from."""
        tensors = {
            "embeddings": self.embeddings_PD,
            "quality": self.quality_P,
        }
        tensors |= {f"texts.{name}": tensor for name, tensor in self.texts.items()}
        for index in range(len(self.latents)):
            tensors[f"latents.{index}"] = self.latents[index]
            tensors[f"masks.{index}"] = self.masks[index]
            tensors[f"transforms.{index}"] = self.transforms[index]
        lists = {
            "view_photos": self.view_photos,
            "captions": self.captions,
            "class_captions": self.class_captions,
            "phrases": self.phrases,
            "token_photos": self.token_photos,
            "clips": sorted(self.clips),
            "face_frames": self.face_frames,
        }
        metadata = {"digest": digest, "lists": json.dumps(lists)}
        plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        write_bytes(path, save(plain, metadata))

    @classmethod
    def load(cls, path: Path, digest: str) -> "EncodedPhotos | None":
        """Read it back; None when it is absent, unreadable or made from something else."""
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("digest") != digest:
                    return None
                names = list(file.keys())
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError):
            return None
        lists = json.loads(header["lists"])
        if "face_frames" not in lists:
            return None  # of an earlier version
        count = range(len(lists["captions"]))
        return cls(
            latents=tuple(tensors[f"latents.{i}"] for i in count),
            masks=tuple(tensors[f"masks.{i}"] for i in count),
            transforms=tuple(tensors[f"transforms.{i}"] for i in count),
            view_photos=tuple(lists["view_photos"]),
            captions=tuple(lists["captions"]),
            class_captions=tuple(lists["class_captions"]),
            texts={
                name.removeprefix("texts."): tensor
                for name, tensor in tensors.items()
                if name.startswith("texts.")
            },
            phrases=tuple(lists["phrases"]),
            embeddings_PD=tensors["embeddings"],
            quality_P=tensors["quality"],
            token_photos=tuple(lists["token_photos"]),
            clips=frozenset(lists["clips"]),
            face_frames=tuple(lists["face_frames"]),
        )

    def to(self, device: torch.device | str) -> "EncodedPhotos":
        """Move every tensor."""
        return dataclasses.replace(
            self,
            latents=tuple(x.to(device) for x in self.latents),
            masks=tuple(x.to(device) for x in self.masks),
            transforms=tuple(x.to(device) for x in self.transforms),
            texts={name: tensor.to(device) for name, tensor in self.texts.items()},
            embeddings_PD=self.embeddings_PD.to(device),
            quality_P=self.quality_P.to(device),
        )

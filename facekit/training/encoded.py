"""Everything about the photos that training reads again and again, computed once.

Latents, face masks on the latent grid, text embeddings, crop transforms and face embeddings. The
VAE and the text encoder are not needed after this.

Shapes: C latent channels, F latent frames, H and W latent height and width, L text tokens, T text
channels, P photos, D embedding.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from facekit.backbones.family import Text
from facekit.faces.align import similarity_transform
from facekit.faces.protocols import IdentityEncoder
from facekit.identity.photo_set import Photo
from facekit.media.files import write_bytes
from facekit.training.captions import Subject, drop_face_clauses, write_caption
from facekit.training.views import View

__all__ = ["EncodeText", "EncodeVideo", "EncodedPhotos", "captions_of", "encode_photos"]

EncodeText = Callable[[Sequence[str]], Text]
EncodeVideo = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedPhotos:
    """The cache of one run."""

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
        if "token_photos" not in lists:
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


def captions_of(
    photos: Sequence[Photo], views: Sequence[View], subject: Subject
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the caption of every view, with the trigger and with the class phrase."""
    named, anybody = [], []
    for view in views:
        sidecar = photos[view.photo].sidecar
        kept = drop_face_clauses(sidecar)[0] if sidecar else None
        named.append(write_caption(subject.trigger, view.face_to_short_side, kept))
        # A sidecar may spell the trigger out; the class caption must not.
        kept = kept.replace(subject.trigger, "{trigger}") if kept else None
        anybody.append(write_caption(subject.class_phrase, view.face_to_short_side, kept))
    return tuple(named), tuple(anybody)


@torch.no_grad()
def encode_photos(
    photos: Sequence[Photo],
    views: Sequence[View],
    subject: Subject,
    *,
    encode_text: EncodeText,
    encode_video: EncodeVideo,
    encoder: IdentityEncoder,
    num_frames: int = 1,
    token_photos: Sequence[int] | None = None,
) -> EncodedPhotos:
    """Compute the cache.

    Args:
        photos: Those that training may see, and only those.
        views: Cut from them.
        subject: How captions call the character.
        encode_text: Prompts to what the network is told of them.
        encode_video: Pixels (1, 3, frames, height, width) in [-1, 1] to normalised latents.
        encoder: Says what its crops look like.
        num_frames: A photo is a clip that stands still for so many frames.
        token_photos: The photos that make the tokens, in order; all of them when None.
    """
    captions, class_captions = captions_of(photos, views, subject)
    phrases = ("", *dict.fromkeys((*captions, *class_captions)))
    latents, masks, transforms = [], [], []
    for view in views:
        pixels_CHW = torch.from_numpy(view.pixels).permute(2, 0, 1).float() / 127.5 - 1.0
        frames_BCFHW = pixels_CHW[None, :, None].expand(-1, -1, num_frames, -1, -1)
        latents_CFHW = encode_video(frames_BCFHW.contiguous())[0].float().cpu().contiguous()
        latents.append(latents_CFHW)
        height, width = latents_CFHW.shape[-2:]
        mask_11HW = torch.from_numpy(view.mask)[None, None]
        grid = functional.adaptive_avg_pool2d(mask_11HW, (height, width))[0]
        masks.append(grid.expand(latents_CFHW.shape[1], -1, -1).contiguous())
        matrix = similarity_transform(
            view.face.landmarks_px, encoder.crop_size_px, encoder.crop_margin
        )
        transforms.append(torch.from_numpy(np.ascontiguousarray(matrix)))
    return EncodedPhotos(
        latents=tuple(latents),
        masks=tuple(masks),
        transforms=tuple(transforms),
        view_photos=tuple(view.photo for view in views),
        captions=captions,
        class_captions=class_captions,
        texts={name: _kept(tensor) for name, tensor in encode_text(phrases).items()},
        phrases=phrases,
        embeddings_PD=torch.from_numpy(np.stack([photo.embedding for photo in photos])),
        quality_P=torch.tensor([photo.quality for photo in photos], dtype=torch.float32),
        token_photos=tuple(range(len(photos)) if token_photos is None else token_photos),
    )


def _kept(tensor: Tensor) -> Tensor:
    """In float32 on the CPU; masks as they are."""
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu()

"""Photos and excerpts of clips to what training reads again and again, by way of the cache.

Where the cache holds everything, neither the VAE nor the text encoder is run.

Shapes: C latent channels, F frames, T latent frames, H and W latent height and width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from facekit.backbones.family import Text
from facekit.errors import TrainingError
from facekit.faces.align import similarity_transform
from facekit.faces.protocols import FaceParser, IdentityEncoder
from facekit.identity.photo_set import PhotoSet
from facekit.training.cache import EncodingCache, Item, content_key
from facekit.training.captions import Subject, drop_face_clauses, write_caption
from facekit.training.denoiser import Denoiser
from facekit.training.encoded import EncodedPhotos
from facekit.training.excerpt_views import ExcerptView, frames_of_latent, view_of
from facekit.training.makers import parser_maker, text_maker, vae_maker
from facekit.training.settings import TrainSettings
from facekit.training.views import View, cut_views
from facekit.types import Face, Progress

__all__ = ["encode_once", "encode_photos"]


def encode_once(
    settings: TrainSettings,
    photos: PhotoSet,
    subject: Subject,
    denoiser: Denoiser,
    faces: IdentityEncoder,
    path: Path,
    digest: str,
    parser: FaceParser | None,
    progress: Progress | None,
) -> EncodedPhotos:
    """Encode what a run learns from, or read what an earlier sitting of it has kept.

    Args:
        settings: Of the run.
        photos: Held-out ones are not looked at.
        subject: How captions call the character.
        denoiser: The backbone.
        faces: The training encoder.
        path: Where the run keeps it.
        digest: Of the run.
        parser: Draws the masks of excerpts; the ellipse when None.
        progress: Counts what is encoded.

    Raises:
        TrainingError: There is no photo.
    """
    kept = EncodedPhotos.load(path, digest)
    if kept is not None:
        return kept
    if not photos.train:
        raise TrainingError("no photos to train on; add photos")
    encoded = encode_photos(
        photos,
        subject,
        denoiser,
        faces,
        num_frames=settings.num_frames,
        token_photos=photos.best(settings.max_photos) if settings.pool == "concat" else None,
        parser=parser,
        progress=progress,
    )
    encoded.save(path, digest)
    return encoded


@torch.no_grad()
def encode_photos(
    photos: PhotoSet,
    subject: Subject,
    denoiser: Denoiser,
    encoder: IdentityEncoder,
    *,
    num_frames: int = 1,
    token_photos: Sequence[int] | None = None,
    parser: FaceParser | None = None,
    cache: EncodingCache | None = None,
    progress: Progress | None = None,
) -> EncodedPhotos:
    """Encode the views of photos and excerpts, or recall them.

    Each is encoded by itself, so that what comes out does not depend on what the cache held.

    Args:
        photos: Held-out ones are not looked at.
        subject: How captions call the character.
        denoiser: The backbone.
        encoder: Says what its crops look like.
        num_frames: A photo is a clip that stands still for so many frames.
        token_photos: The photos that make the tokens, in order; all of them when None.
        parser: Draws the masks of excerpts; the ellipse when None. Photos have theirs already.
        cache: That of the user when None.
        progress: Counts what is encoded.

    Raises:
        MediaError: A clip is gone, or damaged where an excerpt lies.
        OutputError: The cache cannot be written.
    """
    cache = cache or EncodingCache()
    views = cut_views(photos.train, denoiser.spec.sizes)
    excerpts = tuple(view_of(excerpt, denoiser.spec.sizes) for excerpt in photos.excerpts)
    items = [_photo_item(view, photos, denoiser, num_frames) for view in views]
    items += [_excerpt_item(view, denoiser) for view in excerpts]
    found = cache.encode("latents", items, vae_maker(denoiser), progress)
    latents = [tensors["latents"].float() for tensors in found]
    masks = [
        _photo_mask(view, latents_CTHW) for view, latents_CTHW in zip(views, latents, strict=False)
    ]
    faces, face_frames = [view.face for view in views], [0] * len(views)
    for view, latents_CTHW in zip(excerpts, latents[len(views) :], strict=True):
        masks.append(_excerpt_mask(view, latents_CTHW, parser, cache))
        face, frame = _shown_face(view.faces, int(latents_CTHW.shape[1]))
        faces.append(face)
        face_frames.append(frame)
    captions, class_captions = _captions(photos, views, excerpts, subject)
    phrases = ("", *dict.fromkeys((*captions, *class_captions)))
    return EncodedPhotos(
        latents=tuple(latents),
        masks=tuple(masks),
        transforms=tuple(_transform(face, encoder) for face in faces),
        view_photos=(*(view.photo for view in views), *(view.excerpt.photo for view in excerpts)),
        captions=captions,
        class_captions=class_captions,
        texts=_texts(phrases, denoiser, cache, progress),
        phrases=phrases,
        embeddings_PD=torch.from_numpy(np.stack([photo.embedding for photo in photos.train])),
        quality_P=torch.tensor([photo.quality for photo in photos.train], dtype=torch.float32),
        token_photos=tuple(range(len(photos.train)) if token_photos is None else token_photos),
        clips=frozenset(range(len(views), len(views) + len(excerpts))),
        face_frames=tuple(face_frames),
    )


def _photo_item(view: View, photos: PhotoSet, denoiser: Denoiser, num_frames: int) -> Item:
    return Item(
        content=content_key(view.pixels, num_frames),
        make=lambda: _latents(denoiser, view.pixels[None], num_frames),
        name=photos.train[view.photo].source,
    )


def _excerpt_item(view: ExcerptView, denoiser: Denoiser) -> Item:
    return Item(
        content=view.content,
        make=lambda: _latents(denoiser, view.read()),
        name=view.excerpt.source,
    )


def _phrase_item(phrase: str, denoiser: Denoiser) -> Item:
    return Item(
        content=content_key(phrase), make=lambda: denoiser.encode_text([phrase]), name=phrase
    )


def _latents(
    denoiser: Denoiser, pixels_FHWC: npt.NDArray[np.uint8], repeats: int = 1
) -> dict[str, Tensor]:
    """Encode frames; a single one may stand still for so many."""
    frames_CFHW = torch.from_numpy(pixels_FHWC).permute(3, 0, 1, 2).float() / 127.5 - 1.0
    if repeats > 1:
        frames_CFHW = frames_CFHW.expand(-1, repeats, -1, -1)
    return {"latents": denoiser.encode_video(frames_CFHW[None].contiguous())[0]}


def _texts(
    phrases: Sequence[str], denoiser: Denoiser, cache: EncodingCache, progress: Progress | None
) -> Text:
    """The encodings of phrases, each with a first axis of its own, stacked; on the CPU."""
    items = [_phrase_item(phrase, denoiser) for phrase in phrases]
    found = cache.encode("texts", items, text_maker(denoiser), progress)
    stacked = {name: torch.cat([text[name] for text in found]) for name in found[0]}
    # In float32; masks as they are.
    return {n: t.float() if t.is_floating_point() else t for n, t in stacked.items()}


def _photo_mask(view: View, latents_CTHW: Tensor) -> Tensor:
    """How much of each latent cell is face: (T, H, W), the same at all times."""
    _, frames, height, width = latents_CTHW.shape
    mask_11HW = torch.from_numpy(view.mask)[None, None]
    grid = functional.adaptive_avg_pool2d(mask_11HW, (height, width))[0]
    return grid.expand(frames, -1, -1).contiguous()


def _excerpt_mask(
    view: ExcerptView, latents_CTHW: Tensor, parser: FaceParser | None, cache: EncodingCache
) -> Tensor:
    """The same of an excerpt: the mean over the frames that a latent frame stands for."""
    if parser is None:
        masks_FHW = torch.from_numpy(view.ellipses())
    else:
        drawn_by = parser
        boxes = [face and face.to_json() for face in view.faces]
        item = Item(
            content=content_key(view.content, str(boxes)),
            make=lambda: {"masks": torch.from_numpy(view.masks(drawn_by))},
        )
        masks_FHW = cache.encode("masks", [item], parser_maker(parser))[0]["masks"]
    _, frames, height, width = latents_CTHW.shape
    grids_FHW = functional.adaptive_avg_pool2d(masks_FHW[:, None] / 255.0, (height, width))[:, 0]
    count = len(view.faces)
    spans = [frames_of_latent(index, count, frames) for index in range(frames)]
    return torch.stack([grids_FHW[span.start : span.stop].mean(dim=0) for span in spans])


def _shown_face(faces: Sequence[Face | None], num_latents: int) -> tuple[Face, int]:
    """A face, and the latent frame that shows it when it is decoded alone.

    The very first latent frame stands for one frame alone and comes out best. With the toon VAE a
    later one comes out a little more like the last frame that it stands for than like the others.
    """
    return next(
        (face, index)
        for index in range(num_latents)
        for frame in reversed(frames_of_latent(index, len(faces), num_latents))
        if (face := faces[frame]) is not None
    )


def _transform(face: Face, encoder: IdentityEncoder) -> Tensor:
    matrix = similarity_transform(face.landmarks_px, encoder.crop_size_px, encoder.crop_margin)
    return torch.from_numpy(np.ascontiguousarray(matrix))


def _captions(
    photos: PhotoSet, views: Sequence[View], excerpts: Sequence[ExcerptView], subject: Subject
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the caption of every view, with the trigger and with the class phrase."""
    seen = [(photos.train[view.photo].sidecar, view.face_to_short_side) for view in views]
    seen += [(view.excerpt.sidecar, view.face_to_short_side) for view in excerpts]
    named, anybody = [], []
    for sidecar, near in seen:
        kept = drop_face_clauses(sidecar)[0] if sidecar else None
        named.append(write_caption(subject.trigger, near, kept))
        # A sidecar may spell the trigger out; the class caption must not.
        kept = kept.replace(subject.trigger, "{trigger}") if kept else None
        anybody.append(write_caption(subject.class_phrase, near, kept))
    return tuple(named), tuple(anybody)

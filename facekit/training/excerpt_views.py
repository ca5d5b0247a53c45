"""Excerpts of clips cut and scaled to the sizes of a backbone, decoded when they are needed.

Shapes: F frames, T latent frames, H and W height and width.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from facekit.faces.parse import face_mask, mask_bytes
from facekit.faces.protocols import FaceParser
from facekit.identity.excerpt import Excerpt
from facekit.media.frames import read_frames
from facekit.training.cache import content_key
from facekit.training.cutting import (
    Window,
    cut_face,
    cut_pixels,
    nearest_size,
    rounded,
    widest_window,
)
from facekit.types import Face

__all__ = ["ExcerptView", "frames_of_latent", "view_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExcerptView:
    """One window of all frames of an excerpt, which stands still."""

    excerpt: Excerpt
    window: Window
    size: tuple[int, int]
    """Height and width that it is scaled to."""
    faces: tuple[Face | None, ...]
    """In the coordinates of the view."""

    @property
    def content(self) -> str:
        """Sha256 (hex) of what decides its pixels, so that they need not be decoded to know it."""
        excerpt = self.excerpt
        where = (*excerpt.times_ms, *rounded(self.window), *self.size)
        return content_key("excerpt", excerpt.content, *where, f"av {av.__version__}")

    @property
    def face_to_short_side(self) -> float:
        """Mean height of the face over the short side."""
        heights = [face.height_px for face in self.faces if face is not None]
        return float(np.mean(heights) / min(self.size))

    def read(self) -> npt.NDArray[np.uint8]:
        """Decode its frames, (F, H, W, 3).

        Raises:
            MediaError: The clip is gone, or damaged here.
        """
        frames = read_frames(self.excerpt.file, self.excerpt.times_ms)
        return np.stack([cut_pixels(frame.image, self.window, self.size) for frame in frames])

    def ellipses(self) -> npt.NDArray[np.uint8]:
        """The face in each frame as an ellipse, (F, H, W), 0 to 255; 0 where there is none."""
        blank = np.zeros((*self.size, 3), np.uint8)
        empty = np.zeros(self.size, np.uint8)
        return np.stack(
            [empty if f is None else mask_bytes(face_mask(blank, f)) for f in self.faces]
        )

    def masks(self, parser: FaceParser) -> npt.NDArray[np.uint8]:
        """The same as a parser sees it.

        Raises:
            MediaError: As for `read`.
        """
        empty = np.zeros(self.size, np.uint8)
        return np.stack(
            [
                empty if face is None else mask_bytes(parser.parse(pixels, face).face)
                for pixels, face in zip(self.read(), self.faces, strict=True)
            ]
        )


def view_of(excerpt: Excerpt, sizes: Mapping[str, tuple[int, int]]) -> ExcerptView:
    """Cut an excerpt to the nearest aspect, around the middle of where the face is.

    Args:
        excerpt: With a face in one frame at least.
        sizes: Aspect name to (height, width) in pixels, those that the backbone takes.
    """
    height, width = excerpt.size_px
    size = nearest_size(tuple(sizes.values()), width / height)
    boxes = [face.box_xyxy_px for face in excerpt.faces if face is not None]
    box = np.asarray(np.mean(boxes, axis=0), dtype=np.float32)
    window = widest_window((height, width), box, size[1] / size[0])
    return ExcerptView(
        excerpt=excerpt,
        window=window,
        size=size,
        faces=tuple(face and cut_face(face, window, size) for face in excerpt.faces),
    )


def frames_of_latent(index: int, num_frames: int, num_latents: int) -> range:
    """The frames that a latent frame stands for: the first for one, the others for equally many.

    Args:
        index: Of the latent frame.
        num_frames: F.
        num_latents: T; F - 1 is a multiple of T - 1.
    """
    if index == 0:
        return range(1)
    each = (num_frames - 1) // (num_latents - 1)
    return range(1 + (index - 1) * each, 1 + index * each)

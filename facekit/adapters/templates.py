"""The part of a character by which a person can be told, apart from the part that draws it.

Templates are the gallery (what a face encoder measured on each photo), the tokens that were made of
it, and what is remembered of the photos. Shots are drawn without any of them: the backbone hears
keys and values that were folded before. Those describe the face to the backbone as well, and
cannot be left out.

Shapes: K identity tokens, C channels, P photos, D embedding.
"""

import json
from dataclasses import asdict, dataclass, replace

from torch import Tensor

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import PhotoRecord
from facekit.adapters.tensor_file import tensor_bytes, tensors_in
from facekit.errors import AdapterDamaged

__all__ = ["LOST_WITHOUT", "Templates", "split_templates"]

LOST_WITHOUT = (
    "long shots: nobody looks at the frames that one chunk hands on to the next",
    "training: it cannot go on from this character",
    "evaluation: held-out photos have to be named, and copying of training photos is not measured",
)
"""What cannot be done with a character that has no templates, one thing each."""

_KIND = "facekit.templates"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Templates:
    """What tells a person."""

    embeddings_PD: Tensor | None
    tokens_BKC: Tensor | None
    photos: tuple[PhotoRecord, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to leave out."""
        return self.embeddings_PD is None and self.tokens_BKC is None and not self.photos

    def to_bytes(self) -> bytes:
        """The content of a safetensors file; equal templates give equal bytes."""
        tensors = {"gallery.embeddings": self.embeddings_PD, "tokens": self.tokens_BKC}
        photos = json.dumps([asdict(photo) for photo in self.photos], sort_keys=True)
        header = {"kind": _KIND, "format_version": str(_VERSION), "photos": photos}
        return tensor_bytes({name: x for name, x in tensors.items() if x is not None}, header)

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> "Templates":
        """Read what `to_bytes` made.

        Args:
            content: Of the file.
            name: What messages call it.

        Raises:
            AdapterDamaged: It is something else, or altered.
        """
        tensors, header = tensors_in(content, _KIND, _VERSION, name)
        try:
            photos = tuple(PhotoRecord(**photo) for photo in json.loads(header["photos"]))
        except (ValueError, TypeError, KeyError) as error:
            raise AdapterDamaged(
                f"{name}: its photos cannot be read ({error}), expected templates; fetch it again"
            ) from error
        return cls(
            embeddings_PD=tensors.get("gallery.embeddings"),
            tokens_BKC=tensors.get("tokens"),
            photos=photos,
        )

    def join(self, file: CharacterFile) -> CharacterFile:
        """Put them back into the character that they were split from."""
        return replace(
            file,
            header=replace(file.header, photos=self.photos),
            embeddings_PD=self.embeddings_PD,
            tokens_BKC=self.tokens_BKC,
        )


def split_templates(file: CharacterFile) -> tuple[CharacterFile, Templates]:
    """Take a character apart: what draws it, and what tells it."""
    templates = Templates(
        embeddings_PD=file.embeddings_PD, tokens_BKC=file.tokens_BKC, photos=file.header.photos
    )
    bare = replace(
        file, header=replace(file.header, photos=()), embeddings_PD=None, tokens_BKC=None
    )
    return bare, templates

"""The part of a character by which a person can be told, apart from the part that draws it.

Templates are the gallery (what a face encoder measured on each photo), the tokens that were made of
it, what is remembered of the photos, and what the reporting encoder measured on them. Shots are
drawn without any of them: the backbone hears keys and values that were folded before. Those
describe the face to the backbone as well, and cannot be left out.

Shapes: K identity tokens, C channels, P photos, D embedding, H held-out photos, E photos that
trained.
"""

import json
from dataclasses import asdict, dataclass, replace

from torch import Tensor

from facekit.adapters.character_file import CharacterFile
from facekit.adapters.character_header import PhotoRecord
from facekit.adapters.judging_faces import JudgingFaces
from facekit.adapters.tensor_file import tensor_bytes, tensors_in
from facekit.errors import AdapterDamaged

__all__ = ["LOST_WITHOUT", "Templates", "split_templates"]

LOST_WITHOUT = (
    "gates: nobody tells how like a take is, so every shot of a render needs a look, unless photos"
    " are named with --photos NAME=FOLDER",
    "long shots: nobody looks at the frames that one chunk hands on to the next",
    "training: it cannot go on from this character",
    "evaluation: photos have to be named, and copying of training photos is measured only where"
    " those are among them",
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
    judging: JudgingFaces | None = None
    """By which takes are judged without the photos; None in templates that were packed where the
    photos were not at hand."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to leave out."""
        parts = (self.embeddings_PD, self.tokens_BKC, self.judging)
        return all(part is None for part in parts) and not self.photos

    def to_bytes(self) -> bytes:
        """The content of a safetensors file; equal templates give equal bytes."""
        tensors = {"gallery.embeddings": self.embeddings_PD, "tokens": self.tokens_BKC}
        photos = json.dumps([asdict(photo) for photo in self.photos], sort_keys=True)
        header = {"kind": _KIND, "format_version": str(_VERSION), "photos": photos}
        if self.judging is not None:
            tensors |= self.judging.tensors()
            header["judging"] = self.judging.header()
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
            judging = JudgingFaces.read(tensors, header.get("judging"))
        except (ValueError, TypeError, KeyError) as error:
            raise AdapterDamaged(
                f"{name}: its photos cannot be read ({error}), expected templates; fetch it again"
            ) from error
        return cls(
            embeddings_PD=tensors.get("gallery.embeddings"),
            tokens_BKC=tensors.get("tokens"),
            photos=photos,
            judging=judging,
        )

    def describe(self) -> str:
        """Say by whom they judge in place of photos."""
        known = self.judging
        if known is None:
            return "nothing to judge by without photos"
        return f"judge without photos by {known.id}, {len(known.held_out_HD)} held out"

    def join(self, file: CharacterFile) -> CharacterFile:
        """Put them back into the character that they were split from.

        What judges is no part of a character file, which never held it.
        """
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

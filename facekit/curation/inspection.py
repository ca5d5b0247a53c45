"""What was found out about a set of photos, and the photos as training takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from facekit.curation.advice import Advice
from facekit.curation.candidates import Candidate
from facekit.curation.comparing import stack_vectors, weight_of
from facekit.curation.findings import Finding, Verdict
from facekit.curation.memory import Known
from facekit.errors import MediaError, PhotosRefused
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.identity.similarity import similarity_matrix
from facekit.media.reading import read_ahead
from facekit.types import FloatArray

__all__ = ["Inspection", "UsablePhoto"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsablePhoto:
    """A photo that is taken, without its pixels."""

    candidate: Candidate
    embedding: FloatArray
    """Unit vector, shape (dim,)."""
    is_held_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about a set of photos."""

    verdicts: tuple[Verdict, ...]
    """One per photo, in the order given; a clip has one per frame that is used."""
    advice: tuple[Advice, ...]
    min_usable: int
    encoder: str
    """Who compared the faces."""
    usable: tuple[UsablePhoto, ...]
    looked_at: tuple[Known, ...]
    """One per verdict, in the same order: the face, its crop and its embedding."""
    min_same_person: float
    """The similarity below which it is somebody else."""
    findings: tuple[Finding, ...] = ()
    """What refuses the set as a whole."""
    views: tuple[str, ...] = ()
    """The photos to train on that show most between them, the best first; at most
    ``identity.max_photos`` of the recipe."""
    allowed: tuple[Finding, ...] = ()
    """What would have refused the set, and was overruled."""

    @property
    def accepted(self) -> bool:
        """Whether enough photos are usable, and nothing refuses the set."""
        return len(self.usable) >= max(self.min_usable, 1) and not self.findings

    @property
    def overruled(self) -> tuple[str, ...]:
        """A line for each finding that was overruled, of the set and of photos."""
        of_photos = (f"{v.source}: {v.overruled}" for v in self.verdicts if v.allowed)
        return (*(finding.sentence for finding in self.allowed), *of_photos)

    @property
    def overruled_codes(self) -> tuple[str, ...]:
        """The codes of all findings that were overruled, each once."""
        findings = [*self.allowed, *(f for v in self.verdicts for f in v.allowed)]
        return tuple(sorted({finding.code.value for finding in findings}))

    @property
    def set_aside(self) -> tuple[str, ...]:
        """A line for each photo that is not used, with its reasons."""
        return tuple(f"{v.source}: {v.reasons}" for v in self.verdicts if not v.usable)

    @property
    def noted(self) -> tuple[str, ...]:
        """A line for each photo that is used and was not taken as it is."""
        return tuple(f"{v.source}: {v.remarks}" for v in self.verdicts if v.usable and v.notes)

    def similarity_to_json(self) -> Mapping[str, object]:
        """The cosine of every pair of photos in which one face was measured, and their names."""
        compared = [known for known in self.looked_at if known.vector is not None]
        between = similarity_matrix(stack_vectors(compared, 1))
        return {
            "photos": [known.candidate.source.name for known in compared],
            "cosine": [[round(float(value), 4) for value in row] for row in between],
        }

    def with_captions(self, captions: Mapping[str, str], named: str) -> "Inspection":
        """Give photos without a text of their own another one.

        Args:
            captions: By the name of the source.
            named: What wrote them; stands for the name of the file in messages.
        """

        def captioned(candidate: Candidate) -> Candidate:
            text = captions.get(candidate.source.name)
            if candidate.sidecar is not None or not text:
                return candidate
            told = f"{named} of {candidate.source.name}"
            source = replace(candidate.source, caption_name=told)
            return replace(candidate, sidecar=text, captioned_by=named, source=source)

        return replace(
            self,
            usable=tuple(replace(u, candidate=captioned(u.candidate)) for u in self.usable),
            looked_at=tuple(replace(k, candidate=captioned(k.candidate)) for k in self.looked_at),
        )

    def require(self) -> PhotoSet:
        """Read the usable photos once more and give them.

        Raises:
            PhotosRefused: They are too few, and the message gives the reason of each of the
                others; or something refuses the set.
            MediaError: A photo is no longer there.
        """
        if self.accepted:
            return _photo_set(self.usable, self.encoder, self.views)
        if self.findings:
            raise PhotosRefused("; ".join(finding.sentence for finding in self.findings))
        usable, total = len(self.usable), len(self.verdicts)
        head = f"{usable} usable of {total} photos, expected at least {self.min_usable}"
        tail = "; add sharp photos of one person, alone in the picture"
        raise PhotosRefused("\n  ".join([head, *self.set_aside]) + tail)


def _photo_set(usable: Sequence[UsablePhoto], encoder: str, views: Sequence[str]) -> PhotoSet:
    train: list[Photo] = []
    held_out: list[Photo] = []
    files = [item.candidate.file for item in usable]
    with read_ahead(files) as pictures:
        for item, file, picture in zip(usable, files, pictures, strict=True):
            if isinstance(picture, MediaError):
                raise picture
            candidate = item.candidate
            assert candidate.crop is not None  # it would not be usable
            photo = Photo(
                source=candidate.source.name,
                file=file,
                image=picture.image,
                face=candidate.crop.face,
                crop=candidate.crop,
                embedding=item.embedding,
                quality=weight_of(candidate),
                sidecar=candidate.sidecar,
                sidecar_name=candidate.source.caption_name,
                turned_deg=candidate.turned_deg,
                cut_xyxy_px=candidate.cut_xyxy_px,
            )
            (held_out if item.is_held_out else train).append(photo)
    rows = {photo.source: row for row, photo in enumerate(train)}
    return PhotoSet(
        train=tuple(train),
        held_out=tuple(held_out),
        encoder=encoder,
        views=tuple(rows[source] for source in views),
    )

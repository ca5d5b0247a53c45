"""Clips as training takes them: which, cut how, and what is told of those that will not do."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from facekit.backbones.spec import BackboneSpec
from facekit.curation.excerpts import Cutting, find_excerpts, too_short
from facekit.errors import MediaError, UsageError
from facekit.faces.parse import ELLIPSE
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.faces.vendors import load_parser
from facekit.identity.photo_set import PhotoSet
from facekit.media.frames import frame_times
from facekit.media.kinds import Kind
from facekit.media.scan import Source
from facekit.media.unpack import locate, unpack_sources
from facekit.recipe import Recipe
from facekit.types import Progress
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.datasets import StoredDataset
from facekit.workflows.masks import MasksUsed

__all__ = [
    "add_excerpts",
    "clip_misfits",
    "clip_warnings",
    "describe_clips",
    "excerpt_parser",
]


def clip_misfits(recipe: Recipe, spec: BackboneSpec) -> Iterator[str]:
    """What of `clips` the backbone cannot do, each with its key and a next step."""
    clips = recipe.clips
    if not clips.num_frames:
        return
    try:
        spec.check_frames(clips.num_frames)
    except UsageError as error:
        yield f"clips.{error}"
    else:
        if clips.num_frames == 1:
            yield (
                "clips.num_frames is 1, expected several frames, for one is a photo; set it to"
                f" {spec.frame_multiple + 1}, or to 0 to take clips for photos alone"
            )
    if clips.share == 0:
        yield (
            f"clips.share is 0 and clips.num_frames {clips.num_frames}, expected a share of the"
            " tokens above 0; set clips.num_frames to 0 to take clips for photos alone"
        )


def describe_clips(recipe: Recipe) -> str:
    """How clips are learned from, in one line; empty where they are photos alone."""
    if not recipe.clips.num_frames:
        return ""
    cutting = _cutting(recipe)
    return (
        f"up to {cutting.per_clip} excerpts of each, {cutting.num_frames} frames at"
        f" {cutting.fps:g} per second; {recipe.clips.share:.0%} of all tokens"
    )


def clip_warnings(
    recipe: Recipe, sources: Sequence[Source], dataset: StoredDataset | None
) -> Iterator[str]:
    """Tell which clips are too short, and that there is none, without decoding any."""
    if not recipe.clips.num_frames:
        return
    cutting = _cutting(recipe)
    clips = [source for source in sources if source.kind is Kind.CLIP]
    if not clips and not (dataset and _clips_of(dataset)):
        yield (
            f"clips.num_frames is {cutting.num_frames} and there is no clip, so photos alone are"
            " learned from"
        )
    for clip in clips:
        if clip.refusal or clip.member is not None:
            continue
        try:
            times = frame_times(clip.path, until_ms=int(cutting.least_ms) + 1)
        except MediaError:
            continue  # looking at it says what is wrong
        if short := too_short(clip.name, times[-1] - times[0], cutting):
            yield short


def add_excerpts(
    recipe: Recipe,
    photos: PhotoSet,
    sources: Sequence[Source],
    dataset: StoredDataset | None,
    faces: FaceVendor,
    bar: Progress,
) -> tuple[PhotoSet, tuple[str, ...]]:
    """Give the photos the excerpts of their clips.

    Args:
        recipe: Says how they are cut.
        photos: Frames of the clips among them.
        sources: What was given to train on.
        dataset: Where that was checked already.
        faces: Detector and encoder.
        bar: Counts the clips.

    Returns:
        The photos, and a line for whatever gives no excerpt, or fewer.

    Raises:
        MediaError: A clip of the dataset is gone.
        OutputError: The cache cannot be written.
    """
    cutting = _cutting(recipe)
    if not cutting.num_frames:
        return photos, ()
    if dataset is None:
        ready = unpack_sources(sources, bar)
        clips = [source for source in ready if source.kind is Kind.CLIP and not source.refusal]
    else:
        clips = [_stored(name) for name in _clips_of(dataset)]
    excerpts, told = find_excerpts(clips, photos, cutting, recipe.photos, faces, bar)
    if clips and not excerpts:
        told = (*told, "no clip gives an excerpt, so the run learns from photos alone")
    return replace(photos, excerpts=excerpts), told


def excerpt_parser(
    photos: PhotoSet, used: MasksUsed, faces: FaceVendor
) -> tuple[FaceParser | None, tuple[str, ...]]:
    """Load what draws the masks of excerpts: the parser of the photos' masks.

    Returns:
        The parser, None for the ellipse; and a line where it is the ellipse for excerpts alone.
    """
    if not photos.excerpts or used.parser in ("", ELLIPSE):
        return None, ()
    parser = load_parser(faces)
    if (parser.name, parser.digest) == (used.parser, used.digest):
        return parser, ()
    return None, (
        f"face masks of excerpts are the ellipse, for the dataset's were drawn by {used.parser}"
        f" {used.digest[:12]}, and here is {parser.name} {parser.digest[:12]}".rstrip(),
    )


def _cutting(recipe: Recipe) -> Cutting:
    clips = recipe.clips
    fps = backbone_spec(recipe).fps if clips.fps is None else clips.fps
    return Cutting(num_frames=clips.num_frames, per_clip=clips.per_clip, fps=fps)


def _clips_of(dataset: StoredDataset) -> list[str]:
    """The names of the clips whose frames are in a dataset, in full, each once."""
    above = Path(dataset.manifest.folder)
    names = (photo.clip for photo in dataset.manifest.photos if photo.clip is not None)
    return list(dict.fromkeys(str(above / name) for name in names))


def _stored(name: str) -> Source:
    """A clip of a dataset.

    Raises:
        MediaError: It is gone.
    """
    file = locate(Path(name))
    if file is None:
        raise MediaError(
            f"{name}: no such file, expected a clip of the dataset; put it back, or run facekit"
            " check again with --out"
        )
    return Source(name=name, path=file, kind=Kind.CLIP)

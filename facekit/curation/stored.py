"""A dataset read back: what it says, and its photos as training takes them, not looked at again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from facekit.curation.findings import Role
from facekit.curation.manifest import SCHEMA, DatasetManifest, PhotoEntry
from facekit.errors import CheckpointMismatch, MediaError, PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.media.images import pixel_digest, read_image
from facekit.media.scan import MANIFEST_FILE, UNFINISHED_FILE
from facekit.media.unpack import changed_file, locate
from facekit.recipe import Recipe
from facekit.types import FaceCrop, FloatArray

__all__ = [
    "check_recipe",
    "photo_set_of",
    "read_manifest",
    "read_masks",
    "read_vectors",
    "set_aside",
]

_AGAIN = "run facekit check again with --out"


def read_manifest(folder: Path) -> DatasetManifest:
    """Read what a dataset says of its photos.

    Raises:
        MediaError: It is not there, damaged, or of another version of the format.
    """
    path = folder / MANIFEST_FILE
    if (folder / UNFINISHED_FILE).is_file() and not path.exists():
        raise MediaError(
            f"{folder}: a dataset that was broken off before it was whole, expected"
            f" {MANIFEST_FILE}; {_AGAIN}"
        )
    try:
        content = path.read_text(encoding="utf-8")
        name = json.loads(content).get("schema_name")
        if name == SCHEMA:
            return DatasetManifest.model_validate_json(content)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        reason = " ".join(str(error).splitlines()[:3])
        raise MediaError(
            f"{path}: not a dataset that can be read ({reason}), expected {SCHEMA}; {_AGAIN}"
        ) from error
    raise MediaError(f"{path}: schema {name!r}, expected {SCHEMA!r}; {_AGAIN}")


def read_vectors(folder: Path, manifest: DatasetManifest) -> dict[str, FloatArray]:
    """Read the embeddings of a dataset: pixels' digest -> unit vector, shape (dim,).

    Raises:
        MediaError: The file is missing or damaged.
    """
    path = folder / manifest.embeddings
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path}: embeddings missing or damaged ({error}); {_AGAIN}") from error


def check_recipe(
    folder: Path, manifest: DatasetManifest, recipe: Recipe, allow: Sequence[str] = ()
) -> None:
    """Make sure that a recipe would check the photos as the dataset was checked.

    Args:
        folder: The dataset.
        manifest: What it says.
        recipe: Will train.
        allow: Codes of reasons that are overruled now; the dataset must have overruled them too.

    Raises:
        CheckpointMismatch: Another encoder, other thresholds or other captions, or too few best
            views for the recipe; each is named.
        PhotosRefused: The photos will not do; the message gives the reason of each.
    """
    differ = list(_differences(manifest, recipe))
    if missing := sorted(set(allow) - set(manifest.allow)):
        differ.append(("no reason overruled", f"--allow {' --allow '.join(missing)}"))
    if differ:
        raise CheckpointMismatch(
            f"{folder}: checked with {', '.join(had for had, _ in differ)}, expected"
            f" {', '.join(wanted for _, wanted in differ)} as in the recipe that trains; run"
            " facekit check again with this recipe and --out, or give train what check was given"
        )
    if manifest.findings:
        reasons = [finding.sentence for finding in manifest.findings]
        raise PhotosRefused(f"{folder}: {'; '.join(reasons)}")
    if not manifest.accepted:
        usable = sum(photo.role is not Role.REFUSED for photo in manifest.photos)
        head = (
            f"{folder}: {usable} usable of {len(manifest.photos)} photos, expected at least"
            f" {manifest.rules.min_usable}"
        )
        lines = [f"{name}: {reasons}" for name, reasons in set_aside(manifest)]
        told = "\n  ".join([head, *lines])
        raise PhotosRefused(
            f"{told}; add sharp photos of one person, alone in the picture, and check again"
        )


def set_aside(manifest: DatasetManifest) -> Iterator[tuple[str, str]]:
    """Give the name of each photo that is refused, with its reasons."""
    for photo in manifest.photos:
        if photo.role is Role.REFUSED:
            yield photo.name, "; ".join(finding.sentence for finding in photo.findings)


def photo_set_of(folder: Path, manifest: DatasetManifest, faces: FaceVendor) -> PhotoSet:
    """Read the usable photos; nothing is looked for and nothing encoded again.

    Args:
        folder: The dataset.
        manifest: What it says.
        faces: The encoder that will train.

    Raises:
        CheckpointMismatch: Another encoder than the one that made the dataset.
        MediaError: A photo is gone or changed, or a file of the dataset is missing or damaged.
        OutputError: The cache cannot be written.
    """
    made_by = f"{manifest.encoder.name}@{manifest.encoder.digest[:12]}"
    if (manifest.encoder.name, manifest.encoder.digest) != (faces.name, faces.digest):
        raise CheckpointMismatch(
            f"{folder}: embeddings of {made_by}, expected {encoder_id(faces)}, which trains;"
            f" {_AGAIN}"
        )
    vectors = read_vectors(folder, manifest)
    train: list[Photo] = []
    held_out: list[Photo] = []
    for entry in manifest.photos:
        if entry.role is not Role.REFUSED:
            photo = _photo(folder, manifest, entry, vectors)
            (held_out if entry.role is Role.HELD_OUT else train).append(photo)
    rows = {photo.source: row for row, photo in enumerate(train)}
    above = Path(manifest.folder)
    return PhotoSet(
        train=tuple(train),
        held_out=tuple(held_out),
        encoder=made_by,
        views=tuple(rows[str(above / name)] for name in manifest.views),
    )


def read_masks(folder: Path, manifest: DatasetManifest, photos: PhotoSet) -> PhotoSet:
    """Give the photos to train on the masks that the dataset holds of them.

    Args:
        folder: The dataset.
        manifest: What it says.
        photos: Of this dataset.

    Raises:
        MediaError: A mask is missing, damaged, or of another size than its photo.
    """
    names = {str(Path(manifest.folder) / photo.name): photo.mask for photo in manifest.photos}
    train = []
    for photo in photos.train:
        name = names[photo.source]
        if name is None:
            raise MediaError(
                f"{folder / MANIFEST_FILE}: {photo.source} trains and has no mask, expected one;"
                f" {_AGAIN}"
            )
        try:
            layers = read_image(folder / name)
        except MediaError as error:
            raise MediaError(
                f"{folder / name}: the mask of {photo.source} is missing or damaged, expected the"
                f" one that was written beside {MANIFEST_FILE}; {_AGAIN}"
            ) from error
        if layers.shape[:2] != photo.image.shape[:2]:
            had, wanted = layers.shape[:2], photo.image.shape[:2]
            raise MediaError(
                f"{folder / name}: {had[1]} x {had[0]} px, expected {wanted[1]} x {wanted[0]} px as"
                f" {photo.source} has; remove it, and {_AGAIN}"
            )
        train.append(replace(photo, mask=np.ascontiguousarray(layers[..., 0])))
    return replace(photos, train=tuple(train))


def _photo(
    folder: Path, manifest: DatasetManifest, entry: PhotoEntry, vectors: dict[str, FloatArray]
) -> Photo:
    source = Path(manifest.folder) / entry.name
    vector = vectors.get(entry.pixels_sha256 or "")
    if entry.face is None or entry.measured is None or entry.crop is None or vector is None:
        raise MediaError(
            f"{folder / MANIFEST_FILE}: {entry.name} is usable and has no face, crop or embedding,"
            f" expected all of them; {_AGAIN}"
        )
    file = locate(source)
    if file is None:
        raise MediaError(
            f"{source}: no such file, expected a photo of the dataset {folder}; put it back, or"
            f" {_AGAIN}"
        )
    file = changed_file(file, entry.turned_deg, entry.cut_xyxy_px)
    image = read_image(file)
    if pixel_digest(image) != entry.pixels_sha256:
        raise MediaError(
            f"{source}: not the picture that was checked, expected pixels"
            f" {str(entry.pixels_sha256)[:12]}; put that one back, or {_AGAIN}"
        )
    face = entry.face.read()
    caption = entry.caption
    return Photo(
        source=str(source),
        file=file,
        image=image,
        face=face,
        crop=FaceCrop(pixels=read_image(folder / entry.crop), face=face, source=str(source)),
        embedding=vector,
        quality=entry.measured.weight,
        sidecar=None if caption is None else caption.own,
        sidecar_name="" if caption is None else caption.named,
        turned_deg=entry.turned_deg,
        cut_xyxy_px=entry.cut_xyxy_px,
    )


def _differences(manifest: DatasetManifest, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """What was given and what the recipe gives, each as ``key value``."""
    if manifest.encoder.asked != recipe.encoder.train:
        yield f"encoder.train {manifest.encoder.asked}", f"encoder.train {recipe.encoder.train}"
    for section, had, wanted in (
        ("photos", manifest.rules.model_dump(), recipe.photos.model_dump()),
        ("captions", manifest.captions.model_dump(), recipe.captions.model_dump()),
    ):
        for key, value in wanted.items():
            if had[key] != value:
                yield f"{section}.{key} {_told(had[key])}", f"{section}.{key} {_told(value)}"
    trained = sum(photo.role is Role.TRAIN for photo in manifest.photos)
    needed = min(recipe.identity.max_photos, trained)
    if recipe.identity.pool == "concat" and len(manifest.views) < needed:
        # The first of many are the same as few, so a smaller number needs no other check.
        yield f"identity.max_photos {len(manifest.views)}", f"identity.max_photos {needed} or more"


def _told(value: object) -> str:
    return "absent" if value is None else str(value)

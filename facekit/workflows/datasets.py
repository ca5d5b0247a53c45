"""Datasets as `check` writes them and `train` takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.folder import write_dataset
from facekit.curation.inspection import Inspection
from facekit.curation.manifest import DatasetManifest
from facekit.curation.stored import check_recipe, photo_set_of, read_manifest, set_aside
from facekit.errors import UsageError
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_parser
from facekit.identity.photo_set import PhotoSet
from facekit.media.files import write_text
from facekit.media.kinds import Kind
from facekit.media.scan import Source, is_dataset
from facekit.recipe import Recipe
from facekit.types import Progress
from facekit.workflows.captions import caption_record
from facekit.workflows.check_page import build_check_page
from facekit.workflows.source_names import common_folder_of, name_within

__all__ = ["REPORT_FILE", "StoredDataset", "open_dataset", "refuse_datasets", "write_checked"]

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataset:
    """A dataset that goes with the recipe that will train."""

    folder: Path
    manifest: DatasetManifest

    @property
    def sources(self) -> tuple[Source, ...]:
        """All photos that were checked, in order."""
        above = Path(self.manifest.folder)
        return tuple(
            Source(name=str(above / photo.name), path=above / photo.name, kind=Kind.PHOTO)
            for photo in self.manifest.photos
        )

    @property
    def set_aside(self) -> tuple[str, ...]:
        """A line for each photo that is not used, with its reasons."""
        above = Path(self.manifest.folder)
        return tuple(f"{above / name}: {reasons}" for name, reasons in set_aside(self.manifest))

    @property
    def noted(self) -> tuple[str, ...]:
        """A line for each photo that is used and was not taken as it is."""
        above = Path(self.manifest.folder)
        return tuple(
            f"{above / photo.name}: {'; '.join(note.sentence for note in photo.notes)}"
            for photo in self.manifest.photos
            if photo.notes and photo.crop is not None and not photo.findings
        )

    @property
    def overruled(self) -> tuple[str, ...]:
        """A line for each finding that was overruled, of the set and of photos."""
        above = Path(self.manifest.folder)
        return (
            *(finding.sentence for finding in self.manifest.allowed),
            *(
                f"{above / photo.name}: {'; '.join(finding.sentence for finding in photo.allowed)}"
                for photo in self.manifest.photos
                if photo.allowed
            ),
        )

    @property
    def overruled_codes(self) -> tuple[str, ...]:
        """The codes of all findings that were overruled, each once."""
        of_photos = (finding for photo in self.manifest.photos for finding in photo.allowed)
        return tuple(sorted({f.code.value for f in (*self.manifest.allowed, *of_photos)}))

    def photos(self, faces: FaceVendor) -> PhotoSet:
        """Read the usable photos; raises as `photo_set_of`."""
        return photo_set_of(self.folder, self.manifest, faces)


def open_dataset(
    photos: Sequence[Path | str], recipe: Recipe, allow: Sequence[str] = ()
) -> StoredDataset | None:
    """Open the dataset that stands for photos; None where photos are given.

    Args:
        photos: What was given to train on.
        recipe: Will train.
        allow: Codes of reasons that are overruled.

    Raises:
        UsageError: A dataset among other things.
        MediaError: It is damaged.
        CheckpointMismatch: It was checked by other rules than the recipe's.
        PhotosRefused: Its photos will not do.
    """
    folders = [Path(path) for path in photos if is_dataset(Path(path))]
    if not folders:
        return None
    if len(photos) > 1:
        raise UsageError(
            f"{folders[0]}: a dataset among other photos, expected it alone; check all photos"
            " together with facekit check and --out"
        )
    manifest = read_manifest(folders[0])
    check_recipe(folders[0], manifest, recipe, allow)
    return StoredDataset(folder=folders[0], manifest=manifest)


def refuse_datasets(photos: Sequence[Path | str]) -> None:
    """Refuse to look for photos among crops and masks.

    Raises:
        UsageError: One of the paths is a dataset.
    """
    for path in map(Path, photos):
        if is_dataset(path):
            raise UsageError(
                f"{path}: a dataset, which is checked already, expected photos; name the photos,"
                " and the dataset with --out to bring it up to date"
            )


def write_checked(
    folder: Path,
    inspection: Inspection,
    faces: FaceVendor,
    recipe: Recipe,
    allow: Sequence[str],
    name: str | None,
    progress: Progress,
) -> DatasetManifest:
    """Write a dataset and its report, or bring them up to date; raises as `write_dataset`."""
    sources = [verdict.source for verdict in inspection.verdicts]
    manifest = write_dataset(
        folder,
        inspection,
        faces,
        load_parser(faces),
        recipe=recipe,
        allow=allow,
        captioned=caption_record,
        names=name_within(sources),
        photos_folder=common_folder_of(sources),
        progress=progress,
    )
    write_text(folder / REPORT_FILE, build_check_page(folder, manifest, name))
    return manifest

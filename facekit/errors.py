"""Every error facekit raises on purpose, and the exit code each one becomes.

    FacekitError                 1
    +-- UsageError               2   arguments that contradict each other or name nothing
    +-- RecipeError              2   unknown key, wrong type, out of range
    +-- StoryboardError          2   a board whose keys, names, lengths or files do not fit
    +-- MediaError               2   a picture or a video that cannot be used
    +-- OutputExists             2   would overwrite; --force allows it
    +-- OutputError              1   no permission, no space
    +-- InstallationError        1   something that ships with facekit is not there
    |   +-- PackageMissing       1   a package of an extra is not there or breaks
    +-- FaceError                3
    |   +-- NoFaceFound          3
    |   +-- SeveralFacesFound    3
    |   +-- AlignmentError       3
    |   +-- PhotosRefused        3   the photos as a set will not do
    +-- RightsRefused            4   a licence that does not allow what is asked
    |   +-- ConsentRefused       4   no consent, or none for this
    |   +-- PolicyRefused        4   those who must approve have not
    +-- RenderError              1   a render cannot go on
    |   +-- RenderBusy           1   another render is at work in that folder
    |   +-- WorkerLost           1   a unit ended its worker again and again
    +-- GateFailed               5   the clips are measured and are not good enough
    +-- WeightsError             6
    |   +-- WeightsMissing       6
    |   +-- ChecksumMismatch     6
    |   +-- DownloadFailed       6   no network, or the server refuses
    |   +-- CheckpointMismatch   7   made by another recipe or another version
    +-- IntegrityError           6   not the bytes that were packed, or that somebody recorded
    |   +-- BundleDamaged        6   a preset whose files are not those of its manifest
    |   +-- SignatureRefused     6   changed after signing, or signed by nobody trusted
    |   +-- KeyRefused           6   a key that is missing, unsafe or not the right one
    |   |   +-- KeyUnknown       2   what was given is no key, or names none
    |   +-- LedgerDamaged        6   a ledger of use of which a line was changed or is gone
    +-- RegistryError            1   a registry that cannot be read or written
    |   +-- VersionExists        2   that version is published, with other content
    |   +-- VersionMissing       2   no such preset, version or channel
    +-- PresetError              7   a preset that this version or this backbone cannot take
    |   +-- PresetRevoked        4   it was withdrawn
    |   +-- LockMismatch         7   not what facekit.lock says
    +-- AdapterError             7
    |   +-- SiteMissing          7
    |   +-- AlreadyAttached      7
    |   +-- AdapterMismatch      7   made for another backbone or encoder
    |   +-- AdapterDamaged       6
    +-- TrainingError            1
        +-- NonFiniteLoss        1
        +-- ProcessLost          1   one of the processes of a run has ended
        +-- OutOfMemory          1   the device or the machine has none left

A message says what happened, what was found, what was expected and the next step, and names
the file: ``mira/07.png: 3 faces found, expected 1; crop the picture to one person``.
The library raises; only the command line prints.
"""

import re
from typing import ClassVar

__all__ = [
    "AdapterDamaged",
    "AdapterError",
    "AdapterMismatch",
    "AlignmentError",
    "AlreadyAttached",
    "BundleDamaged",
    "CheckpointMismatch",
    "ChecksumMismatch",
    "ConsentRefused",
    "DownloadFailed",
    "FaceError",
    "FacekitError",
    "GateFailed",
    "InstallationError",
    "IntegrityError",
    "KeyRefused",
    "KeyUnknown",
    "LedgerDamaged",
    "LockMismatch",
    "MediaError",
    "NoFaceFound",
    "NonFiniteLoss",
    "OutOfMemory",
    "OutputError",
    "OutputExists",
    "PackageMissing",
    "PhotosRefused",
    "PolicyRefused",
    "PresetError",
    "PresetRevoked",
    "ProcessLost",
    "RecipeError",
    "RegistryError",
    "RenderBusy",
    "RenderError",
    "RightsRefused",
    "SeveralFacesFound",
    "SignatureRefused",
    "SiteMissing",
    "StoryboardError",
    "TrainingError",
    "UsageError",
    "VersionExists",
    "VersionMissing",
    "WeightsError",
    "WeightsMissing",
    "WorkerLost",
]


class FacekitError(Exception):
    """The root of every error that facekit raises on purpose.

    The next step is the part of the message after its last semicolon, so that one string
    serves the reader and ``--json``.
    """

    exit_code: ClassVar[int] = 1

    @property
    def code(self) -> str:
        """The class name in snake case, stable for programs: ``no_face_found``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def next_step(self) -> str:
        """What to do now; empty when the message names nothing."""
        _, separator, tail = str(self).rpartition(";")
        return tail.strip() if separator else ""


class UsageError(FacekitError):
    """Arguments that contradict each other or name something that does not exist."""

    exit_code = 2


class RecipeError(FacekitError):
    """A recipe, or an override of one, that does not fit the closed description."""

    exit_code = 2


class StoryboardError(FacekitError):
    """A storyboard, or a list of shots, that does not fit its closed description."""

    exit_code = 2


class MediaError(FacekitError):
    """A picture or a video that cannot be read or is not what was asked for."""

    exit_code = 2


class OutputExists(FacekitError):
    """The result would replace something that is already there."""

    exit_code = 2


class OutputError(FacekitError):
    """The result cannot be written: no permission, no space left."""


class InstallationError(FacekitError):
    """Something that ships with facekit is not where it was installed."""


class PackageMissing(InstallationError):
    """A package that an extra of facekit brings, and that is not installed or broken."""


class FaceError(FacekitError):
    """A picture whose faces are not what the job needs."""

    exit_code = 3


class NoFaceFound(FaceError):
    """No face where one is needed."""


class SeveralFacesFound(FaceError):
    """More than one face where exactly one is needed."""


class AlignmentError(FaceError):
    """Landmarks that no similarity transform fits."""


class PhotosRefused(FaceError):
    """A set of photos that will not make a character; the reasons are in the message."""


class RightsRefused(FacekitError):
    """A use that a licence does not allow."""

    exit_code = 4


class RenderError(FacekitError):
    """A render of a board that cannot go on; what is finished stays."""


class RenderBusy(RenderError):
    """Another render is at work in the folder."""


class WorkerLost(RenderError):
    """A unit whose worker ended without an answer, more often than is tried."""


class GateFailed(FacekitError):
    """Clips that were measured and do not reach a gate."""

    exit_code = 5


class WeightsError(FacekitError):
    """Trouble with a weights file."""

    exit_code = 6


class WeightsMissing(WeightsError):
    """A weights file that should be there and is not."""


class ChecksumMismatch(WeightsError):
    """A weights file whose sha256 is not the recorded one."""


class DownloadFailed(WeightsError):
    """Weights that could not be fetched; what came is kept, and fetching goes on from there."""


class CheckpointMismatch(WeightsError):
    """A training checkpoint made by another recipe, other photos or another version."""

    exit_code = 7


class AdapterError(FacekitError):
    """An adapter that does not go with what it is used on."""

    exit_code = 7


class SiteMissing(AdapterError):
    """A place in the backbone that the adapter needs and that is not there."""


class AlreadyAttached(AdapterError):
    """A second attachment to a transformer that carries one already."""


class AdapterMismatch(AdapterError):
    """An adapter made for another backbone or another face encoder."""


class AdapterDamaged(AdapterError):
    """An adapter file that is truncated, altered or not an adapter at all."""

    exit_code = 6


class TrainingError(FacekitError):
    """A training run that cannot go on."""


class NonFiniteLoss(TrainingError):
    """A loss that became infinite or not a number; the last good checkpoint is kept."""


class ProcessLost(TrainingError):
    """Another of the processes that train together has ended; the last checkpoint is kept."""


class OutOfMemory(TrainingError):
    """No memory left, on the device or in the machine; the last checkpoint is kept.

    Args:
        message: As of every error.
        stage: What was being done.
        reason: As the library said it.
        held: Bytes that were held.
    """

    def __init__(self, message: str, *, stage: str = "", reason: str = "", held: int = 0) -> None:
        super().__init__(message)
        self.stage, self.reason, self.held = stage, reason, held


class ConsentRefused(RightsRefused):
    """Nobody has agreed to this, or no longer.

    Args:
        message: As of every error; the rule is told in it before the next step.
        rule: Which rule refused: `exists`, `signature`, `dates`, `revoked`, `project`, `use`, ...
    """

    def __init__(self, message: str, *, rule: str = "") -> None:
        said, semicolon, step = message.rpartition(";")
        super().__init__(f"{said} (rule: {rule}){semicolon}{step}" if rule and said else message)
        self.rule = rule


class PolicyRefused(RightsRefused):
    """Those whose approval a show asks for have not given it."""


class IntegrityError(FacekitError):
    """Bytes that are not those that were packed, signed or recorded."""

    exit_code = 6


class BundleDamaged(IntegrityError):
    """A preset whose files are not exactly those that its manifest lists."""


class SignatureRefused(IntegrityError):
    """Changed after it was signed, signed for something else, or by nobody who is trusted."""


class KeyRefused(IntegrityError):
    """A key that is missing, readable for others, damaged or not the right one."""


class KeyUnknown(KeyRefused):
    """What somebody gave is no key, or the name of none."""

    exit_code = 2


class LedgerDamaged(IntegrityError):
    """A ledger of use of which a line was changed, moved or removed."""


class RegistryError(FacekitError):
    """A registry that cannot be reached, read or written."""


class VersionExists(RegistryError):
    """This version of the preset is published already, with other content."""

    exit_code = 2


class VersionMissing(RegistryError):
    """A registry without this preset, version or channel."""

    exit_code = 2


class PresetError(FacekitError):
    """A preset that this version of facekit, or this backbone, cannot take."""

    exit_code = 7


class PresetRevoked(PresetError):
    """A preset that was withdrawn; a lock does not help."""

    exit_code = 4


class LockMismatch(PresetError):
    """What is there is not what ``facekit.lock`` says."""

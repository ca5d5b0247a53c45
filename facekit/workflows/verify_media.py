"""What of a verdict is no matter of credentials: files that are no media, and those cut off."""

import dataclasses

from facekit.errors import FacekitError
from facekit.media.frames import frame_times
from facekit.media.images import read_image
from facekit.media.kinds import VIDEO_SUFFIXES
from facekit.media.whole import ends_early, is_media
from facekit.workflows.verify_result import FileVerdict

__all__ = ["tell_kind"]


def tell_kind(verdict: FileVerdict, *, is_named: bool) -> FileVerdict:
    """Add whether a file is no picture or movie, or one that lacks its end.

    Args:
        verdict: As far as credentials, lists and looks tell.
        is_named: Whether somebody named this very file; of a folder others are passed over.
    """
    path, state = verdict.path, verdict.credentials.state
    is_unknown = verdict.how == "nothing" and state == "none"
    if is_unknown and not is_media(path) and not _can_be_read(verdict):
        return dataclasses.replace(verdict, is_other=True, is_asked_for=is_named)
    if (is_unknown or state == "invalid") and ends_early(path):
        return dataclasses.replace(verdict, is_cut_off=True)
    return verdict


def _can_be_read(verdict: FileVerdict) -> bool:
    try:
        if verdict.path.suffix.lower() in VIDEO_SUFFIXES:
            return bool(frame_times(verdict.path, until_ms=0))
        return read_image(verdict.path).size > 0
    except FacekitError:
        return False

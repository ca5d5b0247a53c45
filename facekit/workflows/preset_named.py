"""A preset by its file, or by its name as a registry or the lock knows it."""

from pathlib import Path

from facekit.errors import RegistryError, UsageError, VersionMissing
from facekit.types import NoProgress
from facekit.workflows.locked_presets import locate_preset
from facekit.workflows.preset_refs import desk, resolve
from facekit.workflows.preset_transfer import bring

__all__ = ["preset_place"]


def preset_place(given: Path | str) -> Path:
    """Where a preset lies on this machine; one that is named and not here is fetched.

    Args:
        given: Its archive, its folder, or `mira@1.2.0` and `mira@prod` as `preset pull` takes it.

    Returns:
        The archive or the folder.

    Raises:
        UsageError: It is neither, or there is no registry.
        VersionMissing: The registry has none of this name.
        PresetRevoked: It was withdrawn.
        RegistryError: It is not here, and the registry cannot be reached.
    """
    path, text = Path(given), str(given)
    if path.exists() or "@" not in text:
        return path
    try:
        with desk(mirrors=True) as at:
            return bring(at, resolve(at, text), NoProgress())[0]
    except UsageError as error:
        said = str(error).rpartition(";")[0]
        raise UsageError(
            f"{text}: no such file, and by its name {said}; {error.next_step}"
        ) from error
    except RegistryError as error:
        if type(error) is not RegistryError:  # the registry has answered
            raise
        try:
            return locate_preset(text).parents[1]
        except VersionMissing:
            raise error from None

"""Whose signatures on presets count here: those of the show's people and of this user's keys."""

from facekit.presets.lock import LOCK_FILE, read_lock
from facekit.show_file import Show, find_show, read_show
from facekit.signing.home import key_home
from facekit.signing.keys import PublicKey

__all__ = ["is_locked_unsigned", "trusted_keys"]


def trusted_keys(show: Show | None = None) -> tuple[PublicKey, ...]:
    """Keys whose signatures on presets count: those of the show and those of this user.

    Args:
        show: Whose people count; those of the nearest ``facekit.toml`` when None.

    Raises:
        UsageError: ``facekit.toml`` cannot be read.
    """
    people = read_show(find_show()) if show is None else show
    known = [*people.all_keys(), *key_home().trusted()]
    return tuple({key.keyid: key for key in known}.values())


def is_locked_unsigned(digest: str) -> bool:
    """Whether the show asks for no signature and its lock names this very preset.

    Raises:
        UsageError: ``facekit.toml`` or the lock cannot be read.
    """
    path = find_show()
    if path is None or read_show(path).rules.signed:
        return False
    locked = read_lock(path.parent / LOCK_FILE).presets.values()
    return digest in {one.digest for one in locked}

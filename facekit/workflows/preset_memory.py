"""What this machine remembers of the registries of a show, and whether a preset was revoked."""

from pathlib import Path

from facekit.presets import seen
from facekit.presets.seen import Seen
from facekit.presets.store import place_of
from facekit.show_file import RegistryAddress, Show, find_show, read_show
from facekit.workflows.trust import trusted_keys

__all__ = ["ever_revoked", "seen_of"]


def seen_of(show: Show, address: RegistryAddress, folder: Path) -> Seen:
    """Open what was seen of a registry; a mirror shares that of the registry that it copies.

    Args:
        show: That the address is of.
        address: Of the registry.
        folder: Of the show.

    Raises:
        IntegrityError: It cannot be read.
    """
    return Seen.open(_place(show, address, folder))


def ever_revoked(digest: str) -> bool:
    """Whether this machine has seen a preset revoked by somebody who counts here.

    That is whoever has a key that is trusted here, and in the registries of this show whoever was
    counted there. A stranger's show revokes nothing but for those who work in it.

    Raises:
        UsageError: ``facekit.toml`` cannot be read.
        IntegrityError: What was seen of a registry cannot be read.
    """
    path = find_show()
    show = read_show(path)
    folder = Path.cwd() if path is None else path.parent
    own = {_place(show, address, folder) for address in show.registries.values()}
    return seen.ever_revoked(digest, (key.keyid for key in trusted_keys(show)), own)


def _place(show: Show, address: RegistryAddress, folder: Path) -> str:
    origin = show.registries[address.mirror_of] if address.mirror_of else address
    return place_of(origin, folder)

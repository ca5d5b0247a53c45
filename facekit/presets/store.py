"""Opens the storage of a registry: a folder, S3, the Hugging Face Hub, or what fsspec knows."""

import os
from pathlib import Path
from typing import Any

from facekit.errors import PackageMissing, UsageError
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.hub_place import hub_place
from facekit.presets.hub_store import HubStore
from facekit.presets.storage import Store
from facekit.show_file import RegistryAddress

__all__ = ["full_uri", "open_store"]


def open_store(name: str, address: RegistryAddress, base: Path) -> Store:
    """Open the storage of a registry; nothing is read yet.

    Args:
        name: What messages call it.
        address: As `facekit.toml` says it.
        base: Folder that a relative path begins at.

    Raises:
        UsageError: The URI is none that can be used.
        PackageMissing: The package for this storage is not installed.
    """
    from fsspec.core import url_to_fs

    uri = full_uri(address.uri, base)
    if "::" in uri:
        raise UsageError(f"{name}: {uri}: chained file systems may hide changes; name the last one")
    protocol = uri.partition("://")[0]
    if protocol == "hf":
        return HubStore(name, hub_place(name, uri, address.options))
    fresh: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    try:
        fs, root = url_to_fs(uri, **address.options, **fresh)
    except ImportError as error:
        package = "'facekit[s3]'" if protocol in ("s3", "s3a") else f"what it needs ({error})"
        raise PackageMissing(
            f"{name}: {uri}: the package that reads {protocol}:// is not installed;"
            f" pip install {package}"
        ) from error
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(
            f"{name}: {uri}: {error}, expected a folder, s3://, hf:// or another storage that"
            " fsspec knows; correct the URI or its options"
        ) from error
    return FsspecStore(fs, str(root), name, one_writer=address.writers == "one")


def full_uri(uri: str, base: Path) -> str:
    """A URI that means the same place from everywhere.

    Args:
        uri: As `facekit.toml` says it.
        base: Folder that a relative path begins at.
    """
    if "://" in uri:
        return uri.rstrip("/")
    return f"file://{os.path.normpath((base / Path(uri).expanduser()).absolute())}"

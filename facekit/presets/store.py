"""Opens the storage of a registry: a folder, S3, the Hugging Face Hub, or what fsspec knows."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facekit.errors import PackageMissing, UsageError
from facekit.presets.fsspec_store import FsspecStore
from facekit.presets.hub_place import hub_place
from facekit.presets.hub_store import HubStore
from facekit.presets.storage import Store
from facekit.show_file import RegistryAddress

__all__ = ["full_uri", "open_store", "place_of"]


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


def place_of(address: RegistryAddress, base: Path) -> str:
    """One text for the place of a registry: two places that hold different files never share it.

    Args:
        address: As `facekit.toml` says it.
        base: Folder that a relative path begins at.

    Raises:
        UsageError: A URI of the Hub that means no repository.
    """
    uri = full_uri(address.uri, base)
    protocol = uri.partition("://")[0].lower()
    if protocol == "hf":
        place = hub_place(uri, uri, {})
        return f"hf://{place.type}s/{place.repo}@{place.revision}/{place.folder}{_other_hub()}"
    if protocol in ("s3", "s3a"):
        variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        given = [address.options.get("endpoint_url"), *map(os.environ.get, variables)]
        return uri + _at(next((str(one) for one in given if one), ""))
    return uri


def _other_hub() -> str:
    from huggingface_hub.constants import ENDPOINT

    return "" if ENDPOINT == "https://huggingface.co" else _at(ENDPOINT)


def _at(endpoint: str) -> str:
    """Which server; nothing for the one that everybody means."""
    server = urlsplit(endpoint).netloc or endpoint
    return "" if not server or server.endswith(".amazonaws.com") else f" at {server}"


def full_uri(uri: str, base: Path) -> str:
    """A URI that means the same place from everywhere.

    Args:
        uri: As `facekit.toml` says it.
        base: Folder that a relative path begins at.
    """
    if "://" in uri:
        return uri.rstrip("/")
    return f"file://{os.path.normpath((base / Path(uri).expanduser()).absolute())}"

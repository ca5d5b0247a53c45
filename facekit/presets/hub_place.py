"""Where on the Hugging Face Hub a registry lies: ``hf://datasets/ORG/NAME@BRANCH/FOLDER``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from facekit.errors import UsageError

__all__ = ["HubPlace", "hub_place"]

_REFUSED: Final = {
    "bucket": "a bucket cannot create a file only if it is absent",
    "space": "a space is an app",
    "kernel": "a kernel is code",
}


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A folder of a repository."""

    type: str
    """`model` or `dataset`."""
    repo: str
    """`ORG/NAME`."""
    revision: str
    """A branch; a tag or a commit can only be read."""
    folder: str
    """Empty for the whole repository."""

    @property
    def create_command(self) -> str:
        """Makes the repository, seen by its owner alone."""
        return f"hf repos create {self.repo} --type {self.type} --private"

    def below(self, folder: str) -> "HubPlace":
        """A folder in this one."""
        return replace(self, folder=self.full(folder))

    def full(self, path: str) -> str:
        """A path as the repository names it."""
        return "/".join(part for part in (self.folder, path) if part)


def hub_place(name: str, uri: str, options: Mapping[str, object]) -> HubPlace:
    """Read a URI.

    Args:
        name: What messages call the registry.
        uri: `hf://[datasets/]ORG/NAME[@BRANCH][/FOLDER]`.
        options: Of `facekit.toml`; the Hub takes none. Above all no other address: whoever sends
            a `facekit.toml` would be sent the reader's token.

    Raises:
        UsageError: It is none, it means no repository, or there are options.
    """
    from huggingface_hub.errors import HfUriError
    from huggingface_hub.utils import parse_hf_uri  # type: ignore[attr-defined]

    if options:
        raise UsageError(
            f"{name}: options {', '.join(sorted(options))} for {uri}, expected none; choose another"
            " Hub by HF_ENDPOINT, and a token by facekit registry login"
        )
    try:
        parsed = parse_hf_uri(uri)
    except HfUriError as error:
        why = str(error).replace(";", ",")[:200]
        raise UsageError(
            f"{name}: {why}, expected a repository;"
            " write hf://datasets/ORG/NAME, with @BRANCH and /FOLDER where needed"
        ) from error
    if parsed.type in _REFUSED:
        raise UsageError(
            f"{name}: {uri}: {_REFUSED[parsed.type]}, expected a repository of data;"
            f" use hf://datasets/{parsed.id}"
        )
    folder = parsed.path_in_repo.strip("/")
    if any(part in (".", "..") for part in folder.split("/")):
        raise UsageError(f"{name}: {uri}: leads elsewhere, expected a plain folder; correct it")
    return HubPlace(parsed.type, parsed.id, parsed.revision or "main", folder)

"""One repository of the Hugging Face Hub: read, looked at, and committed to at its head alone.

A commit names the one that it was made for. If the branch has moved since, the Hub refuses it
(412); then what is there is looked at again. So nothing is created twice, and nothing in half.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facekit.errors import FacekitError, RegistryError
from facekit.presets.hub_place import HubPlace
from facekit.wording import in_words

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile, RepoFolder

__all__ = ["HubRepo"]

_BATCH: Final = 500
"""Paths that the Hub is asked for at once."""
_TRIES: Final = 10
_LONGEST_S: Final = 4.0
_SLOW_S: Final = 60.0
_MOVED: Final = (409, 412)
_IGNORE: Final = ".gitignore"


class HubRepo:
    """A folder of a repository; the token is the one that huggingface_hub finds.

    Args:
        name: What messages call the registry.
        place: The repository, its branch and the folder.
    """

    def __init__(self, name: str, place: HubPlace) -> None:
        from huggingface_hub import HfApi

        self._name, self._place = name, place
        self._api = HfApi(library_name="facekit")
        self._repo: dict[str, Any] = {"repo_id": place.repo, "repo_type": place.type}

    def is_public(self) -> bool:
        """Whether anybody may read the repository."""
        with self._told(""):
            return self._info("private").private is False

    def look(
        self, paths: Sequence[str], *, head: str | None = None, path: str = ""
    ) -> "dict[str, RepoFile]":
        """Which files lie at these paths.

        Args:
            paths: Where to look.
            head: A commit that something is about to be written for; that of the branch, which is
                only read, when None.
            path: What messages say.

        Raises:
            RegistryError: The Hub refuses, or may leave out what is written.
        """
        from huggingface_hub.hf_api import RepoFile

        full = {self._place.full(one): one for one in paths}
        asked = [*full, *([] if head is None else [_IGNORE])]
        there: dict[str, RepoFile] = {}
        with self._told(path):
            for start in range(0, len(asked), _BATCH):
                some = asked[start : start + _BATCH]
                revision = head or self._place.revision
                for one in self._api.get_paths_info(paths=some, revision=revision, **self._repo):
                    if one.path == _IGNORE and head is not None:
                        raise RegistryError(
                            f"{self._name}: {self._place.repo} has a {_IGNORE}, by which the Hub"
                            " may leave files out, expected none; remove it there"
                        )
                    if isinstance(one, RepoFile):
                        there[full[one.path]] = one
        return there

    def tree(self, folder: str, *, deep: bool) -> "list[RepoFile | RepoFolder]":
        """Everything in a folder; nothing where it is not there."""
        from huggingface_hub.errors import EntryNotFoundError

        with self._told(folder):
            try:
                return list(
                    self._api.list_repo_tree(
                        path_in_repo=self._place.full(folder) or None,
                        recursive=deep,
                        revision=self._place.revision,
                        **self._repo,
                    )
                )
            except EntryNotFoundError:
                return []

    def get(self, path: str, start: int, end: int) -> bytes | None:
        """Read a part of a file, less where it is shorter; None when it is not there."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.utils import (  # type: ignore[attr-defined]
            build_hf_headers,
            hf_raise_for_status,
            http_backoff,
        )

        full, place = self._place.full(path), self._place
        url = hf_hub_url(place.repo, full, repo_type=place.type, revision=place.revision)
        asked = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        with self._told(path):
            headers = {**build_hf_headers(library_name="facekit"), **asked}
            reply = http_backoff("GET", url, headers=headers, timeout=_SLOW_S)
            if reply.status_code == 416:  # nothing from there on
                return b""
            try:
                hf_raise_for_status(reply)
            except EntryNotFoundError:
                return None
            content = bytes(reply.content)
            return content if reply.status_code == 206 else content[start:end]

    def addition(self, path: str, content: bytes | Path) -> Any:
        """An operation that writes a file."""
        from huggingface_hub import CommitOperationAdd

        return CommitOperationAdd(self._place.full(path), content)

    def deletion(self, path: str) -> Any:
        """An operation that removes a file."""
        from huggingface_hub import CommitOperationDelete

        return CommitOperationDelete(self._place.full(path), is_folder=False)

    def send_ahead(self, path: str, content: Path) -> None:
        """Send a large file before the commit that it belongs to; whoever has one, sends it once.

        Raises:
            RegistryError: The Hub refuses.
        """
        with self._told(path, writing=True), _quiet():
            self._api.preupload_lfs_files(
                self._place.repo,
                [self.addition(path, content)],
                repo_type=self._place.type,
                revision=self._place.revision,
                free_memory=False,
            )

    def commit(self, path: str, title: str, plan: Callable[[str], list[Any]]) -> bool:
        """Commit what a plan says of the head of the branch; again where it moved meanwhile.

        Args:
            path: What messages say.
            title: Of the commit.
            plan: Is given the head, looks at it, and returns operations.

        Returns:
            False when the plan said that there is nothing to do.

        Raises:
            RegistryError: The Hub refuses, or the branch never stands still.
        """
        from huggingface_hub.errors import HfHubHTTPError

        place = self._place
        with self._told(path, writing=True), _quiet():
            for attempt in range(_TRIES):
                head = str(self._info("sha", revision=place.revision).sha)
                if head == place.revision:
                    raise RegistryError(
                        f"{self._name}: {head[:12]} is a commit, which is only read, expected a"
                        " branch; write @BRANCH in the URI"
                    )
                operations = plan(head)
                if not operations:
                    return False
                try:
                    self._api.create_commit(
                        **self._repo,
                        operations=operations,
                        commit_message=title,
                        revision=place.revision,
                        parent_commit=head,
                    )
                    return True
                except HfHubHTTPError as error:
                    if _status(error) not in _MOVED:
                        raise
                time.sleep(random.uniform(0, min(_LONGEST_S, 0.2 * 2**attempt)))
        raise RegistryError(
            f"{self._name}: {path}: the branch {place.revision} moved {_TRIES} times, expected a"
            " quiet moment; try again"
        )

    def _info(self, asked: str, **more: str) -> Any:
        """One thing about the repository: not asked for one, the Hub lists all its files."""
        given: dict[str, Any] = {**self._repo, **more, "expand": [asked]}
        return self._api.repo_info(**given)

    @contextmanager
    def _told(self, path: str, *, writing: bool = False) -> Iterator[None]:
        """Tell what the Hub refuses as a `RegistryError`."""
        try:
            yield
        except FacekitError:
            raise
        except Exception as error:  # of httpx, of huggingface_hub, of the system
            what, next_step = self._reason(error, writing=writing)
            where = f"{self._name}: {self._place.repo}{f': {path}' if path else ''}"
            raise RegistryError(f"{where}: {what}; {next_step}") from error

    def _reason(self, error: Exception, *, writing: bool) -> tuple[str, str]:
        """What is the matter, and what to do."""
        from huggingface_hub import errors

        place, status = self._place, _status(error)
        login = f"facekit registry login {self._name} --token-stdin"
        if isinstance(error, errors.RevisionNotFoundError):
            return f"no revision {place.revision}, expected a branch", "correct the URI"
        if isinstance(error, errors.RepositoryNotFoundError):
            what = f"no such {place.type}, or you may not see it, expected a repository"
            return what, f"{place.create_command}, or log in by hf auth login"
        if status == 401:
            return (
                "the token is not valid (401), expected one of yours",
                f"hf auth login or {login}",
            )
        if status == 403:
            may = "write" if writing else "read"
            what = f"the token may not {may} here (403), expected one that may"
            return what, f"make one with {may} access, then {login}, or ask who owns the repository"
        if status == 429:
            return "asked too often (429), expected less", "wait some minutes and try again"
        if isinstance(error, errors.OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set, expected a network", "unset it"
        why = in_words(error).replace(";", ",")[:300]
        return f"refused ({why})", "try again, and look at facekit registry check"


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep huggingface_hub from drawing progress of its own."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    drawn = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if drawn:
            enable_progress_bars()

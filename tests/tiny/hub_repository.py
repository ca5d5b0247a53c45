"""A repository of the Hugging Face Hub as the server on loopback has it: commits, and content."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from typing import Any

__all__ = ["LFS_FROM", "Hub", "Refused", "Tree"]

LFS_FROM = 500
Tree = dict[str, str]
"""Sha256 of what lies at each path."""


@dataclass
class Hub:
    """A repository and what was asked of it."""

    repo: str = "studio/presets"
    type: str = "dataset"
    private: bool = True
    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Tree] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fails_at: int = 0
    """Which request, of those from now on, is refused; none when 0."""
    refused: int = 0
    """Commits that were made for another head."""
    before_commit: Callable[[], None] = lambda: None
    """Is called when a commit has come, before it is compared with the head."""
    before_upload: Callable[[], None] = lambda: None
    lose_reply: bool = False
    """Of the next commit: it is obeyed, and whoever sent it is not told."""
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.add("main", {".gitattributes": b"*.bin filter=lfs\n"}, "initial commit")

    def add(self, branch: str, files: dict[str, bytes], title: str = "by hand") -> str:
        """Commit files, as somebody else may do."""
        tree = {**self.tree(branch), **{path: self.keep(data) for path, data in files.items()}}
        return self.move(branch, tree, title)

    def move(self, branch: str, tree: Tree, title: str) -> str:
        told = json.dumps([self.heads.get(branch), len(self.commits), sorted(tree.items())])
        head = sha1(told.encode()).hexdigest()
        self.commits[head], self.heads[branch] = tree, head
        self.titles.append(title)
        return head

    def keep(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        self.content[digest] = data
        return digest

    def tree(self, revision: str) -> Tree:
        return self.commits.get(self.heads.get(revision, revision), {})

    def info(self, path: str, digest: str) -> dict[str, Any]:
        data = self.content[digest]
        git = sha1(b"blob %d\0" % len(data) + data).hexdigest()
        told = {"type": "file", "path": path, "size": len(data), "oid": git}
        if len(data) >= LFS_FROM:
            told["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
        return told


class Refused(Exception):
    """What the Hub says no with."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message

"""What runs on a node of a cluster, and what that node must see just as who asks for a render.

Without torch, so that a node that cannot help says so at once.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import facekit
from facekit.errors import FacekitError, RenderError
from facekit.media.files import ensure_out_dir, full_path
from facekit.signing.home import KEYS_VARIABLE
from facekit.types import NoProgress
from facekit.weights import known_digest
from facekit.workflows.credentials import passed_on, prepare_credentials, signs_as
from facekit.workflows.render_jobs import MadeTake, TakeJob
from facekit.workflows.render_workers import Maker

if TYPE_CHECKING:
    from facekit.workflows.render import RenderPlan

__all__ = ["Ground", "Hand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every node must have just as the machine that asks has it."""

    folder: Path
    """The current directory; relative paths are read from there."""
    out_dir: Path
    files: Mapping[Path, str] = field(default_factory=dict)
    """Characters and photos -> sha256 (hex); empty for one that only must be there."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """By which files are signed there as they are here."""
    signs_as: str = ""
    """Who signs them."""
    version: str = facekit.__version__
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def of(cls, plan: "RenderPlan") -> "Ground":
        """What the makers of a board read."""
        people = [person for shot in plan.board.shots for person in shot.characters]
        photos = [path for paths in plan.judge.photos.values() for path in paths]
        prepare_credentials()  # or each node would make a key of its own
        return cls(
            variables=passed_on(),
            signs_as=signs_as(),
            folder=Path.cwd(),
            out_dir=full_path(plan.board.out_dir),
            files={**dict.fromkeys(photos, ""), **{one.file: one.digest for one in people}},
        )

    @property
    def probe(self) -> Path:
        """A file that is there while a render is at work."""
        return self.out_dir / f".render-probe-{self.token}"

    def check(self) -> None:
        """Prove that this node has all that; the current directory is the asker's afterwards.

        Raises:
            RenderError: It has not, or has something else there.
            OutputError: The folder cannot be written from here.
        """
        here = f"node {socket.gethostname()}"
        if facekit.__version__ != self.version:
            raise RenderError(
                f"{here}: facekit {facekit.__version__}, expected {self.version} as where the"
                " render was begun; install the same version on every node"
            )
        try:
            os.chdir(self.folder)
            told = self.probe.read_text(encoding="utf-8")
        except OSError as error:
            missing = error.filename or self.probe
            raise RenderError(
                f"{here}: {missing}: not visible there ({error.strerror}), expected the folder of"
                " the renders under the same path on every node; share it"
            ) from error
        if told != self.token:
            raise RenderError(f"{self.probe}: damaged, expected a token; render again")
        ensure_out_dir(self.out_dir)
        os.environ.update(self.variables)
        if self.variables and signs_as() != self.signs_as:
            raise RenderError(
                f"{here}: {self.variables[KEYS_VARIABLE]}: not the keys that sign files where the"
                " render was begun, expected the same; share that folder, name one that is shared"
                " with FACEKIT_KEYS, or render with --no-credentials"
            )
        for path, digest in self.files.items():
            if not path.is_file() or (digest and known_digest(path) != digest):
                what = "another file" if path.is_file() else "no such file"
                raise RenderError(
                    f"{here}: {path}: {what}, expected the one that the render was planned with;"
                    " share characters and photos under the same paths on every node"
                )


class Hand:
    """What an actor runs. Errors are answers, so that they arrive as they are.

    Args:
        ground: What the node must have.
        maker: Called with the first takes.
    """

    def __init__(self, ground: Ground, maker: Callable[[], Maker]) -> None:
        self._ground, self._maker = ground, maker
        self._made: Maker | None = None

    def begin(self) -> Exception | None:
        """Look at the node; nothing is loaded yet."""
        try:
            self._ground.check()
        except FacekitError as error:
            return error
        return None

    def make(self, jobs: Sequence[TakeJob]) -> list[MadeTake] | Exception:
        """Make takes."""
        try:
            self._made = self._made or self._maker()
            return self._made.make(jobs, NoProgress())
        except Exception as error:  # noqa: BLE001  # told to whoever renders, which raises it
            return error

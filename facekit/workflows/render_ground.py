"""What every node of a cluster must see just as the machine that asks for a render sees it."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import facekit
from facekit.errors import RenderError
from facekit.media.files import ensure_out_dir, full_path
from facekit.weights import known_digest
from facekit.workflows.render import RenderPlan

__all__ = ["Ground"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every node must have just as the machine that asks has it."""

    folder: Path
    """The current directory; relative paths are read from there."""
    out_dir: Path
    files: Mapping[Path, str] = field(default_factory=dict)
    """Characters and photos -> sha256 (hex); empty for one that only must be there."""
    version: str = facekit.__version__
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def of(cls, plan: RenderPlan) -> "Ground":
        """What the makers of a board read."""
        people = [person for shot in plan.board.shots for person in shot.characters]
        photos = [path for paths in plan.judge.photos.values() for path in paths]
        return cls(
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
        for path, digest in self.files.items():
            if not path.is_file() or (digest and known_digest(path) != digest):
                what = "another file" if path.is_file() else "no such file"
                raise RenderError(
                    f"{here}: {path}: {what}, expected the one that the render was planned with;"
                    " share characters and photos under the same paths on every node"
                )

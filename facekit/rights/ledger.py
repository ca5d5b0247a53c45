"""The ledger of use: JSON lines that are only added, each with the digest of the line before.

Beside the file lies its head (how many lines, digest of the last), so that lines missing at the
end are found too. Whoever may write both files can rewrite all of it; note the head elsewhere, for
instance in a mail to those who are paid by it, and `verify` proves that nothing before it changed.
"""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from facekit.errors import LedgerDamaged, OutputError
from facekit.media.files import ensure_out_dir, write_bytes, write_text
from facekit.media.locks import held

__all__ = ["FIRST", "SCHEMA", "Ledger", "LedgerHead", "LedgerLine"]

SCHEMA: Final = "facekit.ledger/1"
FIRST: Final = "0" * 64
"""What stands for the line before the first one."""

_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line."""

    number: int
    """From 1."""
    kind: str
    """`use`, `train`, `pack`, `grant`, `revoke`, `delete` or `mend`."""
    at: str
    prev: str
    """sha256 (hex) of the line before."""
    content: Mapping[str, Any]
    """What it tells."""
    sha256: str
    """Of this line, without its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """How far a ledger goes."""

    count: int = 0
    sha256: str = FIRST
    torn: bytes = field(default=b"", repr=False)
    """What a kill left behind the last whole line; the next line that is added mends it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger; the file may not exist yet."""

    path: Path

    def ready(self) -> None:
        """Prove that a line can be added, before work begins that will need one.

        Raises:
            LedgerDamaged: A line was changed, moved or removed.
            OutputError: It cannot be written.
        """
        ensure_out_dir(self.path.parent)
        if self.path.exists() and not os.access(self.path, os.W_OK):
            raise OutputError(
                f"{self.path}: not written, permission denied; ask whoever keeps the ledger"
            )
        self.verify()

    def append(self, kind: str, content: Mapping[str, Any], *, now: datetime | None = None) -> str:
        """Add a line; other processes wait meanwhile.

        Args:
            kind: As of `LedgerLine`.
            content: What it tells; plain data.
            now: When; the clock's when None.

        Returns:
            The sha256 of the line.

        Raises:
            LedgerDamaged: The end of the file is not what was written last.
            OutputError: It cannot be written.
        """
        added = self.append_unless(kind, content, lambda _: False, now=now)
        assert added is not None
        return added

    def append_unless(
        self,
        kind: str,
        content: Mapping[str, Any],
        is_there: Callable[[LedgerLine], bool],
        *,
        now: datetime | None = None,
    ) -> str | None:
        """Add a line unless one is there already; None then. Otherwise as `append`."""
        at = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._locked():
            lines, head = self._read()
            if any(is_there(line) for line in lines):
                return None
            if head.torn:
                head = self._mend(head, at)
            return self._add(head, kind, content, at).sha256

    def lines(self) -> tuple[LedgerLine, ...]:
        """All whole lines, after `verify`; raises as it does."""
        with self._steady():
            return self._read()[0]

    def verify(self, *, expected: str | None = None) -> LedgerHead:
        """Prove that no line was changed, moved or removed.

        Args:
            expected: The sha256 of some line as it was noted earlier; it must still be there.

        Returns:
            How far it goes, and what a kill left behind the last whole line.

        Raises:
            LedgerDamaged: The message names the first line that is not what was written.
        """
        with self._steady():
            lines, head = self._read()
        if expected is not None and expected not in (FIRST, *(line.sha256 for line in lines)):
            raise self._damaged(
                len(lines), f"no line has the sha256 {expected[:12]}", "the one that was noted"
            )
        return head

    def _read(self) -> tuple[tuple[LedgerLine, ...], LedgerHead]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise self._damaged(0, f"cannot be read ({error.strerror})", "a ledger") from error
        whole, end, torn = content.rpartition(b"\n")
        lines = []
        prev = FIRST
        for number, text in enumerate(whole.split(b"\n") if end else [], 1):
            line = self._line(text, number, prev)
            lines.append(line)
            prev = line.sha256
        self._compare(lines)
        return tuple(lines), LedgerHead(count=len(lines), sha256=prev, torn=torn)

    def _line(self, text: bytes, number: int, prev: str) -> LedgerLine:
        digest = hashlib.sha256(text).hexdigest()
        try:
            told = json.loads(text)
            line = LedgerLine(
                number=int(told["n"]),
                kind=str(told["kind"]),
                at=str(told["at"]),
                prev=str(told["prev"]),
                content=dict(told["told"]),
                sha256=digest,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(number, f"no line of a ledger ({error})", "JSON") from error
        if line.prev != prev:
            raise self._damaged(number, "it does not follow the line before", f"prev {prev[:12]}")
        if line.number != number:
            raise self._damaged(number, f"it is number {line.number}", f"number {number}")
        return line

    def _compare(self, lines: Sequence[LedgerLine]) -> None:
        """Find what is missing at the end by the head that was kept; it may be one line behind."""
        head = self._kept_head()
        if head is None:
            if lines:
                raise self._damaged(len(lines), f"{self._head_path} is gone", "it beside the file")
            return
        if head.count > len(lines):
            raise self._damaged(
                len(lines), f"{len(lines)} lines", f"{head.count}, for the last ones are gone"
            )
        there = lines[head.count - 1].sha256 if head.count else FIRST
        if there != head.sha256:
            raise self._damaged(head.count, "it was changed", f"the sha256 {head.sha256[:12]}")
        if len(lines) > head.count + 1:
            raise self._damaged(
                head.count + 2, "it was not added by facekit", f"{head.count} lines"
            )

    def _kept_head(self) -> LedgerHead | None:
        try:
            told = json.loads(self._head_path.read_text(encoding="utf-8"))
            return LedgerHead(count=int(told["count"]), sha256=str(told["sha256"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(0, f"{self._head_path}: {error}", "how far it goes") from error

    def _add(self, head: LedgerHead, kind: str, content: Mapping[str, Any], at: str) -> LedgerHead:
        told = {
            "schema": SCHEMA,
            "n": head.count + 1,
            "prev": head.sha256,
            "at": at,
            "kind": kind,
            "told": dict(content),
        }
        text = json.dumps(told, sort_keys=True, allow_nan=False).encode()
        kept = self._kept_head()
        if kept is None or kept.count < head.count:
            # What failed before must not fail twice: the head is never more than a line behind.
            self._write_head(head)
        try:
            with self.path.open("ab") as stream:
                stream.write(text + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path}: the line was not written ({error.strerror}), expected room for it;"
                " free some space, or mend the permissions"
            ) from error
        new = LedgerHead(count=head.count + 1, sha256=hashlib.sha256(text).hexdigest())
        try:
            self._write_head(new)
        except OutputError as error:
            reason = str(error).partition(";")[0]
            raise OutputError(
                f"{self.path}: line {new.count} was written, and its head was not ({reason}),"
                " expected both; make room, and the next line sets it right"
            ) from error
        return new

    def _mend(self, head: LedgerHead, at: str) -> LedgerHead:
        """Set aside what a kill left of a line, and say so in a line; nothing is lost."""
        aside = self.path.with_name(f"{self.path.name}.torn-{secrets.token_hex(4)}")
        write_bytes(aside, head.torn)
        try:
            size = self.path.stat().st_size - len(head.torn)
            with self.path.open("rb+") as stream:
                stream.truncate(size)
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path}: not mended after a kill ({error.strerror}); mend the permissions"
            ) from error
        told = {
            "torn": head.torn.decode("utf-8", "replace"),
            "sha256": hashlib.sha256(head.torn).hexdigest(),
            "kept": aside.name,
        }
        return self._add(head, "mend", told, at)

    def _write_head(self, head: LedgerHead) -> None:
        write_text(self._head_path, json.dumps({"count": head.count, "sha256": head.sha256}) + "\n")

    @property
    def _head_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.head")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        busy = OutputError(
            f"{self.path}: somebody has been writing for {_WAIT_S:g} s, expected a moment; try"
            " again"
        )
        with held(self.path.with_name(f".{self.path.name}.lock"), busy, wait_s=_WAIT_S):
            yield

    def _steady(self) -> contextlib.AbstractContextManager[None]:
        """Nobody writes meanwhile; where nothing can be written, nobody does."""
        may_lock = self.path.exists() and os.access(self.path.parent, os.W_OK)
        return self._locked() if may_lock else contextlib.nullcontext()

    def _damaged(self, number: int, got: str, expected: str) -> LedgerDamaged:
        return LedgerDamaged(
            f"{self.path} line {number}: {got}, expected {expected}; compare it with a copy, and"
            " take that back; nothing is added to a ledger that does not hold"
        )

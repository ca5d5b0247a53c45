"""The ledger of use: what stands in it, whether it holds, who was on screen for how long."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facekit.errors import UsageError
from facekit.media.files import ensure_new, write_text
from facekit.rights.ledger import Ledger, LedgerHead, LedgerLine
from facekit.workflows.rights_place import find_rights

__all__ = ["LedgerReport", "read_ledger"]

_COLUMNS = (
    "at", "render_id", "file", "slot", "replaced", "sha256", "job", "project", "use", "character",
    "character_sha256", "preset", "subject_ref", "consent", "right", "seconds", "seen_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """What a ledger says."""

    path: Path
    head: LedgerHead
    lines: Sequence[LedgerLine]
    rows: Sequence[Mapping[str, object]]
    """One for each character in each clip."""
    table: Path | None = None
    brief: bool = False
    """Whether to say only that it holds."""
    more: Sequence["LedgerReport"] = ()
    """Further ledgers, whose rows are among those of this one."""

    def describe(self) -> str:
        """How far it goes, and the seconds of everybody."""
        told = [line for one in (self, *self.more) for line in one.heading()]
        told += (
            []
            if self.brief
            else [
                f"{self._called(who)}: {seconds:.2f} s in {clips} clip{'s' * (clips != 1)}"
                for who, seconds, clips in self._sums()
            ]
        )
        return "\n".join([*told, *([str(self.table)] if self.table else [])])

    def heading(self) -> list[str]:
        """How far it goes."""
        kinds = [line.kind for line in self.lines]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        told = [
            f"{self.path}: {self.head.count} lines ({counts or 'nothing yet'}), all as they were"
            " written",
            f"head: {self.head.sha256}",
        ]
        if self.head.torn:
            told.append(
                f"a kill left {len(self.head.torn)} bytes of a line at the end; the next line that"
                " is added sets them aside and says so"
            )
        return told

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "count": self.head.count,
            "head": self.head.sha256,
            "torn_bytes": len(self.head.torn),
            "more": [
                {"path": str(one.path), "count": one.head.count, "head": one.head.sha256}
                for one in self.more
            ],
            "uses": [dict(row) for row in self.rows],
            "sums": [
                {
                    "who": who,
                    "characters": self._characters(who),
                    "seconds": round(seconds, 3),
                    "clips": clips,
                }
                for who, seconds, clips in self._sums()
            ],
            "table": None if self.table is None else str(self.table),
        }

    def _characters(self, who: str) -> list[str]:
        """What a person is called as a character, in order of the clips."""
        mine = (row for row in self.rows if who in (row["subject_ref"], row["character"]))
        return list(dict.fromkeys(str(row["character"]) for row in mine))

    def _called(self, who: str) -> str:
        names = self._characters(who)
        return who if names == [who] else f"{', '.join(names)} ({who})"

    def _sums(self) -> list[tuple[str, float, int]]:
        sums: dict[str, tuple[float, int]] = {}
        for row in self.rows:
            if row["replaced"]:
                continue
            who = str(row["subject_ref"] or row["character"])
            seconds, clips = sums.get(who, (0.0, 0))
            sums[who] = (seconds + float(str(row["seconds"])), clips + 1)
        return [(who, seconds, clips) for who, (seconds, clips) in sorted(sums.items())]


def read_ledger(
    files: Sequence[Path] = (),
    *,
    expected: str | None = None,
    table: Path | None = None,
    brief: bool = False,
    force: bool = False,
) -> LedgerReport:
    """Verify the ledger and say what is in it.

    Args:
        files: Ledgers, such as those of several machines, which are summed; that of the show, or
            the user's own, when empty.
        expected: The sha256 of a line as it was noted earlier; it must still be there.
        table: Receives a line for each character in each clip, as CSV.
        brief: Whether to say only that it holds.
        force: Whether the table may be replaced.

    Raises:
        LedgerDamaged: A line was changed, moved or removed.
        UsageError: There is no such file, or a line is to be in one of several.
        OutputExists: The table is there.
    """
    for path in files:
        if not path.is_file():
            raise UsageError(f"{path}: no such file, expected a ledger of use; check the path")
    if expected and len(files) > 1:
        raise UsageError(
            f"--head with {len(files)} ledgers, expected one, for a head is of one; name its file"
        )
    ledgers = [Ledger(path) for path in dict.fromkeys(files)] or [find_rights().ledger]
    first, *more = [_report(one, expected, brief) for one in ledgers]
    rows = [row for one in (first, *more) for row in one.rows]
    if table is not None:
        ensure_new(table, force, other="--csv")
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(table, text.getvalue())
    return replace(first, rows=rows, table=table, more=more)


def _report(ledger: Ledger, expected: str | None, brief: bool) -> LedgerReport:
    head, lines = ledger.verify(expected=expected), ledger.lines()
    uses = [line for line in lines if line.kind == "use"]
    latest = {str(line.content.get("slot", line.number)): line.number for line in uses}
    rows = [
        {
            **{key: line.content.get(key) for key in _COLUMNS},
            "at": line.at,
            "replaced": line.number not in latest.values(),
            **person,
        }
        for line in uses
        for person in line.content.get("people", ())
    ]
    return LedgerReport(path=ledger.path, head=head, lines=lines, rows=rows, brief=brief)

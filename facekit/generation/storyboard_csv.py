"""Shot lists: one row per shot, from a spreadsheet to a storyboard and back."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facekit.generation.storyboard import SCHEMA, Storyboard
from facekit.generation.storyboard_loading import LocatedBoard, understand
from facekit.generation.storyboard_mistakes import nearest
from facekit.generation.storyboard_prompt import names_in
from facekit.generation.storyboard_yaml import KeyPath, LocatedData, Mistake

__all__ = ["CSV_COLUMNS", "read_csv", "write_csv"]

CSV_COLUMNS: dict[str, tuple[str, ...]] = {
    "sequence": (),
    "title": (),
    "shot": ("id",),
    "seconds": ("seconds",),
    "frames": ("frames",),
    "size": ("size",),
    "action": ("action",),
    "characters": ("characters",),
    "place": ("place",),
    "light": ("light",),
    "style": ("style",),
    "negative": ("negative",),
    "prompt": ("prompt",),
    "move": ("camera", "move"),
    "lens": ("camera", "lens"),
    "angle": ("camera", "angle"),
    "props": ("continuity", "props"),
    "same_as": ("continuity", "same_as"),
    "extend_of": ("extend_of",),
    "first_frame": ("first_frame", "image"),
    "last_frame": ("last_frame", "image"),
    "dissolve": ("transition", "frames"),
    "handles": ("handles",),
    "aspects": ("aspects",),
    "seed": ("seed",),
    "takes": ("takes",),
    "note": ("note",),
}
"""Column to where its value goes in a shot. `sequence` and `title` belong to the sequence; cells of
several things part them with `;`, and `mira:left; tomas:right` gives each a region."""

_NUMBERS = frozenset({"seconds", "frames", "lens", "dissolve", "handles", "seed", "takes"})
_LISTS = frozenset({"characters", "props", "aspects"})
_WHOLE = re.compile(r"[-+]?\d+")


def read_csv(path: Path, text: str, project: str) -> LocatedBoard:
    """Make a storyboard of a list of shots; its lines are those of the list.

    Rows without a sequence belong to the one above, shots without an id are numbered in steps of
    ten. Everybody named becomes one of the cast, with a character of the same name.

    Args:
        path: What the messages call it.
        text: Parted by commas, semicolons or tabs, with names of columns in the first row.
        project: The id of the project.
    """
    header, *_ = text.splitlines() or [""]
    sign = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=sign, strict=True)
    mistakes: list[Mistake] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            rows.append((reader.line_num - sum(cell.count("\n") for cell in row), row))
    except csv.Error as error:
        mistakes.append(Mistake(path=(), text=f"not CSV ({error})", line=reader.line_num))
    columns = [cell.strip().lower().replace(" ", "_") for cell in (rows[0][1] if rows else [])]
    for column in columns:
        if column not in CSV_COLUMNS:
            near = nearest(column, list(CSV_COLUMNS)) if column else ""
            text_ = f"column {column or 'without a name'}: unknown{near}, expected some of"
            known = ", ".join(CSV_COLUMNS)
            mistakes.append(Mistake(path=(), text=f"{text_} {known}", line=1))
    made = _Made(project)
    for line, row in rows[1:]:
        if any(cell.strip() for cell in row):
            if len(row) > len(columns):
                said = f"{len(row)} cells, expected {len(columns)}, as many as there are columns"
                mistakes.append(Mistake(path=(), text=said, line=line))
            cells = {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
            made.add(line, {name: cell for name, cell in cells.items() if cell})
    if not made.sequences and not mistakes:
        mistakes.append(Mistake(path=(), text="no shots, expected one in each row", line=1))
    where = LocatedData(data=made.data(), lines=made.lines, mistakes=tuple(mistakes))
    return understand(path, where)


def write_csv(board: Storyboard) -> str:
    """Write the shots of a board as a list; what has no column is left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for _, place, sequence, shot in board.entries():
        content = shot.model_dump(mode="json", exclude_defaults=True)
        cells = {"sequence": sequence.id, "title": "" if place else sequence.title}
        for column, keys in CSV_COLUMNS.items():
            value: Any = content
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if keys:
                cells[column] = _cell(column, value)
        writer.writerow([cells[column] for column in CSV_COLUMNS])
    return stream.getvalue()


class _Made:
    """Rows so far, as the data of a storyboard."""

    def __init__(self, project: str) -> None:
        self._project = project
        self.sequences: list[dict[str, Any]] = []
        self.lines: dict[KeyPath, int] = {}
        self._people: dict[str, int] = {}

    def add(self, line: int, cells: Mapping[str, str]) -> None:
        named = cells.get("sequence") or (self.sequences[-1]["id"] if self.sequences else "SEQ010")
        if not self.sequences or self.sequences[-1]["id"] != named:
            self.sequences.append({"id": named, "shots": []})
            self.lines["sequences", len(self.sequences) - 1] = line
        sequence = self.sequences[-1]
        if "title" in cells:
            sequence["title"] = cells["title"]
        shots = sequence["shots"]
        shot: dict[str, Any] = {"id": f"SH{10 * (len(shots) + 1):04d}"}
        for column, keys in CSV_COLUMNS.items():
            if keys and column in cells:
                inside = shot
                for key in keys[:-1]:
                    inside = inside.setdefault(key, {})
                inside[keys[-1]] = _value(column, cells[column])
        if "transition" in shot:
            shot["transition"]["type"] = "dissolve"
        place = ("sequences", len(self.sequences) - 1, "shots", len(shots))
        self.lines[place] = line
        shots.append(shot)
        people = [person["id"] for person in shot.get("characters", [])]
        texts = " ".join(cells.get(key, "") for key in ("action", "prompt"))
        for name in [*people, *names_in(texts)]:
            self._people.setdefault(name, line)

    def data(self) -> dict[str, Any]:
        for name, line in self._people.items():
            self.lines["cast", name] = line
        return {
            "schema": SCHEMA,
            "project": {"id": self._project},
            "cast": {name: {"preset": name} for name in self._people},
            "sequences": self.sequences,
        }


def _value(column: str, cell: str) -> Any:
    if column in _NUMBERS:
        try:
            return int(cell) if _WHOLE.fullmatch(cell) else float(cell.replace(",", "."))
        except ValueError:
            return cell  # told by the model, with its line
    if column not in _LISTS:
        return cell
    items = [item.strip() for item in cell.split(";") if item.strip()]
    return [_person(item) for item in items] if column == "characters" else items


def _person(item: str) -> dict[str, Any]:
    name, separator, region = item.lstrip("@").partition(":")
    person: dict[str, Any] = {"id": name.strip()}
    if separator:
        numbers = region.split()
        is_box = len(numbers) > 1
        person["region"] = [_value("seconds", x) for x in numbers] if is_box else region.strip()
    return person


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "characters":
        return "; ".join(map(_person_cell, value))
    return (
        "; ".join(map(str, value))
        if isinstance(value, Sequence) and column in _LISTS
        else str(value)
    )


def _person_cell(person: Mapping[str, Any]) -> str:
    region = person.get("region")
    if region is None:
        return str(person["id"])
    told = region if isinstance(region, str) else " ".join(f"{x:g}" for x in region)
    return f"{person['id']}:{told}"

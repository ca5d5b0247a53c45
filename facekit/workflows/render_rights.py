"""By what right a board is rendered, and the line in the ledger of every delivered shot."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facekit.adapters.character_header import CharacterHeader
from facekit.errors import UsageError
from facekit.generation.storyboard_shot import ShotPlan
from facekit.rights.policy import Use
from facekit.show_file import Provenance, find_show, read_show
from facekit.workflows.board_export import SHOT_RECORD
from facekit.workflows.board_plan import BoardPlan
from facekit.workflows.preset_files import load_any
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, versions
from facekit.workflows.render_jobs import TAKES_DIR
from facekit.workflows.render_state import ShotState
from facekit.workflows.render_takes import pinned_picture
from facekit.workflows.rights import Permit, permit_all
from facekit.workflows.rights_place import RightsPlace, find_rights
from facekit.workflows.start_rights import check_again, describe_permits, permit_start
from facekit.workflows.use_ledger import Appearance, UseLedger, open_ledger

__all__ = ["BoardRights", "board_rights", "note_shot", "open_board_ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRights:
    """What holds for a board."""

    place: RightsPlace
    use: Use
    permits: Mapping[Path, Permit] = field(default_factory=dict)
    """By the file of the character."""
    starts: Mapping[str, tuple[Permit, ...]] = field(default_factory=dict)
    """Of further people in the picture that a shot begins with, by its name."""

    @property
    def all_permits(self) -> tuple[Permit, ...]:
        """Of everybody, each once."""
        starts = (one for some in self.starts.values() for one in some)
        return tuple(dict.fromkeys((*self.permits.values(), *starts)))

    def describe(self) -> list[str]:
        """A line for each character that depicts somebody."""
        return [f"right: {right}" for right in describe_permits(self.all_permits)]

    @property
    def consents(self) -> dict[str, str]:
        """The consent that each character is used under, by its file."""
        return {one.source: one.consent for one in self.permits.values() if one.consent}

    def check_again(self) -> None:
        """Refuse what was taken back since the render began; raises as `check_again`."""
        check_again(self.all_permits, self.place)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known before the work."""
        return tuple(one.warning for one in self.all_permits if one.warning)


def board_rights(
    board: BoardPlan,
    names: Collection[str] = (),
    *,
    check: bool = True,
    use: str = "",
    territory: tuple[str, ...] = (),
) -> BoardRights:
    """Look up by what right the characters of a board are used.

    Args:
        board: Its `rights` say for what and where; what it does not say, the show around it says.
        names: Shots that are worked on; all when empty.
        check: False for looking at a board alone, which needs no right.
        use: What for, where the board does not say it; a board that says another is not overruled.
        territory: Where it is shown, likewise.

    Raises:
        ConsentRefused: A person has not agreed to this, or no longer.
        UsageError: The board says another use or territory.
    """
    place = find_rights(board.path.absolute().parent)
    if check:
        _refuse_other_show(board, place)
    told = board.board.rights
    where = (told.territory,) if told.territory else ()
    _agree("use", told.use, use, board.path)
    _agree("territory", ", ".join(where), ", ".join(territory), board.path)
    asked_use = place.use(
        "render",
        use=told.use or use,
        territory=where or territory,
        territory_exclude=told.territory_exclude,
    )
    files = {
        person.file: person.id
        for shot in board.shots
        for person in shot.characters
        if not names or shot.name in names
    }
    asked = [
        (name, str(file), load_any(file).file.header)
        for file, name in (files.items() if check else ())
    ]
    permits = dict(zip(files, permit_all(asked, asked_use, place), strict=False))
    chosen = next((one.use for one in permits.values() if one.use is not None), asked_use)
    starts = {
        shot.name: _permit_picture(shot, asked, chosen, place)
        for shot in (board.shots if check else ())
        if not names or shot.name in names
    }
    return BoardRights(place=place, use=asked_use, permits=permits, starts=starts)


def _permit_picture(
    shot: ShotPlan, asked: Sequence[tuple[str, str, CharacterHeader]], use: Use, place: RightsPlace
) -> tuple[Permit, ...]:
    """Check further people in the picture that a board begins a shot with."""
    picture = pinned_picture(shot)
    if picture is None:
        return ()
    files = {str(person.file) for person in shot.characters}
    cast = [one for one in asked if one[1] in files]
    return permit_start(Path(picture), cast, use, place)[1]


def _agree(key: str, told: str, said: str, path: Path) -> None:
    """Refuse what contradicts a board, which all who render it share."""
    if told and said and told != said:
        raise UsageError(
            f"--{key} {said}: {path} has rights.{key}: {told}, expected the same; leave it away, or"
            " change the board"
        )


def _refuse_other_show(board: BoardPlan, place: RightsPlace) -> None:
    """Files are signed as the show around the working folder says; let that be the board's own."""
    here = find_show()
    if _signing(here) != _signing(place.show_file):
        raise UsageError(
            f"{board.path}: of the show of {place.show_file or 'nobody'}, and the working folder is"
            f" in that of {here or 'nobody'}, which say otherwise how files are signed, expected"
            " one show; change to a folder of the board's"
        )


def _signing(show: Path | None) -> tuple[Provenance, Path | None]:
    """How a show has files signed; the paths in it are relative to its folder."""
    told = read_show(show).provenance
    return told, None if told == Provenance() else show


def open_board_ledger(rights: BoardRights) -> UseLedger:
    """Make sure that shots can be noted before any is made; raises as `open_ledger`."""
    return open_ledger(rights.place, rights.all_permits, rights.use.use)


def note_shot(state: ShotState, board: BoardPlan, rights: BoardRights, ledger: UseLedger) -> None:
    """Write a delivered shot into the ledger, unless it is there; raises as `delivered`.

    The seconds are those of the cut; handles are not shown.
    """
    there = versions(board.out_dir, state.shot)
    record = (read_json(there[-1] / SHOT_RECORD) or {}) if there else {}
    if "media" not in record:
        return
    version, chosen = there[-1], str(record["take"])
    seconds = state.shot.frames.cut / float(state.shot.frames.rate)
    people = [
        Appearance(
            permit=rights.permits[person.file],
            seconds=seconds,
            seen_seconds=_seen(version, chosen, person.id, seconds),
        )
        for person in state.shot.characters
        if person.file in rights.permits
    ]
    people += [
        Appearance(permit=one, seconds=seconds) for one in rights.starts.get(state.shot.name, ())
    ]
    rendered = record.get("render_id")
    ledger.delivered(
        version / str(record["media"]),
        people,
        job=str(record["fingerprint"]),
        render_id=None if rendered is None else str(rendered),
        slot=version.parent,
    )


def _seen(version: Path, take: str, person: str, seconds: float) -> float | None:
    """Seconds in which a face was measured, by the part of the take's frames; None unmeasured."""
    measured = read_json(version / TAKES_DIR / f"{take}{IDENTITY_SUFFIX}") or {}
    figures = measured.get("figures")
    people = figures.get("characters") if isinstance(figures, Mapping) else None
    mine = people.get(person) if isinstance(people, Mapping) else None
    return seconds * float(mine["coverage"]) if isinstance(mine, Mapping) else None

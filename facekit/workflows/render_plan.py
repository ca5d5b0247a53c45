"""What will be rendered of a board, and how far it is; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from facekit.errors import UsageError
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.board_cost import BoardCost, cost_of
from facekit.workflows.board_plan import BoardPlan, plan_board, undrawn
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.render_calibration import calibrated, read_calibration
from facekit.workflows.render_files import Wishes, read_wishes
from facekit.workflows.render_judge import JudgePlan, parse_photos, plan_judge
from facekit.workflows.render_media import media_warnings
from facekit.workflows.render_rights import BoardRights, board_rights
from facekit.workflows.render_state import BoardState

__all__ = ["RenderPlan", "find_shots", "plan_render"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderPlan:
    """What will be rendered, and how far it is."""

    board: BoardPlan
    judge: JudgePlan
    device: torch.device
    only: frozenset[str]
    """Names of the shots that are worked on; all when empty."""
    wishes: Wishes
    """What people asked for so far, and now."""
    retake: Mapping[str, int]
    """What is asked for now: shot -> takes in all. Kept with the wishes when the work begins."""
    photos: Mapping[str, str]
    """Where photos are, as said now: member -> folder. Kept likewise."""
    state: BoardState
    cost_left: BoardCost
    """Of the shots that are still to do, those of `only` alone where it says some."""
    rights: BoardRights
    """By what right its characters are used."""
    warnings: tuple[str, ...]
    cast: Mapping[str, Path]
    """Who is in the shots -> character file."""

    def describe(self) -> str:
        """The board, how far it is and what it still costs."""
        board = self.board
        words = [state.word for state in self.state.shots.values()]
        lines = [
            f"board: {board.path} ({board.board.project.id})",
            f"backbone: {board.recipe.base.name}, {board.recipe.base.source or 'its own weights'}",
            f"device: {board.device}",
            f"judged by: {self.judge.encoder or 'nobody'}"
            + f", likeness {self.judge.calibrated or 'by its own threshold: not calibrated'}",
            f"out: {board.out_dir}",
            f"shots: {len(words)}, {_told(words)}",
            self.cost_left.describe() if self.cost_left.shots else "cost: nothing is left to draw",
            *self.rights.describe(),
        ]
        if self.only:
            lines.append(f"only: {', '.join(sorted(self.only))}")
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The plan of the board, and what of it is done."""
        return {
            **self.board.to_json(),
            "cost_left": self.cost_left.to_json(),
            "judge": self.judge.to_json(),
            "only": sorted(self.only),
            "state": {name: state.word for name, state in self.state.shots.items()},
            "permits": [told.removeprefix("right: ") for told in self.rights.describe()],
            "warnings": list(self.warnings),
        }


def plan_render(
    path: Path,
    *,
    out: Path | None = None,
    device: str = AUTO,
    only: Sequence[str] = (),
    retake: Mapping[str, int] | None = None,
    photos: Sequence[str] = (),
    needs_right: bool = True,
    use: str = "",
    territory: Sequence[str] = (),
) -> RenderPlan:
    """Look at a board and at what is rendered of it; nothing is written.

    Args:
        path: The storyboard.
        out: Folder of the renders; `renders/<project>` when None.
        device: Where it is drawn, as for `choose_device`.
        only: Shots to work on, by their names or ids, and those that they go on from; all when
            empty.
        retake: Shot -> further takes that are made in any case.
        photos: Each `NAME=FOLDER`: where the photos of one of the cast are now, as what was said of
            others earlier.
        use: What for, as for `board_rights`, like the next.
        territory: Where it is shown.
        needs_right: False where the board is looked at and nothing is made of it.

    Raises:
        StoryboardError: Mistakes of the board.
        UsageError: No such shot or device; the encoder that trained would judge; no photos where
            they are said to be; or a board that this version cannot draw.
        RenderError: The records of the folder are damaged.
        ConsentRefused: A person has not agreed to this, or no longer.
    """
    board = plan_board(path, device=device, out=out, looking=not needs_right)
    _check_drawable(board)
    cast = {person.id: person.file for shot in board.shots for person in shot.characters}
    moved = parse_photos(photos, list(cast))
    wishes = read_wishes(board.out_dir).with_photos(moved)
    judge = plan_judge(cast, photos=wishes.photos, must_find=moved, revoked=not needs_right)
    judge = calibrated(judge, read_calibration(board.out_dir), cast)
    state = BoardState(board, judge, wishes)
    asked: dict[str, int] = {}
    for said, count in (retake or {}).items():
        for name in find_shots(board, [said]):
            there = max((take.number for take in state.shots[name].takes), default=0)
            asked[name] = max(there, len(state.shots[name].shot.seeds)) + count
    if asked:
        wishes = wishes.with_takes(asked)
        state = BoardState(board, judge, wishes)
    named = find_shots(board, only)
    by_name = {shot.name: shot for shot in board.shots}
    wanted, todo = set(named), list(named)
    while todo:
        before = [name for name in by_name[todo.pop()].depends_on if name not in wanted]
        wanted.update(before)
        todo += before
    rights = board_rights(board, wanted, check=needs_right, use=use, territory=tuple(territory))
    left = [
        shot
        for name, shot in by_name.items()
        if state.shots[name].word in ("to do", "waiting") and (not wanted or name in wanted)
    ]
    return RenderPlan(
        board=board,
        cost_left=cost_of(left, board.rates, board.device),
        judge=judge,
        device=choose_device(device),
        only=frozenset(wanted),
        wishes=wishes,
        retake=asked,
        photos=moved,
        state=state,
        rights=rights,
        warnings=(*board.warnings, *judge.warnings, *rights.warnings, *media_warnings(board)),
        cast=cast,
    )


def find_shots(board: BoardPlan, said: Sequence[str]) -> tuple[str, ...]:
    """Find shots by name, by id (in every aspect), or by sequence and id.

    Raises:
        UsageError: There is no such shot.
    """
    found: dict[str, None] = {}
    for text in said:
        own = [
            shot.name
            for shot in board.shots
            if text in (shot.name, shot.shot, f"{shot.sequence}/{shot.shot}", shot.sequence)
        ]
        if not own:
            known = ", ".join(shot.name for shot in board.shots[:8])
            more = ", ..." if len(board.shots) > 8 else ""
            raise UsageError(
                f"{text}: no such shot on {board.path}, expected one of {known}{more}; correct it"
            )
        found.update(dict.fromkeys(own))
    return tuple(found)


def _check_drawable(board: BoardPlan) -> None:
    for why, step in undrawn(board.shots, backbone_spec(board.recipe)):
        raise UsageError(f"{board.path}: {why}; {step}")


def _told(words: Sequence[str]) -> str:
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return ", ".join(f"{count} {word}" for word, count in counts.items())

"""Everything about a board before any work: checked, planned, counted; no GPU, no weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.backbones.spec import BackboneSpec
from facekit.generation.storyboard import Storyboard
from facekit.generation.storyboard_checks import check_board
from facekit.generation.storyboard_feasible import check_feasible
from facekit.generation.storyboard_loading import LocatedBoard, parse_storyboard, refuse
from facekit.generation.storyboard_plan import BoardFacts, in_making_order, plan_shots
from facekit.generation.storyboard_shot import ShotPlan
from facekit.recipe import Recipe
from facekit.workflows.board_cost import BoardCost, cost_of, counted, shot_seconds, time_words
from facekit.workflows.board_facts import FoundFacts, find_facts, refuse_presets
from facekit.workflows.board_measure import measure_rates
from facekit.workflows.board_rates import Rate, load_rates
from facekit.workflows.board_warnings import board_warnings, prompt_warnings
from facekit.workflows.device import AUTO, choose_device, device_text

__all__ = [
    "RENDERS_DIR",
    "BoardPlan",
    "CheckedBoard",
    "check_file",
    "plan_board",
    "review_file",
    "undrawn",
]

RENDERS_DIR = Path("renders")
"""Folder of renders, one folder per project, in the current directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBoard:
    """A board without mistakes."""

    path: Path
    board: Storyboard
    warnings: tuple[str, ...]

    def describe(self) -> str:
        """The file, what it holds, and what is better known."""
        shots = sum(len(sequence.shots) for sequence in self.board.sequences)
        lines = [
            f"{self.path}: fine, {counted(len(self.board.sequences), 'sequence')},"
            f" {counted(shots, 'shot')}, {counted(len(self.board.cast), 'character')}",
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "path": str(self.path),
            "sequences": len(self.board.sequences),
            "shots": sum(len(sequence.shots) for sequence in self.board.sequences),
            "cast": list(self.board.cast),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoardPlan:
    """What a renderer needs: every shot with everything decided."""

    path: Path
    board: Storyboard
    recipe: Recipe
    shots: tuple[ShotPlan, ...]
    """In order of the cut."""
    fingerprints: Mapping[str, tuple[str, ...]]
    """Of every take, by the shot's name; where a shot goes on from another, from its first take."""
    device: str
    """In words."""
    rates: tuple[Rate, ...]
    cost: BoardCost
    out_dir: Path
    warnings: tuple[str, ...]
    looked_at: tuple[str, ...] = ()
    """Why presets may be looked at alone and not be used, where it was asked only to look."""

    @property
    def making_order(self) -> tuple[ShotPlan, ...]:
        """Every shot after those that it goes on from."""
        return in_making_order(self.shots)

    def describe(self) -> str:
        """A line per shot, then order, cost and warnings."""
        lines = [
            f"board: {self.path} ({self.board.project.id})",
            f"backbone: {self.recipe.base.name}, {self.recipe.base.source or 'its own weights'}",
            f"device: {self.device}",
            f"out: {self.out_dir}",
            f"shots: {len(self.shots)}",
            *(f"  {self._line(shot)}" for shot in self.shots),
        ]
        order = [shot.name for shot in self.making_order]
        if order != [shot.name for shot in self.shots]:
            lines.append(f"order of making: {', '.join(order)}")
        lines.append(self.cost.describe())
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _line(self, shot: ShotPlan) -> str:
        frames = shot.frames
        text = f"{shot.name}: {shot.prompt} ({shot.width}x{shot.height}; asked {frames.asked},"
        text += f" delivered {frames.cut} frames at {float(frames.rate):g} fps"
        if frames.head or frames.tail:
            text += f" with handles of {frames.head} and {frames.tail}"
        text += f", drawn {' + '.join(map(str, frames.chunks))}"
        spare = frames.trimmed + frames.skipped
        text += f", {spare} cut away" if spare else ""
        text += f"; takes {len(shot.seeds)} from seed {shot.seeds[0]}"
        if shot.depends_on:
            text += f"; after {', '.join(shot.depends_on)}"
        seconds, _ = shot_seconds(shot, self.rates, self.device)
        if seconds is not None:
            text += f"; {time_words(seconds * len(shot.seeds))}"
        return f"{text}; {self.fingerprints[shot.name][0][:12]})"

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "path": str(self.path),
            "project": self.board.project.model_dump(mode="json"),
            "deliver": self.board.deliver.model_dump(mode="json"),
            "rights": self.board.rights.model_dump(mode="json"),
            "labels": self.board.labels.model_dump(mode="json"),
            "budget": self.board.gates.budget.model_dump(mode="json"),
            "backbone": self.recipe.base.name,
            "source": self.recipe.base.source,
            "device": self.device,
            "out": str(self.out_dir),
            "shots": [
                {
                    **shot.to_json(),
                    "fingerprints": list(self.fingerprints[shot.name]),
                    "seconds": shot_seconds(shot, self.rates, self.device)[0],
                }
                for shot in self.shots
            ],
            "making_order": [shot.name for shot in self.making_order],
            "cost": self.cost.to_json(),
            "warnings": list(self.warnings),
        }


def check_file(path: Path) -> CheckedBoard:
    """Prove that a board and all that it names will do.

    Raises:
        StoryboardError: Every mistake in one message, each with its line.
    """
    located, found = review_file(path)
    assert located.board is not None
    return CheckedBoard(
        path=path, board=located.board, warnings=tuple(board_warnings(located.board, found))
    )


def review_file(path: Path, *, looking: bool = False) -> tuple[LocatedBoard, FoundFacts]:
    """Read a board and look at all that it names.

    Args:
        path: A storyboard.
        looking: As for `find_facts`.

    Raises:
        StoryboardError: Every mistake in one message, each with its line.
        PresetRevoked: Nothing is wrong but presets, of which one was withdrawn.
        RightsRefused: Likewise, and one may not be kept any longer.
    """
    located = parse_storyboard(path)
    found = find_facts(located, looking=looking)
    mistakes = [*located.mistakes, *check_board(located), *found.mistakes]
    if found.backbone is not None:
        mistakes += check_feasible(located, found.backbone, found.cast)
    refuse_presets(located, mistakes, found.refused)
    refuse(located, mistakes)
    return located, found


def plan_board(
    path: Path,
    *,
    device: str = AUTO,
    measure: bool = False,
    out: Path | None = None,
    looking: bool = False,
) -> BoardPlan:
    """Decide everything about every shot; nothing is loaded unless it is to be measured.

    Args:
        path: A storyboard.
        device: Where it will be drawn, as for `choose_device`.
        measure: Draw two steps of every size first, to know how long it takes.
        out: Folder of the renders; `renders/<project>` when None.
        looking: As for `find_facts`.

    Raises:
        StoryboardError: Every mistake in one message, each with its line.
        PresetRevoked: As for `review_file`, like the next.
        RightsRefused: Likewise.
        UsageError: No such device.
        WeightsError: The backbone is to be measured and is not there.
    """
    located, found = review_file(path, looking=looking)
    board, recipe = located.board, found.recipe
    assert board is not None
    assert recipe is not None
    assert found.backbone is not None
    assert found.spec is not None
    facts = BoardFacts(backbone=found.backbone, cast=found.cast, pictures=found.pictures)
    shots = plan_shots(located, facts)
    where = choose_device(device)
    named = device_text(where)
    if measure:
        measure_rates(shots, recipe, where)
    rates = load_rates()
    first: dict[str, str] = {}
    fingerprints: dict[str, tuple[str, ...]] = {}
    for shot in in_making_order(shots):
        fingerprints[shot.name] = tuple(shot.fingerprint(seed, first) for seed in shot.seeds)
        first[shot.name] = fingerprints[shot.name][0]
    return BoardPlan(
        path=path,
        board=board,
        recipe=recipe,
        shots=shots,
        fingerprints=fingerprints,
        device=named,
        rates=rates,
        cost=cost_of(shots, rates, named),
        out_dir=out or RENDERS_DIR / board.project.id,
        warnings=(
            *board_warnings(board, found),
            *prompt_warnings(shots, found),
            *(
                f"facekit render refuses it: {why}; {step}"
                for why, step in undrawn(shots, found.spec)
            ),
        ),
        looked_at=tuple(found.warnings),
    )


def undrawn(shots: Sequence[ShotPlan], spec: BackboneSpec) -> Iterator[tuple[str, str]]:
    """Tell what of a plan this version cannot draw, and what to do about it.

    Args:
        shots: Planned.
        spec: Their backbone.
    """
    if spec.family.needs_picture:
        yield (
            f"{spec.name} begins every clip with a picture, expected a backbone that draws from"
            " text",
            "choose another engine.base",
        )
    for shot in shots:
        if shot.last_frame is not None:
            yield (
                f"{shot.name}: last_frame is pinned, and {spec.name} ends with no given picture",
                "leave it away",
            )

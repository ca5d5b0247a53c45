"""How far a board is: of every shot its takes, their verdicts, and what is to be done next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.digests import json_digest
from facekit.evaluation.take_figures import TakeFigures
from facekit.evaluation.take_gates import judge_take
from facekit.generation.storyboard_shot import ShotPlan
from facekit.generation.units import Decision, TakeRecord, decide, take_name, take_seed
from facekit.workflows.board_export import SHOT_RECORD
from facekit.workflows.board_plan import BoardPlan
from facekit.workflows.label import delivery_label
from facekit.workflows.render_files import (
    IDENTITY_SUFFIX,
    Wishes,
    read_json,
    take_prints,
    versions,
    working_version,
)
from facekit.workflows.render_jobs import TAKES_DIR, TakeJob
from facekit.workflows.render_judge import JudgePlan, limits_of
from facekit.workflows.render_takes import is_there

__all__ = ["BoardState", "ShotState", "delivery_digest", "drawn_seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotState:
    """One shot."""

    shot: ShotPlan
    version: Path
    """Where its takes are."""
    takes: tuple[TakeRecord, ...]
    """Those that are made and measured."""
    decision: Decision
    waits_for: tuple[str, ...] = ()
    """Shots that must be decided first."""
    is_delivered: bool = False
    """Whether the files of the chosen take are there."""

    @property
    def word(self) -> str:
        """`waiting`, `to do`, `drawn`, `pass`, `review`, `fail`."""
        if self.waits_for:
            return "waiting"
        if self.decision.make:
            return "to do"
        if self.decision.chosen is None:
            return "fail"
        return self.decision.chosen.verdict if self.is_delivered else "drawn"


class BoardState:
    """All shots of a board as the disk has them.

    Args:
        plan: The board.
        judge: By what takes are judged.
        wishes: What people asked for.
    """

    def __init__(
        self,
        plan: BoardPlan,
        judge: JudgePlan,
        wishes: Wishes,
    ) -> None:
        self.plan, self.judge, self.wishes = plan, judge, wishes
        self._digest = judge.digest
        self.shots: dict[str, ShotState] = {}
        self.refresh(may_retake=True)
        limit = plan.board.gates.budget.minutes
        if limit is not None and drawn_seconds(list(self.shots.values())) >= limit * 60:
            self.refresh(may_retake=False)  # spent by an earlier run

    def refresh(self, *, may_retake: bool, only: frozenset[str] | None = None) -> None:
        """Look at the disk again, of all shots or of some and of those that follow them."""
        for shot in self.plan.making_order:
            stale = only is None or shot.name in only
            if stale or any(name in only for name in shot.depends_on if only):
                self.shots[shot.name] = self._state(shot, may_retake)
                only = None if only is None else only | {shot.name}

    def job(self, state: ShotState, number: int) -> TakeJob:
        """What a worker needs to make a take."""
        return TakeJob(
            shot=state.shot,
            number=number,
            fingerprint=self._print(state.shot, number),
            version=state.version,
            before=self.clip_before(state.shot),
            anchor=self.clip_of_root(state.shot),
        )

    def clip_before(self, shot: ShotPlan) -> Path | None:
        """The clip that a shot goes on from or begins with a frame of."""
        pin = shot.extends or shot.first_frame
        if pin is None or pin.shot is None:
            return None
        return self.chosen_clip(pin.shot)

    def clip_of_root(self, shot: ShotPlan) -> Path | None:
        """The clip of the first shot of a row of shots that each go on from the one before."""
        if shot.extends is None:
            return None
        while shot.extends is not None and shot.extends.shot is not None:
            shot = self.shots[shot.extends.shot].shot
        return self.chosen_clip(shot.name)

    def chosen_clip(self, name: str) -> Path | None:
        """The clip of the take that was chosen of a shot."""
        state = self.shots[name]
        if state.decision.chosen is None:
            return None
        return state.version / TAKES_DIR / f"{take_name(state.decision.chosen.number)}.mp4"

    def _print(self, shot: ShotPlan, number: int) -> str:
        found = {
            name: chosen.fingerprint
            for name in shot.depends_on
            if (chosen := self.shots[name].decision.chosen) is not None
        }
        return shot.fingerprint(take_seed(shot, number), found)

    def _state(self, shot: ShotPlan, may_retake: bool) -> ShotState:
        waits = tuple(name for name in shot.depends_on if self.shots[name].decision.chosen is None)
        there = versions(self.plan.out_dir, shot)
        if waits:
            return ShotState(
                shot=shot,
                version=there[-1] if there else self.plan.out_dir / shot.folder / "v001",
                takes=(),
                decision=Decision(reason="waits"),
                waits_for=waits,
            )
        version = working_version(self.plan.out_dir, shot, lambda number: self._print(shot, number))
        takes = [
            record
            for number in sorted(take_prints(version))
            if (record := self._record(shot, version, number)) is not None
        ]
        decision = decide(
            shot,
            takes,
            asked=self.wishes.takes.get(shot.name, 0),
            picked=self.wishes.picks.get(shot.name),
            may_retake=may_retake,
        )
        chosen = decision.chosen
        delivered = (read_json(there[-1] / SHOT_RECORD) or {}) if there else {}
        return ShotState(
            shot=shot,
            version=version,
            takes=tuple(takes),
            decision=decision,
            is_delivered=chosen is not None
            and delivered.get("delivery") == delivery_digest(self.plan, shot, chosen.fingerprint),
        )

    def _record(self, shot: ShotPlan, version: Path, number: int) -> TakeRecord | None:
        """A take that is whole, made in this way and measured in this way."""
        fingerprint = self._print(shot, number)
        job = TakeJob(shot=shot, number=number, fingerprint=fingerprint, version=version)
        measured = read_json(version / TAKES_DIR / f"{take_name(number)}{IDENTITY_SUFFIX}") or {}
        known = (measured.get("fingerprint"), measured.get("judge"))
        if known != (fingerprint, self._digest) or not is_there(job):
            return None
        if "void" in measured:
            return TakeRecord(
                number=number,
                fingerprint=fingerprint,
                verdict="fail",
                score=None,
                reasons=(str(measured["void"]),),
                is_drawn=False,
            )
        figures = measured["figures"]
        if not isinstance(figures, Mapping):
            verdict = "review" if shot.characters else "pass"
            told = ("no photos of anybody at hand, so nobody was compared",)
            return TakeRecord(
                number=number,
                fingerprint=fingerprint,
                verdict=verdict,  # type: ignore[arg-type]
                score=None,
                reasons=told if shot.characters else (),
            )
        found = TakeFigures.from_json(figures)
        limits = limits_of(shot, self.judge, float(str(measured["floor"])))
        judged = judge_take(found, limits)
        return TakeRecord(
            number=number,
            fingerprint=fingerprint,
            verdict=judged.verdict,  # type: ignore[arg-type]
            score=found.score,
            reasons=judged.reasons,
            closest=found.closest,
        )


def delivery_digest(plan: BoardPlan, shot: ShotPlan, fingerprint: str) -> str:
    """Tells two deliveries apart: another take, another cut, other files, another label."""
    label = delivery_label()
    return json_digest(
        {
            **({} if label is None else {"label": f"{label.text} {label.seconds} {label.font}"}),
            "take": fingerprint,
            "frames": shot.frames.to_json(),
            "size": shot.deliver_size,
            "start_frame": shot.start_frame,
            "deliver": plan.board.deliver.model_dump(mode="json", exclude={"aspects", "timecode"}),
        }
    )


def drawn_seconds(states: Sequence[ShotState]) -> float:
    """Time that drawing the takes of these shots has taken, of all their versions."""
    total = 0.0
    for state in states:
        seen: set[str] = set()
        for version in versions(state.version.parents[2], state.shot):
            for number, fingerprint in take_prints(version).items():
                record = read_json(version / TAKES_DIR / f"{take_name(number)}.json") or {}
                if fingerprint not in seen:
                    total += float(str(record.get("draw_s", 0.0)))
                seen.add(fingerprint)
    return total

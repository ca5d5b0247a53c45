"""The loop of a render: ask what every shot needs, hand it out, look again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from facekit.generation.units import take_name, take_seed
from facekit.types import Progress
from facekit.workflows.render_crew import Crew
from facekit.workflows.render_jobs import MadeTake
from facekit.workflows.render_log import log_event
from facekit.workflows.render_media import write_contact
from facekit.workflows.render_outputs import deliver_shot
from facekit.workflows.render_plan import RenderPlan
from facekit.workflows.render_rights import note_shot, open_board_ledger
from facekit.workflows.render_state import BoardState, ShotState, drawn_seconds

__all__ = ["PARTS", "RenderLoop"]

PARTS = ("load", "takes", "state", "deliver", "timelines", "report")
"""What takes time outside of the sampler: reading weights; writing and measuring takes; deciding
what is next; movies and sheets; timelines; the report."""


class RenderLoop:
    """Renders a board.

    Args:
        plan: What to render.
        crew: Makes the takes.
        progress: Counts the shots.
        is_part: Whether others work on other shots meanwhile, and spend of the same budget.
    """

    def __init__(
        self, plan: RenderPlan, crew: Crew, progress: Progress, *, is_part: bool = False
    ) -> None:
        self.is_part = is_part
        self.plan, self.crew, self.progress = plan, crew, progress
        self.state = BoardState(plan.board, plan.judge, plan.wishes)
        self.ledger = open_board_ledger(plan.rights)
        self.draw_s = 0.0
        self.parts = dict.fromkeys(PARTS, 0.0)
        self.made = 0
        self.stopped = ""
        self._in_flight: set[tuple[str, int]] = set()
        self._fresh: set[str] = set()  # shots with takes that no contact sheet shows
        limit = plan.board.board.gates.budget.minutes
        self._budget_s = None if limit is None else limit * 60
        self._spent_s = drawn_seconds(list(self.state.shots.values()))

    @property
    def other_s(self) -> float:
        """Time outside of the sampler."""
        return sum(self.parts.values())

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time of a block as one of `PARTS`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.parts[part] += time.perf_counter() - begun

    def all_shots(self) -> None:
        """Work until nothing is left to do."""
        for state in self.state.shots.values():
            if state.is_delivered and (not self.plan.only or state.shot.name in self.plan.only):
                self._note(state)  # a kill may have come before its line
        self.progress.start(self._num_left(), "shots")
        while True:
            if not self.stopped:
                self._hand_out()
            if not self._in_flight:
                break
            for made in self.crew.collect():
                self._take_in(made)
        self.progress.finish()

    def _hand_out(self) -> None:
        for name in [shot.name for shot in self.plan.board.making_order]:
            state = self.state.shots[name]
            if self.plan.only and name not in self.plan.only:
                continue
            for number in state.decision.make:
                if (name, number) not in self._in_flight:
                    self._in_flight.add((name, number))
                    self.plan.rights.check_again()
                    job = self.state.job(state, number)
                    self.crew.submit(replace(job, consents=self.plan.rights.consents))
                    if number > len(state.shot.seeds):
                        self._log("retaken", state, number, reason=state.decision.reason)
            chosen = state.decision.chosen
            if chosen is None or self._is_in_flight(name):
                continue
            is_new = not state.is_delivered
            with self.timed("deliver"):
                if is_new:
                    deliver_shot(state, self.plan.board)
                    self._note(state)
                    self._refresh(name)
                elif name in self._fresh:  # the same take is the best of more
                    write_contact(state, self.plan.board.out_dir)
            self._fresh.discard(name)
            if is_new and chosen.verdict == "fail" and state.shot.gates.on_fail == "stop":
                self.stopped = f"{name} failed ({state.decision.reason}) and on_fail is stop"
                self._log("stopped", state, chosen.number, reason=self.stopped)
                return

    def _note(self, state: ShotState) -> None:
        note_shot(state, self.plan.board, self.plan.rights, self.ledger)

    def _take_in(self, made: MadeTake) -> None:
        name = made.job.shot.name
        self._in_flight.discard((name, made.job.number))
        self._fresh.add(name)
        self.draw_s += made.draw_s
        self.parts["load"] += made.load_s
        self.parts["takes"] += made.other_s - made.load_s
        self._spent_s += made.draw_s
        if self.is_part and self._budget_s is not None:
            self._spent_s = drawn_seconds(list(self.state.shots.values()))
        self.made += made.draw_s > 0  # else it was there, and only judged anew
        with self.timed("state"):
            self._refresh(name)
        told = self.state.shots[name]
        take = next((one for one in told.takes if one.number == made.job.number), None)
        verdict = "?" if take is None else take.verdict
        if take is not None:
            reasons, score = list(take.reasons), take.score
            self._log("judged", told, take.number, verdict=verdict, likeness=score, reasons=reasons)
        is_last = _is_decided(told) and not self._is_in_flight(name)
        self.progress.advance(int(is_last), f"{made.job.name} {verdict}")

    def _log(self, event: str, state: ShotState, number: int, **facts: object) -> None:
        told = {"take": take_name(number), "seed": take_seed(state.shot, number), **facts}
        log_event(self.plan.board.out_dir, event, state.shot.name, told)

    def _refresh(self, name: str) -> None:
        may_retake = self._budget_s is None or self._spent_s < self._budget_s
        self.state.refresh(may_retake=may_retake, only=frozenset([name]))

    def _is_in_flight(self, name: str) -> bool:
        return any(shot == name for shot, _ in self._in_flight)

    def _num_left(self) -> int:
        names = self.plan.only or frozenset(self.state.shots)
        return sum(not _is_decided(self.state.shots[name]) for name in names)


def _is_decided(state: ShotState) -> bool:
    return not state.waits_for and not state.decision.make

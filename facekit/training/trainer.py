"""The loop: the same for tokens, for LoRA and for both.

A state is saved whole; noise and choices depend on the step alone. So a run that is killed at any
moment and started again ends with the same weights, bit for bit, as one that was not.

Step 0 is judged before any update. With an identity branch it is enrolment, so it is a candidate
like any later step: training never gives less than it started from by the measure that it has. A
plain LoRA is nothing at step 0, so there the score is only remembered.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from facekit.training.batches import Batch, make_batch
from facekit.training.checkpoint import Best, TrainState, load_state, save_state
from facekit.training.encoded import EncodedPhotos
from facekit.training.guards import check_moved, watch_step
from facekit.training.interrupts import Interrupts
from facekit.training.metrics import MetricsLog
from facekit.training.objective import Objective, StepLosses
from facekit.training.optimizer import Optimizer
from facekit.training.pace import Pace
from facekit.training.processes import ALONE, Processes
from facekit.training.settings import TrainSettings
from facekit.training.shared_step import backward_together
from facekit.training.shortage import memory_stage
from facekit.training.throughput import Throughput
from facekit.training.trackers import Tracker
from facekit.types import Progress

__all__ = ["METRICS_FILE", "STATE_FILE", "LoopResult", "Trainer", "Validate", "Validation"]

STATE_FILE = "state.safetensors"
METRICS_FILE = "metrics.jsonl"

_TIMED_STEPS = 8
_UNTIMED_STEPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How good the weights of one moment are."""

    score: float
    """Held-out likeness by the training encoder; the highest wins."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Written to the log."""
    picture: Path | None = None
    """What was sampled, for trackers."""


Validate = Callable[[int], Validation]
"""Judges what is in the transformer now, after so many steps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoopResult:
    """What the loop found."""

    weights: dict[str, Tensor]
    """The best ones, by validation; the last ones without validation."""
    best_step: int
    best_score: float | None
    start_score: float | None
    """At step 0, before any update; None without validation."""
    steps: int
    elapsed_s: float
    """Over all sittings."""
    throughput: Mapping[str, float] = field(default_factory=dict)
    """Of the steps of this sitting: tokens per second, TFLOP/s, peak memory; mfu where known."""


class Trainer:
    """One run in one folder.

    Args:
        objective: Adds gradients.
        optimizer: Applies them.
        photos: What to learn from, encoded.
        settings: Of the run.
        shift: Of the noise levels.
        sigma_range: No noise level is drawn below and above.
        out_dir: Holds the state and the log.
        run_digest: sha256 of everything that decides the result.
        progress: Told of every step.
        validate: Judges weights; without it the last ones are kept.
        spent_s: Time spent already on this run, which a time budget pays too.
        trackers: Get a copy of every row of the log, and the pictures of validations.
        processes: Those that share the samples; the first keeps state and log, and times.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        photos: EncodedPhotos,
        settings: TrainSettings,
        *,
        shift: float,
        sigma_range: tuple[float, float] = (0.0, 1.0),
        out_dir: Path,
        run_digest: str,
        progress: Progress,
        validate: Validate | None = None,
        spent_s: float = 0.0,
        trackers: Sequence[Tracker] = (),
        processes: Processes = ALONE,
    ) -> None:
        self.objective = objective
        self.optimizer = optimizer
        self.photos = photos
        self.settings = settings
        self.shift = shift
        self.sigma_range = sigma_range
        self.state_path = out_dir / STATE_FILE
        self.metrics_path = out_dir / METRICS_FILE
        self.run_digest = run_digest
        self.progress = progress
        self.validate = validate
        self.trackers = tuple(trackers)
        self.processes = processes
        self.throughput = Throughput(objective.denoiser.network, settings.precision)
        self._sitting_began = time.monotonic() - spent_s
        self._elapsed_before = 0.0
        self._pace = Pace()

    def run(self) -> LoopResult:
        """Train to the end, from the last checkpoint when there is one.

        Raises:
            KeyboardInterrupt: Asked to stop; a checkpoint is saved.
            NonFiniteLoss: Too many steps in a row gave no finite gradient.
            TrainingError: Training changed nothing.
            CheckpointMismatch: The folder holds the state of another run.
            ProcessLost: Another process of the run has ended.
        """
        with Interrupts() as interrupts:
            state = self.processes.same(lambda: load_state(self.state_path, self.run_digest))
            if state is not None:
                self.optimizer.load_state(state.tensors)
                self._elapsed_before = state.elapsed_s
            done = -1 if state is None else state.step
            path = self.metrics_path if self.processes.is_first else None
            with MetricsLog(path, done, self.trackers) as log:
                state = self._loop(state or self._first_state(log), log, interrupts)
        self._check_moved(state)
        best = state.best
        return LoopResult(
            weights=dict(best.tensors) if best else self.optimizer.best_guess(),
            best_step=best.step if best else state.step,
            best_score=best.score if best else None,
            start_score=state.start_score,
            steps=state.step,
            elapsed_s=state.elapsed_s,
            throughput=self.throughput.summary(),
        )

    def _first_state(self, log: MetricsLog) -> TrainState:
        state = TrainState(step=0, total_steps=self.settings.steps)
        began = time.monotonic()
        state = self._validated(state, log)
        validation_s = time.monotonic() - began
        if self.settings.minutes is not None:
            state = replace(state, total_steps=self._affordable(validation_s))
        self._save(state)
        return state

    def _loop(self, state: TrainState, log: MetricsLog, interrupts: Interrupts) -> TrainState:
        self.progress.start(state.total_steps, "train")
        self.progress.advance(state.step)
        while state.step < state.total_steps:
            with memory_stage("training"):
                state, info = self._one_step(state, log)
            self.progress.advance(1, info)
            every = self.settings.validate_every
            last = state.step == state.total_steps
            judged = last or (every > 0 and state.step % every == 0)
            if judged:
                state = self._validated(state, log)
            asked = self.processes.any(interrupts.asked)
            if judged or asked or state.step % self.settings.checkpoint_every == 0:
                self._check_moved(state)
                state = self._save(state)
            if asked:
                self.processes.wait()  # a launcher ends the first as soon as another has ended
                raise KeyboardInterrupt
        self.progress.finish()
        return state

    def _batch(self, step: int) -> Batch:
        how = (self.settings, self.photos, self.shift, self.sigma_range)
        return make_batch(step, *how, processes=self.processes)

    def _backward(self, batch: Batch) -> StepLosses:
        return backward_together(self.objective, batch, self.optimizer, self.processes)

    def _one_step(self, state: TrainState, log: MetricsLog) -> tuple[TrainState, str]:
        step, began = state.step, time.monotonic()
        batch = self._batch(step)
        with self.throughput.step(batch, self.objective.num_decoded(batch)) as speed:
            losses = self._backward(batch)
            norms = None
            if math.isfinite(losses.total):
                norms = self.optimizer.step(step, state.total_steps)
        if norms is None:
            self.optimizer.drop_gradients()
        row: dict[str, object] = {f"loss/{k}": _finite(v) for k, v in losses.to_json().items()}
        row |= {f"grad_norm/{name}": norm for name, norm in (norms or {}).items()}
        row |= {f"speed/{name}": value for name, value in speed.items()}
        step_s = time.monotonic() - began
        log.write(step + 1, {**row, "skipped": norms is None, "step_s": step_s})
        state = watch_step(
            state,
            total=losses.total,
            norms=norms,
            batch=batch,
            settings=self.settings,
            kept=self.state_path,
            anywhere=self.processes.any,
        )
        return state, f"loss {losses.total:.3f}, {self._pace.tell(step_s)}"

    def _validated(self, state: TrainState, log: MetricsLog) -> TrainState:
        """Judge the weights as they are; an earlier step keeps a tie."""
        if self.validate is None:
            return state
        weights = self.optimizer.best_guess()
        with memory_stage("validation"), self.optimizer.using(weights):
            validation = self.validate(state.step)
        score, is_start = validation.score, state.step == 0
        if is_start:
            state = replace(state, start_score=score)
        is_candidate = math.isfinite(score) and (self.settings.has_identity or not is_start)
        if is_candidate and (state.best is None or score > state.best.score):
            state = replace(state, best=Best(step=state.step, score=score, tensors=weights))
        row: dict[str, object] = {"validate/score": _finite(score)}
        row |= {f"validate/{name}": _finite(x) for name, x in validation.details.items()}
        log.write(state.step, {**row, "validate/best_step": state.best and state.best.step})
        if validation.picture is not None:
            log.picture(state.step, validation.picture)
        return state

    def _save(self, state: TrainState) -> TrainState:
        """Keep the state, unless the last steps went wrong: a good one is not replaced by it."""
        elapsed = self._elapsed_before + time.monotonic() - self._sitting_began
        state = replace(state, elapsed_s=elapsed, tensors={})
        if state.is_good and self.processes.is_first:
            whole = replace(state, tensors=self.optimizer.state())
            save_state(self.state_path, whole, self.run_digest)
        return state

    def _affordable(self, validation_s: float) -> int:
        """How many steps the time budget pays for, by timing some whose result is dropped."""
        assert self.settings.minutes is not None
        began = 0.0
        for step in range(_UNTIMED_STEPS + _TIMED_STEPS):
            if step == _UNTIMED_STEPS:
                began = time.monotonic()
            self._backward(self._batch(step))
            self.optimizer.drop_gradients()
        step_s = (time.monotonic() - began) / _TIMED_STEPS
        left_s = self.settings.minutes * 60 - (time.monotonic() - self._sitting_began)
        if self.validate is not None:
            left_s -= validation_s
            if self.settings.validate_every:
                step_s += validation_s / self.settings.validate_every
        paid = max(1, min(self.settings.steps, int(left_s / step_s)))
        return self.processes.same(lambda: paid)

    def _check_moved(self, state: TrainState) -> None:
        if 0 < state.step != state.bad_steps:
            check_moved(state.step, self.optimizer.unmoved())


def _finite(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else str(value)

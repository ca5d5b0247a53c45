"""A shot that is longer than the backbone draws at once: chunks that each continue the one before.

Every chunk hears the same character, and only a frame that shows it begins the next chunk, so that
a face that got worse is never handed on as the truth.

Shapes: F frames.
"""

import dataclasses
from collections.abc import Callable
from math import ceil
from typing import TypeAlias

import numpy as np

from facekit.errors import FaceError, UsageError
from facekit.generation.anchor import Anchor, Locate
from facekit.generation.chunks import (
    Chained,
    Chunk,
    Drawn,
    LongShot,
    Unit,
    chunk_seed,
    count_chunks,
    keyframes_between,
)
from facekit.generation.hand_over import ChainRule, Colours, HandOver, choose_hand_over, soften
from facekit.types import Clip, FloatArray

__all__ = ["DrawUnit", "draw_chain"]

DrawUnit: TypeAlias = Callable[[Unit], Drawn]


def draw_chain(
    shot: LongShot,
    rule: ChainRule,
    step: int,
    draw: DrawUnit,
    locate: Locate | None = None,
) -> Chained:
    """Draw a shot chunk by chunk.

    Args:
        shot: What is asked for.
        rule: What may be handed on.
        step: Frame counts that the backbone draws are 1 more than multiples of it.
        draw: Draws and scores one unit; called for the same units in the same order every time,
            so whoever keeps what it gave can go on after a kill.
        locate: Finds landmarks, so that the face of what is handed on can be put back to the
            likest so far (`ChainRule.anchor`); without it the face is handed on as it is.

    Raises:
        UsageError: There is nothing to draw.
        FaceError: The clip that is to be longer ends with somebody else's face.
    """
    chain = _Chain(shot, rule, step, draw, locate)
    while chain.missing > 0 and not chain.stopped:
        chain.add_chunk()
    return chain.result()


class _Chain:
    def __init__(
        self,
        shot: LongShot,
        rule: ChainRule,
        step: int,
        draw: DrawUnit,
        locate: Locate | None,
    ) -> None:
        self.shot, self.rule, self.step, self.draw = shot, rule, step, draw
        self.locate = locate
        self.anchor = Anchor()
        self.is_anchored = False
        self.handed_first: float | None = None
        self.pieces: list[np.ndarray] = []
        self.chunks: list[Chunk] = []
        self.start = shot.picture
        self.reference: float | None = None
        self.colours: Colours | None = None
        self.fps = 0.0
        self.drawn_frames, self.stopped = 0, ""
        if shot.before is not None:
            self._take_over(shot.before)
        if self.missing <= 0:
            raise UsageError(
                f"{shot.num_frames} frames asked for and {self.length} there, expected more than"
                " are there; ask for more"
            )

    @property
    def length(self) -> int:
        return sum(len(piece) for piece in self.pieces)

    @property
    def missing(self) -> int:
        return self.shot.num_frames - self.length

    def add_chunk(self) -> None:
        """Draw one more chunk, again where nothing of it may be handed on."""
        index = self.shot.first_index + len(self.chunks)
        is_first = self.length == 0
        count, wanted = self._length_of_next(is_first)
        refused: list[str] = []
        tries: list[tuple[Unit, Drawn, HandOver]] = []
        for attempt in range(self.rule.redraws + 1):
            unit = self._unit(index, attempt, count, is_first, wanted)
            drawn = self.draw(unit)
            self.drawn_frames += count
            here = self._judge(drawn, wanted, is_first)
            tries.append((unit, drawn, here))
            if here.is_good:
                break
            refused.append(f"seed {unit.seed}: {here.reason}")
        else:
            tries.sort(key=lambda each: -np.inf if each[2].likeness is None else each[2].likeness)
        unit, drawn, here = tries[-1]
        if not here.is_good and not self._is_bearable(here, is_first):
            self.stopped = (
                f"after {self.length} of {self.shot.num_frames} frames: chunk {index} shows nobody"
                f" who could be handed on, {len(tries)} times ({here.reason})"
            )
            if not is_first:
                return
        taken = drawn.clip.frames[: here.frame + 1]
        kept = taken if is_first else taken[1:]
        self.fps = drawn.clip.fps
        scores = None if drawn.scores_F is None else drawn.scores_F[: here.frame + 1]
        chunk = Chunk(
            index=index,
            attempt=unit.attempt,
            seed=unit.seed,
            first_frame=self.length,
            num_frames=len(kept),
            drawn_frames=count,
            likeness=_mean(scores),
            hand_over=here.likeness,
            reason=here.reason,
            anchored=self.is_anchored,
            redrawn=tuple(refused),
        )
        if is_first:
            self.reference, self.colours = _mean(scores), Colours.of(taken)
        self.pieces.append(kept)
        self.chunks.append(chunk)
        self._hand_on(taken, scores, here.likeness)

    def result(self) -> Chained:
        return Chained(
            clip=Clip(frames=np.concatenate(self.pieces), fps=self.fps),
            chunks=tuple(self.chunks),
            requested_frames=self.shot.num_frames,
            drawn_frames=self.drawn_frames,
            reference=self.reference,
            stopped=self.stopped,
        )

    def _take_over(self, before: Drawn) -> None:
        """Begin with a clip: its first frames are the measure, a good one of its last goes on."""
        frames, scores = before.clip.frames, before.scores_F
        beginning = slice(0, self.shot.chunk_frames)
        self.colours, self.fps = Colours.of(frames[beginning]), before.clip.fps
        self.reference = None if scores is None else _mean(scores[beginning])
        is_weak = self.reference is not None and self.reference < self.rule.min_same_person
        self.handed_first = choose_hand_over(
            None if scores is None else scores[beginning],
            self.rule,
            None,
            num_frames=len(frames[beginning]),
            needs_face=self.shot.needs_face,
        ).likeness
        if self.shot.before_is_cut:
            end, likeness = len(frames), _mean(None if scores is None else scores[-1:])
            # One frame may be a blink: somebody else is there when all of the last ones say so.
            seen = np.array([]) if scores is None else scores[-self.rule.window :]
            likest = float(np.nanmax(seen)) if np.isfinite(seen).any() else np.inf
            if likest < self.rule.min_same_person and not is_weak:
                raise FaceError(
                    "the end of what is gone on from shows somebody else than the character:"
                    f" {likest:.2f} of likeness, expected at least"
                    f" {self.rule.min_same_person:.2f}; make or pick another take of the shot"
                    " before"
                )
        else:
            end, likeness = self._last_good(frames, scores, is_weak)
        self.pieces.append(frames[:end])
        self._hand_on(frames[:end], None if scores is None else scores[:end], likeness)

    def _last_good(
        self, frames: np.ndarray, scores: FloatArray | None, is_weak: bool
    ) -> tuple[int, float | None]:
        """How many frames of a clip are kept, so that a good one is the last, and its likeness."""
        last = max(0, len(frames) - self.shot.chunk_frames)
        here = choose_hand_over(
            None if scores is None else scores[last:],
            self.rule,
            self.reference,
            num_frames=len(frames) - last,
            needs_face=self.shot.needs_face,
        )
        if is_weak or not here.is_good:
            said = f"its beginning is at {self.reference:.2f}" if is_weak else here.reason
            raise FaceError(
                f"the clip shows somebody else than the character where it is to go on: {said} of"
                f" likeness, expected at least {self.rule.lowest(self.reference):.2f}; make"
                " another take longer"
            )
        return last + here.frame + 1, here.likeness

    def _hand_on(
        self, frames: np.ndarray, scores_F: FloatArray | None, likeness: float | None
    ) -> None:
        """Put the last of these frames right, for the next chunk to begin with."""
        assert self.colours is not None, "there is a beginning"
        start = self.colours.put_on(frames[-1], self.rule.colours)
        grafted = None
        if self.locate is not None and self.rule.anchor > 0:
            self.anchor = self.anchor.joined(frames, scores_F, self.locate)
            if self._has_lost(likeness):
                grafted = self.anchor.put_on(start, likeness, self.locate, self.rule.anchor)
        self.is_anchored = grafted is not None
        self.start = soften(start if grafted is None else grafted, self.rule.soften_px)

    def _has_lost(self, likeness: float | None) -> bool:
        """Whether what is handed on is less like the character than what the first chunk did."""
        if self.handed_first is None:
            self.handed_first = likeness
        first = self.handed_first
        return likeness is not None and first is not None and likeness < first

    def _length_of_next(self, is_first: bool) -> tuple[int, int]:
        """Frames to draw, on the backbone's grid, and how many of them count at most."""
        wanted = self.missing if is_first else self.missing + 1
        if wanted >= self.shot.chunk_frames:
            return self.shot.chunk_frames, self.shot.chunk_frames
        count = max(1, ceil((wanted - 1) / self.step)) * self.step + 1
        return min(count, self.shot.chunk_frames), wanted

    def _unit(self, index: int, attempt: int, count: int, is_first: bool, wanted: int) -> Unit:
        shot = self.shot
        left = self.missing - (wanted if is_first else wanted - 1)
        return Unit(
            index=index,
            attempt=attempt,
            seed=chunk_seed(shot.seed, index, attempt),
            num_frames=count,
            start=self.start,
            strength=keyframes_between(
                shot.strength,
                shot.num_frames,
                self.length if is_first else self.length - 1,
                count,
            ),
            num_left=count_chunks(left, shot.chunk_frames, is_continued=True),
            num_before=0 if is_first else self.length,
        )

    def _judge(self, drawn: Drawn, wanted: int, is_first: bool) -> HandOver:
        """Choose what goes on; of a chunk that ends the shot that is its last frame, if good."""
        scores = None if drawn.scores_F is None else drawn.scores_F[:wanted]
        ends = self.missing <= (wanted if is_first else wanted - 1)
        here = choose_hand_over(
            scores,
            dataclasses.replace(self.rule, window=1)
            if ends and not self.shot.is_final
            else self.rule,
            self.reference,
            num_frames=wanted,
            needs_face=self.shot.needs_face,
        )
        if ends and self.shot.is_final and here.is_good and here.frame >= wanted - self.rule.window:
            reason = f"the end; {here.reason} is good"
            return dataclasses.replace(here, frame=wanted - 1, reason=reason)
        return here

    def _is_bearable(self, here: HandOver, is_first: bool) -> bool:
        """Whether the best that was drawn may go on although it is worse than it should be.

        The first chunk is, whoever it shows: nothing of it was handed on. What comes after is
        then measured by it.
        """
        lowest = self.rule.min_same_person
        is_weak = is_first or (self.reference is not None and self.reference < lowest)
        return here.likeness is not None and (is_weak or here.likeness >= lowest)


def _mean(scores_F: FloatArray | None) -> float | None:
    if scores_F is None or not np.isfinite(scores_F).any():
        return None
    return float(np.nanmean(scores_F))

"""What each figure is called and what it means, in plain words, for reports and tables."""

import dataclasses
from collections.abc import Mapping

__all__ = [
    "HEADLINE",
    "NOT_SCORABLE",
    "WORDINGS",
    "Wording",
    "format_figure",
    "headline",
    "wording",
]

NOT_SCORABLE = "not scorable"
"""What is said of a figure that has no value, where nothing better is known."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one figure is told.

    Attributes:
        title: A few words.
        meaning: One or two sentences for somebody who shoots films, not somebody who trains models.
        unit: "%" writes a share as a percentage, "points" a difference of shares, "points lost" the
            same with the other sign, "" a plain number.
    """

    title: str
    meaning: str
    unit: str = ""


WORDINGS: dict[str, Wording] = {
    "likeness_ratio": Wording(
        title="Likeness",
        meaning="How near the shots come to the person's own photos. 100 % is as alike as two "
        "photos of this very person.",
        unit="%",
    ),
    "sim_held": Wording(
        title="Similarity to unseen photos",
        meaning="Mean cosine between the frames and photos that were never trained on; a frame "
        "that should show the face and does not counts 0. Photos that training held out have "
        "chosen its checkpoint too, by another encoder; photos named with --photos have not.",
    ),
    "ceiling": Wording(
        title="Photo-to-photo ceiling",
        meaning="Mean cosine between the training photos and the unseen photos.",
    ),
    "xsim": Wording(
        title="Same person across shots",
        meaning="Mean cosine between every two shots that show the person, each by its mean face.",
    ),
    "xmin": Wording(
        title="Least alike pair that counts",
        meaning="Cosine of the two shots that differ most, among the shots that show the "
        "person at all (at least half of the ceiling's likeness). Strangers are left out, so it "
        "rises with every shot that is lost.",
    ),
    "xmin_ratio": Wording(
        title="Least alike pair of all, against the truth",
        meaning="The least alike pair of all shots, strangers included, over the least alike pair "
        "in clips of the same shots drawn of the real character.",
        unit="%",
    ),
    "m_cp": Wording(
        title="Copying of photos",
        meaning="0: frames are as near to unseen photos as to the training photos. 1: frames are "
        "copies of a training photo. Low is good.",
    ),
    "m_cp_truth": Wording(
        title="Copying of photos, drawn truth",
        meaning="The same figure for clips drawn of the real character: the nearest of several "
        "photos is always a little nearer than the unseen ones.",
    ),
    "m_cp_over_truth": Wording(
        title="Copying of photos, beyond the truth",
        meaning="Copying of photos less what drawn clips of the same shots get. 0: no nearer to "
        "the training photos than the real character is. Low is good.",
    ),
    "coverage": Wording(
        title="Faces that can be judged",
        meaning="Frames with a usable face, on shots whose size demands one. Without it likeness "
        "would rest on few frames.",
        unit="%",
    ),
    "drift": Wording(
        title="Drift along a clip",
        meaning="Likeness that is lost from the start of a clip to its end; a clip that gains some "
        "counts 0.",
    ),
    "prompt_delta": Wording(
        title="Obeys the prompt",
        meaning="Share of what prompts ask for (place, size, light, mood, hair, glasses) that is "
        "shown, compared with the base model.",
        unit="points",
    ),
    "prompt_drop": Wording(
        title="Obeys the prompt",
        meaning="Share of what prompts ask for that is shown, compared with the base model; in "
        "report.json with the other sign.",
        unit="points lost",
    ),
    "motion_ratio": Wording(
        title="Motion kept",
        meaning="Motion of the shots over motion of the base model on the same seeds; the weaker "
        "of face motion and picture change. Low values mean frozen shots; jitter tells whether "
        "high ones are motion at all.",
        unit="%",
    ),
    "jitter": Wording(
        title="Jitter of the face",
        meaning="How abruptly the features change their way from frame to frame, in eye "
        "distances. Smooth motion has next to none; flicker is nothing else. Low is good.",
    ),
    "base_jitter": Wording(
        title="Jitter of the base", meaning="The same for the base model on the same seeds."
    ),
    "jitter_truth": Wording(
        title="Jitter, drawn truth",
        meaning="The same for clips drawn of the real character: what the face detector adds.",
    ),
    "off_face_change": Wording(
        title="Changed off the face",
        meaning="How much of the picture around the person differs from the base model on the same "
        "seed.",
        unit="%",
    ),
    "on_face_change": Wording(
        title="Changed on the face",
        meaning="How much the face itself differs from the base model.",
        unit="%",
    ),
    "xsim_ungated": Wording(
        title="Same person across all shots",
        meaning="Mean cosine between every two shots, strangers included.",
    ),
    "xmin_ungated": Wording(
        title="Least alike pair of all, cosine",
        meaning="Cosine of the two shots that differ most, strangers included.",
    ),
    "shots_counted": Wording(
        title="Shots that count",
        meaning="Share of shots with at least half of the ceiling's likeness.",
        unit="%",
    ),
    "xmin_truth": Wording(
        title="Least alike pair, drawn truth",
        meaning="The least alike pair in clips of the same shots drawn of the real character.",
    ),
    "drift_slope_per_s": Wording(
        title="Slope per second", meaning="Likeness gained per second of clip."
    ),
    "identity_deviation": Wording(
        title="Flicker of the face", meaning="Standard deviation of likeness within a clip."
    ),
    "same_face_rate": Wording(
        title="Same face as the first frame",
        meaning="Frames whose cosine to the clip's first face is at least 0.4.",
        unit="%",
    ),
    "landmark_path_ratio": Wording(
        title="Face motion kept",
        meaning="How far the aligned landmarks come in three frames, over the base model's.",
        unit="%",
    ),
    "frame_change_ratio": Wording(
        title="Picture change kept",
        meaning="Difference of neighbouring frames over the base model's.",
        unit="%",
    ),
    "prompt_adherence": Wording(
        title="Prompt shown", meaning="Share of what the prompts ask for that is shown.", unit="%"
    ),
    "base_prompt_adherence": Wording(
        title="Prompt shown by the base",
        meaning="The same for the base model on the same seeds.",
        unit="%",
    ),
}

HEADLINE: tuple[str, ...] = (
    "likeness_ratio",
    "shots_counted",
    "xmin",
    "coverage",
    "drift",
    "m_cp",
    "prompt_delta",
    "motion_ratio",
)
"""The figures at the top of a report, most important first."""

_AGAINST_TRUTH = {"xmin": "xmin_ratio", "m_cp": "m_cp_over_truth"}
"""Figures that flatter or blame, and what replaces them where the truth is known."""


def headline(figures: Mapping[str, float | None]) -> tuple[str, ...]:
    """List the figures at the top of a report; where the truth is known, those against it."""
    better = {
        name: other for name, other in _AGAINST_TRUTH.items() if figures.get(other) is not None
    }
    return tuple(better.get(name, name) for name in HEADLINE)


def wording(figure: str) -> Wording:
    """Return how a figure is told; an unknown figure is told by its name."""
    return WORDINGS.get(figure, Wording(title=figure.replace("_", " "), meaning=""))


def format_figure(figure: str, value: float | None) -> str:
    """Write a value in the unit of its figure; `NOT_SCORABLE` for None."""
    if value is None:
        return NOT_SCORABLE
    unit = wording(figure).unit
    if unit == "%":
        return f"{100 * value:.0f} %" if abs(value) >= 0.1 else f"{100 * value:.1f} %"
    if unit in ("points", "points lost"):
        gained = value if unit == "points" else -value
        return f"{100 * gained:+.1f} points"
    return f"{value:.3f}"

"""Why a figure could not be measured: what was missing, in a few words."""

from facekit.evaluation.scores import CharacterScores
from facekit.evaluation.words import NOT_SCORABLE

__all__ = ["NO_BASE", "NO_TRUTH", "missing_reasons"]

NO_BASE = "no base clips"
NO_TRUTH = "no drawn truth"

_PAIRS = frozenset({"xsim", "xmin", "xsim_ungated", "xmin_ungated", "xmin_truth", "xmin_ratio"})
_AGAINST_TRUTH = frozenset(
    {"xmin_truth", "xmin_ratio", "m_cp_truth", "m_cp_over_truth", "jitter_truth"}
)
_AGAINST_BASE = frozenset(
    {
        "base_prompt_adherence",
        "prompt_delta",
        "prompt_drop",
        "landmark_path_ratio",
        "frame_change_ratio",
        "motion_ratio",
        "base_jitter",
        "off_face_change",
        "on_face_change",
    }
)
_OF_PROMPTS = frozenset(
    {"prompt_adherence", "base_prompt_adherence", "prompt_delta", "prompt_drop"}
)
_OF_PHOTOS = frozenset({"m_cp", "m_cp_truth", "m_cp_over_truth"})


def missing_reasons(
    scores: CharacterScores, *, has_base: bool, has_truth: bool, has_training_photos: bool
) -> dict[str, str]:
    """Say of every figure without a value what was missing.

    Args:
        scores: What was measured.
        has_base: Whether there are clips of the base model.
        has_truth: Whether there are drawn clips of the character.
        has_training_photos: Whether photos that trained are at hand.

    Returns:
        Figure to reason; figures that have a value are left out.
    """
    read_back = any(shot.adherence for shot in scores.shots)

    def reason(figure: str) -> str:
        if figure in _AGAINST_TRUTH and not has_truth:
            return NO_TRUTH
        if figure in _AGAINST_BASE and not has_base:
            return NO_BASE
        if figure in _PAIRS and len(scores.shots) < 2:
            return "one shot only"
        if figure in ("xsim", "xmin"):
            return "fewer than two shots count"
        if figure in _OF_PHOTOS and not has_training_photos:
            return "no training photos at hand"
        if figure in _OF_PROMPTS and not read_back:
            return "nothing in the prompts that can be read back"
        return NOT_SCORABLE

    return {name: reason(name) for name, value in scores.figures.items() if value is None}

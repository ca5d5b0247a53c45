"""What stops a run that goes wrong, while the last good checkpoint is still there.

A step without a finite loss and gradient changes nothing and is passed over; so is the gradient of
a group that is zero throughout. A few of them in a row are an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from facekit.errors import NonFiniteLoss, TrainingError
from facekit.training.batches import Batch
from facekit.training.checkpoint import TrainState
from facekit.training.settings import TrainSettings

__all__ = ["check_moved", "watch_step"]

_MAX_BAD_STEPS = 5
_TOKENS = "tokens"


def watch_step(
    state: TrainState,
    *,
    total: float,
    norms: Mapping[str, float] | None,
    batch: Batch,
    settings: TrainSettings,
    kept: Path,
    anywhere: Callable[[bool], bool] = bool,
) -> TrainState:
    """Count what a step taught, and that it is done.

    Args:
        state: Before this step.
        total: The loss of this step.
        norms: The norm of each group's gradient; None where the step was not applied.
        batch: What it looked at.
        settings: Of the run.
        kept: The last good checkpoint.
        anywhere: Whether something holds in any of the processes; the other arguments are the same
            in all of them, but for the batch, which is this one's part.

    Raises:
        NonFiniteLoss: Too many steps in a row without a finite loss and gradient.
        TrainingError: Too many steps in a row in which a group learned nothing.
    """
    step = state.step
    if norms is None:
        bad_steps = state.bad_steps + 1
        if bad_steps > _MAX_BAD_STEPS:
            raise NonFiniteLoss(
                f"step {step}: {bad_steps} steps in a row had a loss or gradient that is not"
                f" finite (loss {total}), expected at most {_MAX_BAD_STEPS}; the last good"
                f" checkpoint is kept in {kept}; lower identity.lr and lora.lr and"
                " train again with --force"
            )
        return replace(state, step=step + 1, bad_steps=bad_steps)
    zero_steps = dict(state.zero_steps)
    for name, norm in norms.items():
        if norm > 0:
            zero_steps.pop(name, None)
        elif anywhere(_should_learn(name, batch, settings)):
            zero_steps[name] = zero_steps.get(name, 0) + 1
        if zero_steps.get(name, 0) > _MAX_BAD_STEPS:
            raise TrainingError(
                f"step {step}: the gradient of {name} was exactly zero in {zero_steps[name]} steps"
                f" in which it takes part, expected at most {_MAX_BAD_STEPS} in a row; the last"
                f" good checkpoint is kept in {kept}; give the backbone a trained base identity"
                " adapter, set identity.strength above 0, or train another identity.level"
            )
    return replace(state, step=step + 1, bad_steps=0, zero_steps=zero_steps)


def check_moved(step: int, still: tuple[str, ...]) -> None:
    """Refuse to keep what training has not changed.

    Args:
        step: Steps done.
        still: The groups in which no weight has changed.

    Raises:
        TrainingError: There are some.
    """
    if still:
        raise TrainingError(
            f"after {step} steps nothing in {' and '.join(still)} has changed, expected"
            " it to learn; give the backbone a trained base identity adapter, or train another"
            " identity.level"
        )


def _should_learn(name: str, batch: Batch, settings: TrainSettings) -> bool:
    """Whether any loss of this batch reaches a group: dropout and noise levels leave some out."""
    heard = batch.present_B > 0
    low, high = settings.sigma_window
    heard = heard & (batch.sigma_B >= low) & (batch.sigma_B <= high)
    weights = settings.weights
    if weights.flow > 0:
        return name != _TOKENS or bool(heard.any())
    # Without the flow loss only estimates at low noise teach, where it is known who they show.
    known = batch.present_B > 0 if settings.has_identity else batch.named_B
    known = known & (batch.sigma_B < weights.identity_max_sigma)
    return bool(((known & heard) if name == _TOKENS else known).any()) and (
        weights.identity > 0 or weights.contrastive > 0
    )

"""One step over all processes, as if one of them had computed all of its samples.

Every term of the loss is a mean over the samples of a step, and every process has one at least. So
losses and gradients of a process count by its part of the samples.
"""

import dataclasses
from typing import Any

from facekit.training.batches import Batch
from facekit.training.objective import Objective, StepLosses
from facekit.training.optimizer import Optimizer
from facekit.training.processes import Processes

__all__ = ["backward_together"]


def backward_together(
    objective: Objective, batch: Batch, optimizer: Optimizer, processes: Processes
) -> StepLosses:
    """Add the gradients of a whole step to what is trained, alike in all processes.

    Args:
        objective: Computes this process's part.
        batch: This process's part of the step.
        optimizer: Its parameters, without gradients yet.
        processes: Of the run.

    Returns:
        The losses of the whole step; a term that no process computed is None.

    Raises:
        ProcessLost: One of the processes has ended.
    """
    with processes.noticing():
        losses = objective.backward(batch)
    if processes.count == 1:
        return losses
    # The small message first: it notices a process that has ended, whatever the devices do.
    whole = _joined(losses, batch.share, processes)
    processes.sum_gradients(optimizer.parameters.values(), batch.share)
    return whole


def _joined(losses: StepLosses, share: float, processes: Processes) -> StepLosses:
    names = [each.name for each in dataclasses.fields(losses) if each.name != "judged"]
    values = {name: getattr(losses, name) for name in names}
    weights = {name: losses.judged if name == "likeness" else share for name in names}
    message = [float(losses.judged)]
    for name, value in values.items():
        message += [0.0, 0.0] if value is None else [1.0, weights[name] * value]
    judged, *found = processes.sums(message)
    sums: dict[str, Any] = {
        name: total if known else None
        for name, known, total in zip(names, found[::2], found[1::2], strict=True)
    }
    if sums["likeness"] is not None:
        sums["likeness"] /= judged
    return StepLosses(**sums, judged=int(judged))

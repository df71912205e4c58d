"""Where a training goes on: steps, epochs and batches that a checkpoint has done, and the steps still to come."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lightning import Trainer

EPOCH_STEPS = "epoch_steps"
"""Key of a checkpoint: optimiser steps an epoch."""


class ResumePosition(NamedTuple):
    """How far the training of a checkpoint was.

    Attributes:
        steps: optimiser steps done.
        epochs: epochs finished.
        batches: batches done of the epoch after them.
        epoch_steps: optimiser steps an epoch had.
    """

    steps: int
    epochs: int
    batches: int
    epoch_steps: float


def epoch_steps(trainer: Trainer) -> float:
    """Optimiser steps an epoch; infinite where an epoch has no end."""
    batches = trainer.num_training_batches
    return math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) else math.inf


def resume_position(checkpoint: dict[str, Any]) -> ResumePosition | None:
    """Position of a checkpoint in its training; None if the checkpoint does not hold it."""
    try:
        loops = checkpoint["loops"]["fit_loop"]
        return ResumePosition(
            steps=checkpoint["global_step"],
            epochs=loops["epoch_progress"]["current"]["processed"],
            batches=loops["epoch_loop.batch_progress"]["current"]["processed"],
            epoch_steps=checkpoint[EPOCH_STEPS],
        )
    except KeyError:
        return None


def total_steps(trainer: Trainer, position: ResumePosition | None) -> float:
    """Steps of the whole training; if it resumes with longer or shorter epochs, steps done plus steps to come.

    Args:
        trainer: of the training.
        position: of the checkpoint that it resumes from.
    """
    total = trainer.estimated_stepping_batches
    if position is None or not math.isfinite(total) or position.epoch_steps == (own := epoch_steps(trainer)):
        return total
    limit = math.inf if trainer.max_steps == -1 else trainer.max_steps
    if trainer.max_epochs in (None, -1):
        return limit
    in_epoch = min(own, position.batches // trainer.accumulate_grad_batches)
    return min(limit, position.steps + max(0, trainer.max_epochs - position.epochs) * own - in_epoch)

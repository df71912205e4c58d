"""Warns when embeddings collapse: nearly the same embedding for all walkers, from which nothing is learnt."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.lookup import callbacks_of, margin_of
from meshgait.data.trainer_data import silhouettes_of
from meshgait.evaluation.distances import pairwise
from meshgait.messages import warn

MOST = 256
"""Sequences of a validation that are compared with each other, at most."""


class CollapseAlarm(Callback):
    """Warns, once, when the mean distance between sequences of different subjects is near zero.

    Args:
        least: share of the triplet margin; a distance below it counts as near zero.
        patience: logged steps in a row at which the distance must be near zero.
    """

    def __init__(self, least: float = 0.05, patience: int = 5) -> None:
        self.least, self.patience, self._times, self._told = least, patience, 0, False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401
        """Check the steps that are logged; their values are read from the device anyway."""
        distance = getattr(pl_module, "terms", {}).get("distance")
        margin = margin_of(pl_module)
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning does not declare it
        if distance is None or margin is None or trainer.global_step % every:
            return
        # it is exactly 0 where this process has sequences of one subject only
        self._times = self._times + 1 if 0 < float(distance) < self.least * margin else 0
        if self._times >= self.patience:
            self._warn(trainer, float(distance), f"at {self._times} logged steps in a row")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the embeddings that the validation was scored on."""
        metric = next((c.metric for c in callbacks_of(trainer, RetrievalEvaluation)), None)
        margin = margin_of(pl_module)
        if metric is None or metric.last is None or margin is None:
            return
        embeddings, indices = metric.last
        some = torch.linspace(0, len(indices) - 1, min(MOST, len(indices))).long()
        labels = torch.as_tensor(silhouettes_of(trainer).selection.labels)[indices[some]]
        others = (labels[:, None] != labels[None, :]).to(embeddings.device)
        if others.any():
            distance = pairwise(embeddings[some], embeddings[some])[others].mean().item()
            if distance < self.least * margin:
                self._warn(trainer, distance, "in validation")

    def _warn(self, trainer: Trainer, distance: float, when: str) -> None:
        if not self._told and trainer.is_global_zero:
            warn(
                f"embeddings have collapsed: sequences of different subjects are {distance:.2g} apart on average "
                f"{when}, up to step {trainer.global_step}; lower model.optimizer.lr, or lengthen "
                "model.optimizer.warmup, then train again"
            )
        self._told = True

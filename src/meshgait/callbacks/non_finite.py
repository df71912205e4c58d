"""Stop a training before numbers that are not finite reach its weights."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from einops import reduce
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm

from meshgait.batch import GaitBatch
from meshgait.data.trainer_data import datamodule_of
from meshgait.errors import TrainingError

NAMED = 8
"""Most sequences or parameters that a message names."""

DAMAGED = "damaged sequences"

Seen = tuple[int, dict[str, GaitBatch], dict[str, Tensor]]
"""Number of a batch, its parts, and its loss terms."""


class StopOnNonFinite(Callback):
    """Checks loss terms and gradients before each optimiser step; only one number is read from the device.

    Gradients are not checked where a gradient scaler is used (16-mixed): it meets infinite ones regularly and
    skips such steps itself.
    """

    def __init__(self) -> None:
        self._batch: tuple[int, dict[str, GaitBatch]] = 0, {}
        self._seen: list[Seen] = []

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: GaitBatch | dict[str, GaitBatch],
        batch_idx: int,
    ) -> None:
        """Remember the batch."""
        self._batch = batch_idx, batch if isinstance(batch, dict) else {"identity": batch}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Forget the batches of the last optimiser step; keep those that gradients are still accumulated over."""
        gathers = (batch_idx + 1) % trainer.accumulate_grad_batches
        self._seen = [*self._seen, (*self._batch, _terms(pl_module))] if gathers else []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:  # noqa: ANN401
        """Stop all processes before the weights are changed.

        Raises:
            TrainingError: which term or which gradients, of which batch and sequences.
        """
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        seen = [*self._seen, (*self._batch, _terms(pl_module))]
        figures = [term for *_, terms in seen for term in terms.values()]
        gradients = [] if scaled else [p.grad for p in pl_module.parameters() if p.grad is not None]
        if gradients:  # the largest, as a sum of squares may overflow even if they are finite
            figures.append(get_total_norm(gradients, float("inf")))
        wrong = bool(figures) and not torch.stack([f.float() for f in figures]).isfinite().all().item()
        if trainer.strategy.reduce_boolean_decision(wrong, all=False):
            raise TrainingError(_agreed_message(self._message(trainer, pl_module, seen) if wrong else ""))

    def _message(self, trainer: Trainer, module: LightningModule, seen: list[Seen]) -> str:
        remedy = (
            "lower model.optimizer.lr or correct these sequences, then repeat the command with --ckpt_path last"
        )
        number, parts, terms = next((one for one in seen if _not_finite(one[-1])), seen[-1])
        what = ", ".join(f"{name} is {value}" for name, value in _not_finite(terms).items())
        if not what:
            gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
            names = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
            what = f"{len(names)} of {len(gradients)} gradients are not finite ({_first_names(names)})"
        where = f"epoch {trainer.current_epoch}, batch {number} (step {trainer.global_step})"
        return f"{what} in {where}, of {_sequences(trainer, parts)}; no weight was changed: {remedy}"


def _terms(module: LightningModule) -> dict[str, Tensor]:
    return getattr(module, "terms", {})


def _not_finite(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(term) for name, term in terms.items() if not math.isfinite(term)}


def _agreed_message(message: str) -> str:
    """The same message in all processes: one that names damaged sequences, else any that is not empty.

    Gathered embeddings carry the damage of one process to all others, whose own sequences are not the cause.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return message
    messages = [""] * dist.get_world_size()
    dist.all_gather_object(messages, message)
    return min((text for text in messages if text), key=lambda text: f"of {DAMAGED}" not in text)


def _sequences(trainer: Trainer, parts: dict[str, GaitBatch]) -> str:
    """Subject/condition/view of the sequences of a batch; if some hold such numbers, of these only."""
    stores = {name: datamodule_of(trainer).store_of(name) for name in parts}
    found = [(stores[name], index) for name, batch in parts.items() for index in _non_finite_sequences(batch)]
    every = [(stores[name], index) for name, batch in parts.items() for index in batch.indices.tolist()]
    walks = [store.sequences[index] for store, index in found or every]
    names = list(dict.fromkeys(f"{walk.subject}/{walk.condition}/{walk.view}" for walk in walks))
    return f"{DAMAGED if found else 'sequences'} {_first_names(names)}"


def _non_finite_sequences(batch: GaitBatch) -> list[int]:
    """Indices in the store of the sequences whose silhouettes or truth are not finite."""
    arrays = [batch.silhouettes, *([] if batch.truth is None else vars(batch.truth).values())]
    finite = [reduce(array.isfinite().float(), "b ... -> b", "min") for array in arrays]
    return batch.indices[torch.stack(finite).amin(0) == 0].tolist()


def _first_names(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"

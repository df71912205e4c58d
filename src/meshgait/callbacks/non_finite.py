"""Numbers that are not finite stop a training before they reach its weights."""

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
    """Looks at loss terms and gradients before each optimiser step, with one number to wait for.

    Gradients are left out with a scaler (16-mixed): it meets infinite ones all the time and skips such steps.
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
        """Note which batch it is."""
        self._batch = batch_idx, batch if isinstance(batch, dict) else {"identity": batch}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Keep what gradients are still gathered over; drop what has been stepped on."""
        gathers = (batch_idx + 1) % trainer.accumulate_grad_batches
        self._seen = [*self._seen, (*self._batch, _terms(pl_module))] if gathers else []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:  # noqa: ANN401
        """Stop, with all processes, before the weights are touched.

        Raises:
            TrainingError: which term or which gradients, of which batch and sequences.
        """
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        seen = [*self._seen, (*self._batch, _terms(pl_module))]
        figures = [term for *_, terms in seen for term in terms.values()]
        gradients = [] if scaled else [p.grad for p in pl_module.parameters() if p.grad is not None]
        if gradients:  # the largest: a sum of squares may overflow where they do not
            figures.append(get_total_norm(gradients, float("inf")))
        wrong = bool(figures) and not torch.stack([f.float() for f in figures]).isfinite().all().item()
        if trainer.strategy.reduce_boolean_decision(wrong, all=False):
            raise TrainingError(_everywhere(self._message(trainer, pl_module, seen) if wrong else ""))

    def _message(self, trainer: Trainer, module: LightningModule, seen: list[Seen]) -> str:
        remedy = "lower model.optimizer.lr or mend these sequences, then repeat the command with --ckpt_path last"
        number, parts, terms = next((one for one in seen if _not_finite(one[-1])), seen[-1])
        what = ", ".join(f"{name} is {value}" for name, value in _not_finite(terms).items())
        if not what:
            gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
            names = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
            what = f"{len(names)} of {len(gradients)} gradients are not finite ({_some(names)})"
        where = f"epoch {trainer.current_epoch}, batch {number} (step {trainer.global_step})"
        return f"{what} in {where}, of {_sequences(trainer, parts)}; no weight was changed: {remedy}"


def _terms(module: LightningModule) -> dict[str, Tensor]:
    return getattr(module, "terms", {})


def _not_finite(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(term) for name, term in terms.items() if not math.isfinite(term)}


def _everywhere(message: str) -> str:
    """In all processes the message of one: the first that found damage, else the first that is not empty.

    What is gathered for the loss carries one's damage to all others, whose sequences are not to blame.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return message
    messages = [""] * dist.get_world_size()
    dist.all_gather_object(messages, message)
    return min((text for text in messages if text), key=lambda text: f"of {DAMAGED}" not in text)


def _sequences(trainer: Trainer, parts: dict[str, GaitBatch]) -> str:
    """Subject/condition/view of a batch's sequences; only of those that hold such numbers, if any do."""
    stores = {name: datamodule_of(trainer).store_of(name) for name in parts}
    found = [(stores[name], index) for name, batch in parts.items() for index in _wrong(batch)]
    every = [(stores[name], index) for name, batch in parts.items() for index in batch.indices.tolist()]
    walks = [store.sequences[index] for store, index in found or every]
    names = list(dict.fromkeys(f"{walk.subject}/{walk.condition}/{walk.view}" for walk in walks))
    return f"{DAMAGED if found else 'sequences'} {_some(names)}"


def _wrong(batch: GaitBatch) -> list[int]:
    """Places in the store of the sequences with silhouettes or truth that are not finite."""
    arrays = [batch.silhouettes, *([] if batch.truth is None else vars(batch.truth).values())]
    finite = [reduce(array.isfinite().float(), "b ... -> b", "min") for array in arrays]
    return batch.indices[torch.stack(finite).amin(0) == 0].tolist()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"

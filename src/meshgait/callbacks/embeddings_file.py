"""Embeddings of a whole store as ``embeddings.npz`` in the run folder (`meshgait predict --config ...`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor


class EmbeddingsFile(BasePredictionWriter):
    """Write what a prediction gave when it is whole.

    The file holds ``embeddings`` (N, S, C) float32 and, in the same order, ``subject``, ``condition``, ``view``.
    With several devices each writes its share as ``embeddings-RANK.npz``.
    """

    def __init__(self) -> None:
        super().__init__("epoch")

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[dict[str, Tensor]],
        batch_indices: Sequence[Any],
    ) -> None:
        """Gather the batches of `predict_step` and write them."""
        indices = torch.cat([batch["indices"] for batch in predictions]).tolist()
        sequences = [trainer.datamodule.store.sequences[index] for index in indices]
        columns = {key: np.array([getattr(s, key) for s in sequences]) for key in ("subject", "condition", "view")}
        embeddings = torch.cat([batch["embeddings"] for batch in predictions]).float().cpu().numpy()
        rank = f"-{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = Path(trainer.default_root_dir) / f"embeddings{rank}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:  # np.savez would append a suffix to a name
            np.savez(file, embeddings=embeddings, **columns)
        temporary.replace(path)
        print(f"{path}: embeddings {embeddings.shape} (sequences, strips, channels)")

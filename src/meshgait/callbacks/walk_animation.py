"""A held-out walker in motion, as the network sees it, drawn while training."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from lightning import LightningModule, Trainer

from meshgait.batch import GaitBatch, SmplTruth
from meshgait.callbacks.lookup import reconstructor_of, supervision_of
from meshgait.callbacks.panels import panel_rows
from meshgait.callbacks.pictures import Pictures
from meshgait.data.trainer_data import datamodule_of
from meshgait.viz.walk import save_animation, walk_frames


class WalkAnimation(Pictures):
    """Draw a test sequence as a GIF: silhouette, heatmaps, skeletons and meshes, predicted beside true.

    Args:
        frames: pictures of the GIF; it is every second frame of the sequence, or every one of a short sequence.
        every: number of validations from one drawing to the next; the last one of a fit is always drawn.
    """

    def __init__(self, frames: int = 15, every: int = 1) -> None:
        super().__init__(every)
        self.frames = frames

    def draw(self, trainer: Trainer, module: LightningModule) -> None:
        """The GIF, if the network has a 3D branch."""
        supervision = supervision_of(module)
        if supervision is None:
            return
        batch, pace = self._batch(trainer)
        rows = panel_rows(reconstructor_of(module), supervision, batch.to(module.device))
        pictures = walk_frames(rows, supervision.faces.cpu().numpy())
        self.keep(trainer, "walk", "gif", lambda path: save_animation(pictures, path, fps=25 / pace))

    def _batch(self, trainer: Trainer) -> tuple[GaitBatch, int]:
        """Frames of the test sequence in the middle of all, and how many frames of the store lie between two."""
        loader = trainer.val_dataloaders
        assert loader is not None  # there is one while validating
        dataset = loader.dataset
        index = dataset.indices[len(dataset.indices) // 2]
        store = datamodule_of(trainer).store
        length = store.sequences[index].frames
        pace = 2 if length >= 2 * self.frames else 1
        chosen = np.arange(0, length, pace)[: self.frames]
        truth = None
        if store.has_smpl:
            truth = SmplTruth(
                **{
                    name: rearrange(torch.from_numpy(array), "t ... -> 1 t ...")
                    for name, array in store.smpl(index, chosen).items()
                }
            )
        frames = torch.from_numpy(store.silhouettes(index, chosen)).float() / 255
        one, mask = torch.tensor([index]), torch.ones(1, len(chosen), dtype=torch.bool)
        return GaitBatch(rearrange(frames, "t h w -> 1 t h w"), mask, -torch.ones_like(one), one, truth), pace

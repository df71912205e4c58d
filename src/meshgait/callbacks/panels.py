"""Heatmap pictures while training: PNG files in the run folder, and the same to the logger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from PIL import Image

from meshgait.batch import GaitBatch
from meshgait.models.lifter import Reconstructor
from meshgait.viz.panels import PanelRow, heatmap_panel


class HeatmapPanels(Callback):
    """Draw silhouette, volumes, skeleton and mesh of a few test frames, predicted beside true.

    Args:
        rows: frames a picture, spread over the first test sequences.
        every: draw after every so many validations; the last one of a fit is always drawn.
    """

    def __init__(self, rows: int = 6, every: int = 1) -> None:
        self.rows, self.every, self._count = rows, every, 0

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, if it is time to."""
        supervision = getattr(pl_module, "supervision", None)
        if trainer.sanity_checking or supervision is None or not trainer.is_global_zero:
            return
        self._count += 1
        last = trainer.max_epochs not in (None, -1) and trainer.current_epoch + 1 >= trainer.max_epochs
        if self._count % self.every and not last:
            return
        batch = self._batch(trainer).to(pl_module.device)
        network = pl_module.network
        reconstructor = network if isinstance(network, Reconstructor) else network.reconstructor()
        picture = heatmap_panel(panel_rows(reconstructor, supervision, batch), supervision.faces.cpu().numpy())
        folder = Path(trainer.default_root_dir) / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"heatmaps-{trainer.global_step:06d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("pictures/heatmaps", [picture], trainer.global_step)

    def _batch(self, trainer: Trainer) -> GaitBatch:
        """One frame each of sequences spread over the test set, the same ones every time."""
        loader = trainer.val_dataloaders
        indices = [index for part in loader.batch_sampler for index in part]
        chosen = np.linspace(0, len(indices) - 1, min(self.rows, len(indices))).astype(int)
        samples = []
        for order, place in enumerate(chosen):
            sample = loader.dataset[indices[place]]
            frame = slice(pick := (7 * order) % len(sample.silhouettes), pick + 1)
            truth = sample.truth and {name: array[frame] for name, array in sample.truth.items()}
            samples.append(sample._replace(silhouettes=sample.silhouettes[frame], truth=truth))
        return loader.collate_fn(samples)


@torch.no_grad()
def panel_rows(reconstructor: Reconstructor, supervision: torch.nn.Module, batch: GaitBatch) -> list[PanelRow]:
    """Rows to draw of the frames of a batch (B, T, H, W), truth included where the batch has it.

    The networks are used in the mode they are in, which in validation is that of evaluation: to switch modes
    here and back would thaw the parts of a network that are kept frozen.
    """
    frames = rearrange(batch.silhouettes, "b t h w -> (b t) h w")
    estimate = reconstructor(frames)
    vertices = supervision.decode_mesh(estimate)
    true_points = true_vertices = [None] * len(frames)
    if batch.truth is not None:
        flat = [
            rearrange(x, "b t c -> (b t) c") for x in (batch.truth.poses, batch.truth.betas, batch.truth.cameras)
        ]
        target = supervision.targets(*flat)
        true_points, true_vertices = target.joints.cpu().numpy(), target.vertices.cpu().numpy()
    parts = (x.float().cpu().numpy() for x in (frames, estimate.volumes, estimate.points, vertices))
    return [PanelRow(*row) for row in zip(*parts, true_points, true_vertices, strict=True)]

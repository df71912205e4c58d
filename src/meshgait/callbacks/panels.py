"""Heatmap pictures while training, and the same frames' meshes as arrays for galleries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from lightning import LightningModule, Trainer
from PIL import Image

from meshgait.arrays import write_npz
from meshgait.atomic import atomic_file
from meshgait.batch import BodyTargets, GaitBatch
from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.lookup import reconstructor_of, supervision_of
from meshgait.callbacks.pictures import Pictures
from meshgait.data.trainer_data import datamodule_of
from meshgait.models.lifter import Reconstructor
from meshgait.run_folder import RunFolder
from meshgait.stages.supervision import BodySupervision
from meshgait.viz.panels import PanelRow, heatmap_panel

STATURE = 1.7
"""Assumed height of a mesh in metres where there is no truth: silhouettes have no scale."""


class HeatmapPanels(Pictures):
    """Draw silhouette, volumes, skeleton and mesh of a few test frames, predicted beside true.

    Some of these frames' meshes are written to ``mesh.npz`` (the last drawing's only): ``vertices`` and
    ``true_vertices`` (n, V, 3) float16 in metres, y up, pelvis at the origin; ``faces`` (F, 3); ``names`` (n,) of
    the sequences; ``silhouettes`` (n, H, W) uint8.

    Args:
        rows: frames a picture, spread over the first test sequences.
        every: number of validations from one drawing to the next; the last one of a fit is always drawn.
        meshes: number of frames whose meshes are written.
    """

    def __init__(self, rows: int = 6, every: int = 1, meshes: int = 4) -> None:
        super().__init__(every)
        self.rows, self.meshes = rows, meshes

    def draw(self, trainer: Trainer, module: LightningModule) -> None:
        """Picture and meshes, if the network has a 3D branch."""
        supervision = supervision_of(module)
        if supervision is None:
            return
        batch = self._batch(trainer).to(module.device)
        rows = panel_rows(reconstructor_of(module), supervision, batch)
        faces = supervision.faces.cpu().numpy()
        picture = Image.fromarray(heatmap_panel(rows, faces))
        self.keep(trainer, "heatmaps", "png", lambda path: picture.save(path, format="PNG"))
        chosen = np.unique(np.linspace(0, len(rows) - 1, self.meshes).astype(int))
        sequences = datamodule_of(trainer).store.sequences
        names = ["-".join(sequences[index][:3]) for index in batch.indices[chosen].tolist()]
        scales = None if batch.truth is None else batch.truth.cameras[chosen, 0, 0].tolist()
        arrays = mesh_arrays([rows[row] for row in chosen], faces, names, scales)
        root = Path(trainer.default_root_dir)
        meshes = RunFolder(root).meshes
        with best_effort(root, meshes.name), atomic_file(meshes) as path, path.open("wb") as file:
            write_npz(file, arrays)

    def _batch(self, trainer: Trainer) -> GaitBatch:
        """One frame each of sequences spread over the test set, the same ones every time."""
        loader = trainer.val_dataloaders
        assert loader is not None  # there is one while validating
        indices = [index for part in loader.batch_sampler for index in part]
        chosen = np.linspace(0, len(indices) - 1, min(self.rows, len(indices))).astype(int)
        whole = loader.dataset.__getitems__([indices[place] for place in chosen])
        frames = (7 * torch.arange(len(chosen))) % whole.mask.sum(1)
        return whole.at(frames)


@torch.no_grad()
def panel_rows(reconstructor: Reconstructor, supervision: BodySupervision, batch: GaitBatch) -> list[PanelRow]:
    """Rows to draw of the frames of a batch (B, T, H, W), truth included where the batch has it.

    The networks stay in their mode (evaluation mode in a validation): switching modes here and back would put
    frozen parts of a network into training mode.
    """
    frames = rearrange(batch.silhouettes, "b t h w -> (b t) h w")
    estimate = reconstructor(frames)
    vertices = supervision.decode_mesh(estimate)
    true_points: Sequence[np.ndarray | None] | np.ndarray = [None] * len(frames)
    true_vertices = true_points
    if batch.truth is not None:
        truth = batch.truth
        flat = (rearrange(x, "b t c -> (b t) c") for x in (truth.poses, truth.betas, truth.cameras))
        target: BodyTargets = supervision.targets(*flat)
        true_points, true_vertices = target.joints.cpu().numpy(), target.vertices.cpu().numpy()
    parts = (x.float().cpu().numpy() for x in (frames, estimate.volumes, estimate.points, vertices))
    return [PanelRow(*row) for row in zip(*parts, true_points, true_vertices, strict=True)]


def mesh_arrays(
    rows: list[PanelRow], faces: np.ndarray, names: list[str], scales: list[float] | None
) -> dict[str, np.ndarray]:
    """Arrays of ``mesh.npz``, see `HeatmapPanels`.

    Args:
        rows: n frames.
        faces: (F, 3).
        names: n names.
        scales: n times pixels per metre; None takes each mesh to be `STATURE` high.
    """
    if scales is None:
        scales = [np.ptp(row.vertices[:, 1]) / STATURE for row in rows]

    def metres(vertices: np.ndarray, points: np.ndarray, scale: float) -> np.ndarray:
        return ((vertices - points[:1]) * (1, -1, 1) / scale).astype(np.float16)

    arrays = {
        "vertices": np.stack([metres(r.vertices, r.points, s) for r, s in zip(rows, scales, strict=True)]),
        "faces": faces.astype(np.int32),
        "names": np.array(names),
        "silhouettes": np.stack([(255 * row.silhouette).round().astype(np.uint8) for row in rows]),
    }
    true = [
        metres(row.true_vertices, row.true_points, scale)
        for row, scale in zip(rows, scales, strict=True)
        if row.true_vertices is not None and row.true_points is not None
    ]
    if true:
        arrays["true_vertices"] = np.stack(true)
    return arrays

"""SMPL fits -> the silhouette frame: the crop rule applied to the fitted mesh, and which fits to trust.

Data sets with SMPL fits (Gait3D) give a row of 85 numbers a frame: camera 3, pose 72, betas 10. The row's camera
belongs to the image before the crop, which is not there. But the crop rule does not need it: the
figure fills the crop from the first row to the last, and the column that halves its mass is in the middle. A mesh
that is to lie where its silhouette lies must do the same, which gives pixels per metre and position
(`meshgait.body.targets`). How well mesh and silhouette then agree says whether the fit can be trusted.

Axes: fits of images (HMR, SPIN, ROMP and others) are in a camera frame with x right, y **down** and z away from
the camera. Ours has y up and z towards the camera: half a turn about x, diag(1, -1, -1), leads from one to the
other. People walk upright, so which of the two a sequence has shows in where their pelvises point; a fit with
other axes, mirrored or of another moment then shows by its low overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.body.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from meshgait.body.outline import FARTHEST, iou
from meshgait.body.raster import Topology, fill, outlines
from meshgait.body.skeleton import NUM_JOINTS
from meshgait.body.smpl import BodyModel
from meshgait.body.targets import to_pixels
from meshgait.errors import ConfigError, DataError

ROW = 85
"""Numbers of a fit: camera 3 (unused), pose 72, betas 10."""

CARRIED = 4
"""Columns by which a bag moves the middle of a silhouette, at most."""

CHUNK = 32
"""Frames posed at a time: bounds memory, 2.6 MB of vertices at SMPL's 6,890."""

HALF_TURN = (1.0, -1.0, -1.0)
"""Diagonal of half a turn about x, from a camera frame with y down to ours, and back."""

ABSURD = 100.0
"""Radians or standard deviations that no fit has."""

TALL = 1.7
"""Metres; gives frames without a usable fit a harmless camera."""


@dataclass(frozen=True)
class Aligned:
    """Fits of T frames in the silhouette frame, as a store keeps them (float32).

    Attributes:
        poses: (T, 72) axis-angle, global orientation in our camera frame; zeros where there was no fit.
        betas: (T, 10); zeros where there was no fit.
        cameras: (T, 3) = s [px / m], tx, ty [px]: where the pelvis joint lies in the crop.
        valid: (T,) bool, whether mesh and silhouette agree.
        iou: (T,) intersection over union of mesh and silhouette; 0 where there was no fit.
        mirrored: (T,) the same for the mirror image of the mesh; mostly higher than `iou` only if the fits'
            axes are not what they were taken for, or left and right are swapped.
        axes: direction of y in the camera frame of the fits: "down" or "up".
    """

    poses: np.ndarray
    betas: np.ndarray
    cameras: np.ndarray
    valid: np.ndarray
    iou: np.ndarray
    mirrored: np.ndarray
    axes: str


class Aligner:
    """Brings SMPL fits into the silhouette frame; can be pickled for worker processes.

    PyTorch poses the body: a forked worker should call `torch.set_num_threads(1)` first.

    Args:
        body: the body model that the fits are of; the betas of another one mean other shapes.
        size: (H, W) of the silhouettes in pixels.
        threshold: least intersection over union of a frame to be trusted.
        axes: direction of y in the camera frame of the fits; "auto" finds out for each sequence.

    Raises:
        ConfigError: the threshold or the axes are out of range.
    """

    def __init__(
        self,
        body: BodyModel,
        size: tuple[int, int] = (64, 44),
        threshold: float = 0.5,
        axes: Literal["auto", "down", "up"] = "auto",
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ConfigError(f"the IoU threshold is {threshold:g}", "it must be between 0 (all fits) and 1")
        if axes not in ("auto", "down", "up"):
            raise ConfigError(f"the axes of the fits are {axes!r}", "choose auto, down or up")
        self.body, self.size, self.threshold, self.axes = body, (size[0], size[1]), threshold, axes

    @cached_property
    def _topology(self) -> Topology:
        return Topology.of(self.body.faces)

    def __call__(self, rows: np.ndarray, silhouettes: np.ndarray) -> Aligned:
        """Align the fits of one sequence.

        Args:
            rows: (T, 85) camera 3, pose 72 (radians, global orientation in the camera frame), betas 10. Rows that
                are not finite or absurd, or whose pose is all zero, are frames without a fit.
            silhouettes: (T, H, W) uint8 0..255 of the same frames.

        Returns:
            Poses, betas, cameras, and which frames to trust.

        Raises:
            DataError: rows of another width or number, or silhouettes of another size.
        """
        rows, silhouettes = np.asarray(rows), np.asarray(silhouettes)
        self._check(rows, silhouettes)
        sound = np.isfinite(rows).all(axis=1) & rows[:, 3:75].any(axis=1)
        sound &= np.abs(rows[:, 3:]).max(axis=1, initial=0) < ABSURD
        usable = torch.from_numpy(rows[sound].astype(np.float32))
        poses, betas = usable[:, 3:75].clone(), usable[:, 75:]
        with torch.no_grad():
            axes = _axes(poses) if self.axes == "auto" else self.axes
            if axes == "down":
                turn = torch.diag(torch.tensor(HALF_TURN))
                poses[:, :3] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(poses[:, :3]))
            figures = silhouettes[sound] > 127
            parts = zip(poses.split(CHUNK), betas.split(CHUNK), _split(figures), strict=True)
            placed = [self._place(*part) for part in parts if len(part[0])]
        height, width = self.size
        result: dict[str, np.ndarray] = {
            "poses": np.zeros((len(rows), 3 * NUM_JOINTS), np.float32),
            "betas": np.zeros((len(rows), 10), np.float32),
            "cameras": np.full((len(rows), 3), (height / TALL, width / 2, height / 2), np.float32),
            "iou": np.zeros(len(rows)),
            "mirrored": np.zeros(len(rows)),
        }
        if placed:
            result["poses"][sound], result["betas"][sound] = poses.numpy(), betas.numpy()
            for name, values in zip(("cameras", "iou", "mirrored"), zip(*placed, strict=True), strict=True):
                result[name][sound] = np.concatenate(values)
        return Aligned(
            result["poses"],
            result["betas"],
            result["cameras"],
            valid=sound & (result["iou"] >= self.threshold),
            iou=result["iou"],
            mirrored=result["mirrored"],
            axes=axes,
        )

    def _check(self, rows: np.ndarray, silhouettes: np.ndarray) -> None:
        """Refuse what cannot be fits and silhouettes of the same frames."""
        if rows.ndim != 2 or rows.shape[1] != ROW or rows.dtype.kind not in "fiu":
            raise DataError(
                f"SMPL fits are {rows.dtype} {rows.shape}, not numbers (T, {ROW}) = camera 3, pose 72, betas 10",
                "check which file of the sequence holds them",
            )
        if silhouettes.shape[1:] != self.size or silhouettes.dtype != np.uint8:
            raise DataError(
                f"silhouettes are {silhouettes.dtype} {silhouettes.shape}, not uint8 (T, {self.size[0]}, "
                f"{self.size[1]})",
                "put them through the crop rule first",
            )
        if len(rows) != len(silhouettes):
            raise DataError(
                f"{len(rows)} SMPL fits do not go with {len(silhouettes)} silhouettes",
                "both must be of the same frames: drop the same ones of both",
            )

    def _place(
        self, poses: Tensor, betas: Tensor, figures: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cameras (N, 3), overlap (N,) and that of the mirror image, of N frames in our camera frame."""
        height, width = self.size
        posed = self.body(betas, poses)
        vertices = posed.vertices - posed.joints[:, :1]
        top, bottom = vertices[..., 1].amax(dim=1), vertices[..., 1].amin(dim=1)
        scale = height / (top - bottom).clamp_min(1e-3)
        cameras = torch.stack([scale, torch.full_like(scale, width), scale * top], dim=1)
        pixels = to_pixels(vertices, cameras)[..., :2].clamp(-FARTHEST, FARTHEST).numpy()
        edges = outlines(np.ascontiguousarray(rearrange(pixels, "t v c -> c v t")), self._topology)
        # first in a frame of double width with the pelvis in its middle, for the crop rule counts all of the mass
        wide = fill(edges, len(poses), (height, 2 * width)) > 0
        shift = (_middle(figures) - _middle(wide)).astype(np.float32)
        edges[[1, 3]] += shift[edges[0].astype(np.int64)]
        # what is carried moves the middle of the silhouette, but not the figure under it
        masks = fill(edges, len(poses), self.size) > 0
        further, _ = _best_shift(masks, figures)
        # mirrored, the column of the middle goes to its counterpart; the crop rule would bring it back
        _, mirrored = _best_shift(np.roll(masks[..., ::-1], (width + 1) % 2, axis=2), figures)
        edges[[1, 3]] += further[edges[0].astype(np.int64)]
        cameras[:, 1] += torch.from_numpy(shift + further)
        return cameras.numpy(), iou(fill(edges, len(poses), self.size) > 0, figures), mirrored


def _axes(poses: Tensor) -> str:
    """Direction of y in a camera frame in which most of the pelvises (N, 72) stand upright; "down" without any."""
    upwards = axis_angle_to_matrix(poses[:, :3])[:, 1, 1]
    return "up" if len(poses) and (upwards > 0).float().mean() > 0.5 else "down"


def _split(frames: np.ndarray) -> list[np.ndarray]:
    """Chunks of frames, as `Tensor.split` makes them: one, empty, if there are none."""
    return [frames[start : start + CHUNK] for start in range(0, max(len(frames), 1), CHUNK)]


def _best_shift(masks: np.ndarray, figures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns (N,) float32, at most `CARRIED` either way, by which masks overlap figures most, and the IoU (N,).

    Of masks and figures (N, H, W). What is moved out of the crop still counts to the union.
    """
    width = masks.shape[2]
    wide = np.pad(figures, ((0, 0), (0, 0), (CARRIED, CARRIED)))
    shifts = sorted(range(-CARRIED, CARRIED + 1), key=abs)  # of equal overlaps, the least shift
    overlaps = np.array([(masks & wide[..., CARRIED + by : CARRIED + by + width]).sum((1, 2)) for by in shifts])
    best = overlaps.max(axis=0)
    union = masks.sum((1, 2)) + figures.sum((1, 2)) - best
    return np.array(shifts, np.float32)[overlaps.argmax(axis=0)], best / np.maximum(union, 1)


def _middle(masks: np.ndarray) -> np.ndarray:
    """Column (N,) where the cumulative mass of masks (N, H, W) reaches one half, continuous; W / 2 if empty.

    The crop rule takes the pixel in which it lies; to place one mask on another, the place within it counts.
    """
    mass = np.cumsum(masks.sum(axis=1), axis=1, dtype=np.float64)
    half = mass[:, -1:] / 2
    column = np.argmax(mass > half, axis=1)
    index = np.arange(len(masks))
    before = np.where(column > 0, mass[index, column - 1], 0.0)
    share = (half[:, 0] - before) / np.maximum(mass[index, column] - before, 1.0)
    return np.where(mass[:, -1] > 0, column + share, masks.shape[2] / 2)

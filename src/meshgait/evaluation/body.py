"""Errors of reconstructed bodies in millimetres: MPJPE, PA-MPJPE, MPVPE.

All are root-relative: the root joint (the pelvis) of both bodies is put at the origin, and what the camera leaves
undetermined does not count. Inputs are metres.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import einsum, rearrange
from torch import Tensor
from torchmetrics import Metric

from meshgait.errors import DataError

MILLIMETRES = 1000.0
# sums in double precision do not depend on how frames were shared among processes; MPS has none
SUMS = torch.float32 if torch.backends.mps.is_available() else torch.float64


def _distances(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over points of the Euclidean distance: (N, P, 3) metres twice -> (N,) mm."""
    if predicted.shape != target.shape or predicted.ndim != 3 or predicted.shape[-1] != 3:
        raise DataError(
            f"predicted points are {tuple(predicted.shape)}, true points {tuple(target.shape)}: both must be "
            "(N, P, 3) of one body",
            "compare the same joints or the same body model",
        )
    return MILLIMETRES * (predicted.float() - target.float()).norm(dim=-1).mean(-1)


def mpjpe(predicted: Tensor, target: Tensor, root: int = 0) -> Tensor:
    """Mean per-joint position error: (N, J, 3) metres twice -> (N,) mm, joint ``root`` put at the origin."""
    return _distances(
        predicted.float() - predicted[:, root : root + 1].float(),
        target.float() - target[:, root : root + 1].float(),
    )


def mpvpe(predicted: Tensor, target: Tensor, predicted_root: Tensor, target_root: Tensor) -> Tensor:
    """Mean per-vertex position error: (N, V, 3) metres twice, root joints (N, 3) -> (N,) mm."""
    centred = (
        points.float() - rearrange(root.float(), "n xyz -> n 1 xyz")
        for points, root in ((predicted, predicted_root), (target, target_root))
    )
    return _distances(*centred)


def pa_mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """MPJPE after the best similarity (`procrustes`): (N, J, 3) metres twice -> (N,) mm."""
    return _distances(procrustes(predicted, target), target)


def procrustes(source: Tensor, target: Tensor) -> Tensor:
    """Move, turn and scale each source onto its target: (N, P, 3) twice -> (N, P, 3).

    Least squares over rotations without reflection (Umeyama, TPAMI 1991), in float32 also under autocast.
    A source whose points coincide goes to the target's centre.
    """
    with torch.autocast(source.device.type, enabled=False):
        source, target = source.float(), target.float()
        source_centre, target_centre = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
        centred, goal = source - source_centre, target - target_centre
        # columns of goal x rows of source: the map from source to target axes
        u, singular, vt = torch.linalg.svd(einsum(goal, centred, "n p i, n p j -> n i j"))
        # the smallest axis is turned over where the best orthogonal map would be a mirror image
        signs = torch.ones_like(singular)
        signs[:, 2] = torch.linalg.det(u @ vt).sign()
        rotation = einsum(u, signs, vt, "n i k, n k, n k j -> n i j")
        spread = centred.square().sum((1, 2)).clamp(min=torch.finfo(centred.dtype).tiny)
        scale = rearrange((singular * signs).sum(-1) / spread, "n -> n 1 1")
        return scale * einsum(rotation, centred, "n i j, n p j -> n p i") + target_centre


class BodyErrors(Metric):
    """Means over frames of MPJPE, PA-MPJPE and, where vertices are given, MPVPE, in mm.

    Sums and counts are what processes exchange, so a process without a frame does no harm.

    Args:
        root: index of the root joint.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    joints_sum: Tensor
    aligned_sum: Tensor
    vertices_sum: Tensor
    frames: Tensor
    vertex_frames: Tensor

    def __init__(self, root: int = 0, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.root = root
        for name in ("joints", "aligned", "vertices"):
            self.add_state(f"{name}_sum", torch.tensor(0.0, dtype=SUMS), dist_reduce_fx="sum")
        self.add_state("frames", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("vertex_frames", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        joints: Tensor,
        target_joints: Tensor,
        vertices: Tensor | None = None,
        target_vertices: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """Take joints (N, J, 3) and vertices (N, V, 3) in metres of the frames where mask (N,) bool is True."""
        if mask is None:
            mask = torch.ones(len(joints), dtype=torch.bool, device=joints.device)
        joints, target_joints = joints.detach()[mask], target_joints.detach()[mask]
        if not len(joints):
            return
        self.joints_sum += mpjpe(joints, target_joints, self.root).sum(dtype=SUMS)
        self.aligned_sum += pa_mpjpe(joints, target_joints).sum(dtype=SUMS)
        self.frames += len(joints)
        if vertices is not None and target_vertices is not None:
            roots = joints[:, self.root], target_joints[:, self.root]
            errors = mpvpe(vertices.detach()[mask], target_vertices.detach()[mask], *roots)
            self.vertices_sum += errors.sum(dtype=SUMS)
            self.vertex_frames += len(joints)

    def compute(self) -> dict[str, Tensor]:
        """{"mpjpe", "pa_mpjpe"} and, where vertices came, {"mpvpe"}; NaN where no frame came."""
        errors = {"mpjpe": self.joints_sum / self.frames, "pa_mpjpe": self.aligned_sum / self.frames}
        return errors | ({"mpvpe": self.vertices_sum / self.vertex_frames} if self.vertex_frames else {})

"""SMPL truth -> targets of the 3D branch, in the silhouette frame.

A point (X, Y, Z) in metres, camera frame (x right in the image, y up, z towards the camera), relative to the
pelvis, lies at u = s X + tx, v = ty - s Y, d = s Z crop pixels. Depth is scaled like height and width, so a
volume is isotropic, and d = 0 at the pelvis.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import BodyTargets, SmplTruth
from meshgait.body.geometry import axis_angle_to_matrix, matrix_to_axis_angle, mirror_pose
from meshgait.body.markers import Markers
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError


def to_pixels(points: Tensor, cameras: Tensor) -> Tensor:
    """Camera-frame metres relative to the pelvis -> crop pixels.

    Args:
        points: (N, P, 3) metres.
        cameras: (N, 3) = s, tx, ty.

    Returns:
        (N, P, 3) = (u, v, d).
    """
    scale, tx, ty = rearrange(cameras, "n c -> c n 1").unbind(0)
    x, y, z = points.unbind(-1)
    return torch.stack([scale * x + tx, ty - scale * y, scale * z], dim=-1)


def to_metres(points: Tensor, scale: Tensor) -> Tensor:
    """Crop pixels -> camera-frame metres (y up), up to the origin; make root-relative by subtracting the pelvis.

    Args:
        points: (N, P, 3) = (u, v, d).
        scale: (N,) pixels per metre.

    Returns:
        (N, P, 3) metres.
    """
    return points * points.new_tensor([1.0, -1.0, 1.0]) / rearrange(scale, "n -> n 1 1")


def follow(
    truth: SmplTruth, frame: tuple[int, int], flip: Tensor, angle: Tensor, scale: Tensor, shift: Tensor
) -> SmplTruth:
    """Truth of silhouettes that were mirrored, turned, scaled and shifted, in this order.

    Args:
        truth: of B sequences.
        frame: (H, W) of the crop; turning and scaling are about its centre.
        flip: (B,) bool, mirrored left to right (exact for a symmetric body).
        angle: (B,) radians, clockwise as seen in the image.
        scale: (B,) factor of enlargement.
        shift: (B, 2) pixels to the right and down.
    """
    height, width = frame
    poses = torch.where(rearrange(flip, "b -> b 1 1"), mirror_pose(truth.poses), truth.poses)
    size, tx, ty = truth.cameras.unbind(-1)
    # from here on relative to the centre
    right, down = torch.where(flip[:, None], width - tx, tx) - width / 2, ty - height / 2
    cos, sin, grow = (rearrange(x, "b -> b 1") for x in (torch.cos(angle), torch.sin(angle), scale))
    tx = grow * (cos * right - sin * down) + width / 2 + shift[:, :1]
    ty = grow * (sin * right + cos * down) + height / 2 + shift[:, 1:]
    # clockwise in the image is a negative turn about the camera frame's z axis, which points at the viewer
    turn = torch.stack([torch.zeros_like(angle), torch.zeros_like(angle), -angle], dim=-1)
    root = axis_angle_to_matrix(rearrange(turn, "b c -> b 1 c")) @ axis_angle_to_matrix(poses[..., :3])
    poses = torch.cat([matrix_to_axis_angle(root), poses[..., 3:]], dim=-1)
    return SmplTruth(poses, truth.betas, torch.stack([size * grow, tx, ty], dim=-1), truth.valid)


class TargetMaker(nn.Module):
    """Pose the body and bring joints, markers and vertices into the silhouette frame; nothing is learnt.

    Args:
        body: the body model.
        markers: virtual markers of that body.

    Raises:
        BodyModelError: the markers were learnt for another body.
    """

    indices: Tensor

    def __init__(self, body: BodyModel, markers: Markers) -> None:
        super().__init__()
        if markers.body != body.hash:
            raise BodyModelError(
                f"markers are of body {markers.body}, the body in use is {body.hash}",
                "learn them with `meshgait markers`",
            )
        self.body = body.requires_grad_(False)
        self.register_buffer("indices", torch.as_tensor(markers.indices), persistent=False)

    @torch.no_grad()
    def forward(self, poses: Tensor, betas: Tensor, cameras: Tensor) -> BodyTargets:
        """Targets of N frames from poses (N, 72), betas (N, 10), cameras (N, 3)."""
        with torch.autocast(poses.device.type, enabled=False):
            posed = self.body(betas.float(), poses.float())
            pelvis = posed.joints[:, :1]
            joints = to_pixels(posed.joints - pelvis, cameras)
            vertices = to_pixels(posed.vertices - pelvis, cameras)
        return BodyTargets(joints, vertices[:, self.indices], vertices, cameras[:, 0])

"""Reading the reconstructed points: posture and movement in the walker's own frame, whatever the view.

The volumes are seen from the camera, so what a convolution reads from them still depends on the view. The points
of the same volumes can be turned to face one way. This goes beyond the paper.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

LEFT, RIGHT = [1, 13, 16], [2, 14, 17]  # hips, collars, shoulders of SMPL's joints
MOMENTS = 2


def turn_to_front(points: Tensor, mask: Tensor) -> Tensor:
    """Turn sequences of points about the vertical so that the walker's left lies along +x.

    One heading a sequence, from the mean of its valid frames: the yaw that alternates with each step is a trait
    and stays.

    Args:
        points: (B, T, K, 3) = (u, v, d) crop pixels, SMPL's joints first.
        mask: (B, T) bool.

    Returns:
        (B, T, K, 3) = (left, down, forward), the mean of the points at the origin. (Not the pelvis: subtracting
        one point from all would put its error into all.)
    """
    centred = points - points.mean(2, keepdim=True)
    across = (centred[:, :, LEFT] - centred[:, :, RIGHT]).mean(2)[..., [0, 2]]
    across = torch.where(mask[..., None], across, torch.zeros_like(across)).sum(1)
    cos, sin = nn.functional.normalize(across, dim=-1, eps=1e-3).unbind(-1)
    u, v, d = centred.unbind(-1)
    cos, sin = (rearrange(x, "b -> b 1 1") for x in (cos, sin))
    return torch.stack([cos * u + sin * d, v, cos * d - sin * u], dim=-1)


def temporal_moments(values: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation over valid frames: (B, T, X) -> (B, 2 X)."""
    weight = rearrange(mask.to(values.dtype) / mask.sum(1, keepdim=True).clamp(min=1), "b t -> b t 1")
    mean = (values * weight).sum(1)
    variance = ((values - mean[:, None]).square() * weight).sum(1)
    return torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1)


class PostureReader(nn.Module):
    """Moments of the turned points as further parts of the embedding, beside the silhouette's strips.

    The points are read as measurements: no gradient goes back to them. (With it, the identity losses moved the
    pelvis joint by 7 cm to encode who it is, and the root-relative error rose from 43 to 92 mm.)

    Args:
        points: number of joints and markers.
        height: of the crop in pixels, the unit of length.
        parts: vectors to make.
        channels: of each.
        hidden: width in between.
    """

    def __init__(self, points: int, height: int, parts: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.unit, self.parts = height / 16, parts
        width = MOMENTS * 3 * points
        self.net = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, parts * channels),
        )

    def forward(self, points: Tensor, mask: Tensor) -> Tensor:
        """(B T, K, 3) crop pixels, (B, T) -> (B, parts, channels)."""
        points = rearrange(points.detach(), "(b t) k c -> b t k c", b=mask.shape[0])
        turned = turn_to_front(points, mask) / self.unit
        summary = temporal_moments(rearrange(turned, "b t k c -> b t (k c)"), mask)
        return rearrange(self.net(summary), "b (p c) -> b p c", p=self.parts)

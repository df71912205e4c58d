"""Reading 3D instead of reconstructing it: the spatial transformation of SMPLGait (Zheng et al., CVPR 2022).

A baseline for the comparison "3D read against 3D reconstructed": it needs SMPL parameters of each frame, also at
inference.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import einsum, rearrange
from torch import Tensor, nn
from torch.nn.functional import pad

PARAMETERS = 85
"""Camera 3, pose 72, betas 10."""


class SmplTransform(nn.Module):
    """Feature maps times a matrix that an MLP makes of the frame's SMPL parameters: X (I + G).

    Args:
        side: of the square maps; narrower maps are padded with zeros on the right.
        dropout: in the MLP.
    """

    def __init__(self, side: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.side = side
        widths = (PARAMETERS, 128, 256)
        layers = [
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(inplace=True), nn.Dropout(dropout))
            for a, b in pairwise(widths)
        ]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], side * side), nn.BatchNorm1d(side * side))

    def forward(self, maps: Tensor, smpl: Tensor, valid: Tensor) -> Tensor:
        """Transform maps.

        Args:
            maps: (N, C, side, w), w at most ``side``.
            smpl: (N, 85) parameters.
            valid: (N,) bool; frames without parameters stay as they are.

        Returns:
            (N, C, side, side).
        """
        change = rearrange(self.net(smpl), "n (w u) -> n w u", w=self.side)
        change = torch.where(rearrange(valid, "n -> n 1 1"), change, torch.zeros_like(change))
        matrix = change + torch.eye(self.side, device=maps.device, dtype=change.dtype)
        wide = pad(maps, (0, self.side - maps.shape[-1]))
        return einsum(wide, matrix, "n c h w, n w u -> n c h u")

"""The body in numpy: rest shapes and linear blend skinning of whole sequences, without torch.

Formulas: Loper et al., SMPL, 2015. Products that BLAS could split over threads are avoided, so that results
do not depend on the number of threads or workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from einops import rearrange
from scipy import sparse

from meshgait.synthetic.rotations import turn

JOINTS = 24


class Rig:
    """A body model's arrays, prepared for skinning.

    Args:
        arrays: SMPL's own names: v_template (V, 3), shapedirs (V, 3, B), posedirs (V, 3, 207),
            J_regressor (24, V), weights (V, 24), kintree_table (2, 24), f (F, 3); metres.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.template = np.asarray(arrays["v_template"], np.float64)
        self.shapedirs = np.asarray(arrays["shapedirs"], np.float64)[..., :10]
        self.regressor = sparse.csr_array(np.asarray(arrays["J_regressor"], np.float64))
        self.weights = np.asarray(arrays["weights"], np.float32)
        self.faces = np.asarray(arrays["f"], np.int64)
        self.parents = tuple(int(p) for p in np.asarray(arrays["kintree_table"])[0].astype(np.int32))
        posedirs = np.asarray(arrays.get("posedirs", np.zeros(1)), np.float32)
        self.posedirs = posedirs if posedirs.any() else None
        self._sparse_weights = sparse.csr_array(self.weights)

    def figure(self, betas: np.ndarray) -> Figure:
        """Rest shape of a person with shape coefficients `betas` (10,)."""
        vertices = self.template + np.sum(self.shapedirs * betas, axis=-1)
        return Figure(self, np.asarray(betas, np.float64), vertices, self.regressor @ vertices)

    def blend(self, transforms: np.ndarray) -> np.ndarray:
        """Blend transforms (T, 24, 3, 4) of the joints into those of the vertices (T, V, 3, 4), float32."""
        stacked = rearrange(transforms.astype(np.float32), "t j a b -> j (t a b)")
        return rearrange(self._sparse_weights @ stacked, "v (t a b) -> t v a b", a=3, b=4)


@dataclass(frozen=True)
class Figure:
    """One person's body in the rest pose.

    Attributes:
        rig: the body model.
        betas: (10,).
        vertices: (V, 3) metres.
        joints: (24, 3) metres.
    """

    rig: Rig
    betas: np.ndarray
    vertices: np.ndarray
    joints: np.ndarray

    @property
    def bones(self) -> np.ndarray:
        """Offset of each joint from its parent in the rest pose (24, 3), zero for the root."""
        parents = np.array(self.rig.parents)
        return np.where((parents < 0)[:, None], 0.0, self.joints - self.joints[np.maximum(parents, 0)])

    def pose(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chain local rotations (T, 24, 3, 3) to global ones and joint positions (T, 24, 3) from the pelvis."""
        rotations, positions, bones = np.empty_like(local), np.zeros((*local.shape[:2], 3)), self.bones
        for joint, parent in enumerate(self.rig.parents):
            if parent < 0:
                rotations[:, joint] = local[:, joint]
                continue
            rotations[:, joint] = rotations[:, parent] @ local[:, joint]
            positions[:, joint] = positions[:, parent] + turn(rotations[:, parent], bones[joint])
        return rotations, positions

    def skin(self, rotations: np.ndarray, positions: np.ndarray, vertices: np.ndarray | None = None) -> np.ndarray:
        """Vertices (T, V, 3) float32 from the pelvis joint, for global rotations and joint positions.

        Args:
            rotations: (T, 24, 3, 3) global.
            positions: (T, 24, 3) of the joints, from the pelvis.
            vertices: (V, 3) rest vertices to move instead of the naked ones (clothes).
        """
        rest = (self.vertices if vertices is None else vertices).astype(np.float32)
        shift = positions - turn(rotations, self.joints[None])
        transforms = self.rig.blend(np.concatenate([rotations, shift[..., None]], axis=-1))
        if self.rig.posedirs is not None:
            rest = rest + self._pose_offsets(self.rig.posedirs, rotations)
        return np.sum(transforms[..., :3] * rest[..., None, :], axis=-1) + transforms[..., 3]

    def _pose_offsets(self, posedirs: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """SMPL's pose-dependent offsets (T, V, 3): posedirs times (local rotation - identity) of joints 1..23."""
        parents = np.array(self.rig.parents[1:])
        local = np.swapaxes(rotations[:, parents], -1, -2) @ rotations[:, 1:]
        feature = rearrange(local - np.eye(3), "t j a b -> t (j a b)").astype(np.float32)
        return np.einsum("vcp,tp->tvc", posedirs, feature)

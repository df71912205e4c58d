"""Body models in SMPL's format, posed by the `smplx` package (its only use in Mesh-Gait)."""

from __future__ import annotations

import contextlib
import io
import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from smplx import SMPL
from smplx.utils import Struct
from torch import Tensor, nn

from meshgait.body.files import NUM_BETAS, check_arrays, fingerprint, read_arrays
from meshgait.body.geometry import mirror_vertices
from meshgait.body.skeleton import NUM_JOINTS, PARENTS
from meshgait.errors import BodyModelError

DEFAULT = "assets/default_body.npz"

# smplx appends the face keypoints even where hands and feet are switched off; we drop them again, so any
# vertex will do. Its own table would point outside of a body that is not SMPL's.
_NO_KEYPOINTS = dict.fromkeys(("nose", "reye", "leye", "rear", "lear"), 0)


class BodyOutput(NamedTuple):
    """Posed bodies in metres, where the pose puts them (not pelvis-centred).

    Attributes:
        vertices: (N, V, 3).
        joints: (N, 24, 3).
    """

    vertices: Tensor
    joints: Tensor


class BodyModel(nn.Module):
    """A body of SMPL's format: shape and pose in, surface and joints out.

    Axes are SMPL's: y up, facing +z in the rest pose (a T), x to the body's left. Nothing depends on the
    number of vertices. The model has buffers but no parameters; gradients reach betas and poses.

    Args:
        arrays: by SMPL's names, see `files.check_arrays`.
        source: where they came from, for messages.
        meta: what is known about the body.

    Attributes:
        arrays: the checked arrays.
        faces: (F, 3) int64, counter-clockwise seen from outside.
        num_vertices: V.
        parents: parent of each joint, -1 at the root.
        hash: identity of the body, 16 hexadecimal digits.
        mirror: (V,) int64, per vertex the one nearest to its mirror image.
        symmetric: whether the body is its own mirror image, for any betas; then `mirror` is a permutation.
        source: where the body came from.
        meta: for the default body, how it was baked and its errors in mm.

    Raises:
        BodyModelError: the arrays are not a body of SMPL's format.
    """

    num_betas: int = NUM_BETAS
    num_joints: int = NUM_JOINTS

    def __init__(
        self, arrays: dict[str, np.ndarray], source: str = "arrays", meta: dict[str, object] | None = None
    ) -> None:
        super().__init__()
        self.arrays = check_arrays(arrays, source)
        self.source = source
        self.meta = meta or {}
        self.faces: np.ndarray = self.arrays["f"]
        self.num_vertices: int = len(self.arrays["v_template"])
        self.parents: tuple[int, ...] = PARENTS
        self.hash: str = fingerprint(self.arrays)
        self.mirror, self.symmetric = self._mirror()

        posedirs = self.arrays["posedirs"]
        if posedirs.shape[-1] == 0:  # smplx always multiplies by them; the product is cheap
            posedirs = np.zeros((self.num_vertices, 3, 9 * (NUM_JOINTS - 1)), np.float32)
        data = Struct(**{**self.arrays, "posedirs": posedirs})
        with contextlib.redirect_stdout(io.StringIO()):  # a warning that ten betas are ten
            self.smpl = SMPL(
                "", data_struct=data, vertex_ids=_NO_KEYPOINTS, num_betas=NUM_BETAS,
                use_hands=False, use_feet_keypoints=False,
                create_betas=False, create_body_pose=False, create_global_orient=False, create_transl=False,
            )  # fmt: skip
        # kept out of state_dict: a checkpoint must not carry a licensed body to those without the licence
        for module in self.smpl.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                module.register_buffer(name, buffer, persistent=False)

    def _mirror(self) -> tuple[np.ndarray, bool]:
        template, directions = self.arrays["v_template"], self.arrays["shapedirs"]
        partner, symmetric = mirror_vertices(template)
        if "vert_sym_idxs" in self.arrays:  # SMPL's own table, for a surface that is only nearly symmetric
            partner = self.arrays["vert_sym_idxs"]
        reflected = directions[partner] * np.array([-1, 1, 1])[:, None]
        return partner, symmetric and bool(np.allclose(reflected, directions, atol=1e-5))

    @classmethod
    def default(cls) -> BodyModel:
        """The body shipped with Mesh-Gait: nothing to download, free to use (see assets/NOTICE)."""
        with resources.as_file(resources.files("meshgait.body") / DEFAULT) as path:
            return cls._read(path, source="default body")

    @classmethod
    def load(cls, path: str | Path | None) -> BodyModel:
        """Loads a body model file.

        Args:
            path: `.npz` with SMPL's key names or SMPL's official `.pkl`; None or "default" for the default
                body.

        Returns:
            The model.

        Raises:
            BodyModelError: no such file, or not a body of SMPL's format.
            UnsafeFileError: a pickle that asks for anything but arrays.
        """
        if path is None or str(path) in ("", "default"):
            return cls.default()
        return cls._read(Path(path).expanduser(), source=str(path))

    @classmethod
    def _read(cls, path: Path, source: str) -> BodyModel:
        arrays = read_arrays(path)
        try:
            meta = json.loads(str(arrays.pop("meta", "{}")))
        except ValueError as error:
            raise BodyModelError(
                f"{path}: meta is no JSON ({error})", "leave it out or import the body again"
            ) from error
        return cls(arrays, source, meta)

    def forward(self, betas: Tensor, poses: Tensor) -> BodyOutput:
        """Shapes and poses bodies.

        Args:
            betas: (N, 10) shape coefficients, or (1, 10) for one shape in all poses.
            poses: (N, 72) axis-angle in radians, global orientation first.

        Returns:
            Vertices and joints in metres.

        Raises:
            BodyModelError: shapes do not fit.
        """
        if poses.ndim != 2 or poses.shape[1] != 3 * NUM_JOINTS or betas.ndim != 2 or betas.shape[1] != NUM_BETAS:
            raise BodyModelError(
                f"a body takes betas (N, 10) and poses (N, 72), got {tuple(betas.shape)} and {tuple(poses.shape)}"
            )
        if len(betas) not in (1, len(poses)):
            raise BodyModelError(
                f"{len(betas)} betas do not fit {len(poses)} poses", "give one per pose, or one for all"
            )
        if len(poses) == 0:
            return BodyOutput(poses.new_zeros(0, self.num_vertices, 3), poses.new_zeros(0, NUM_JOINTS, 3))
        # smplx would expand one shape itself, but fails on the way; expand() copies nothing
        out = self.smpl(betas=betas.expand(len(poses), -1), global_orient=poses[:, :3], body_pose=poses[:, 3:])
        return BodyOutput(out.vertices.contiguous(), out.joints[:, :NUM_JOINTS].contiguous())


def rest_mesh(body: BodyModel, betas: np.ndarray | None = None) -> np.ndarray:
    """Vertices (V, 3) in metres of a body in the T-pose, for pictures and measures.

    Args:
        body: the model.
        betas: (10,), zeros if None.
    """
    shape = torch.zeros(1, NUM_BETAS) if betas is None else torch.as_tensor(betas, dtype=torch.float32)[None]
    with torch.no_grad():
        return body(shape, torch.zeros(1, 3 * NUM_JOINTS)).vertices[0].numpy()

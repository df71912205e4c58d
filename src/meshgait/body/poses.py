"""Random bodies around walking, for learning markers on any body model without a walker generator."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from scipy.spatial.transform import Rotation

from meshgait.body.skeleton import JOINT_NAMES, NUM_JOINTS
from meshgait.body.smpl import BodyModel

_CHUNK = 32  # bodies posed at a time: SMPL's 6,890 vertices need 14 MB of transforms each

NOISE: dict[str, float] = {
    "spine1": 4.0, "spine2": 4.0, "spine3": 4.0, "neck": 8.0, "head": 8.0, "collar": 5.0,
    "hip": 10.0, "knee": 6.0, "ankle": 10.0, "foot": 6.0,
    "shoulder": 14.0, "elbow": 10.0, "wrist": 10.0, "hand": 5.0,
}  # fmt: skip
"""Standard deviation in degrees of the noise about each axis of a joint, on top of walking."""


def walking_poses(rng: np.random.Generator, count: int, noise: float = 1.0) -> np.ndarray:
    """Draws poses at random moments of coarse walking cycles, arms down, plus joint noise.

    Ranges in degrees (flexion positive): hip -15..30, knee 5..65, ankle -15..10, shoulder swing -30..20,
    elbow 5..45, arms 70..90 below the horizontal; the noise of `NOISE` comes on top.

    Args:
        rng: source of randomness.
        count: number of poses N.
        noise: factor on `NOISE`; 0 gives walking alone.

    Returns:
        (N, 72) axis-angle in radians, global orientation zero.
    """
    degrees = np.zeros((count, NUM_JOINTS, 3))
    phase = rng.uniform(0, 2 * np.pi, count)
    swing, lift = rng.uniform(0.7, 1.2, count), rng.uniform(0.8, 1.15, count)
    arm, drop, bend = rng.uniform(0.2, 1.3, count), rng.uniform(70, 88, count), rng.uniform(5, 35, count)
    lean = rng.normal(2, 3, count)
    for side, sign, shift in (("left", 1, 0.0), ("right", -1, np.pi)):
        joint = {part: JOINT_NAMES.index(f"{side}_{part}") for part in
                 ("hip", "knee", "ankle", "collar", "shoulder", "elbow")}  # fmt: skip
        w = phase + shift
        degrees[:, joint["hip"], 0] = -swing * (8 + 22 * np.cos(w))
        knee = 8 + 8 * np.cos(2 * (w - 0.9)).clip(0) + 52 * np.exp(2.5 * (np.cos(w - 4.6) - 1))
        degrees[:, joint["knee"], 0] = lift * knee
        degrees[:, joint["ankle"], 0] = 12 * np.exp(3 * (np.cos(w - 3.9) - 1)) - 5 * np.sin(w)
        degrees[:, joint["collar"], 2] = -7 * sign
        degrees[:, joint["shoulder"], 2] = -drop * sign
        degrees[:, joint["elbow"], 1] = -sign * (bend + 8 * arm * (1 - np.cos(w)))
        # the arm hangs along the y axis of its parent now, so swinging is a turn about x before the drop
        forward = np.radians(arm * (5 - 18 * np.cos(w)))  # opposite to the leg of its side
        degrees[:, joint["shoulder"]] = _swing(degrees[:, joint["shoulder"], 2], forward)
    for spine in ("spine1", "spine2", "spine3"):
        index = JOINT_NAMES.index(spine)
        degrees[:, index, 0], degrees[:, index, 1] = lean, 3 * np.cos(phase)
    if noise:
        for index, name in enumerate(JOINT_NAMES):
            part = name.split("_")[-1]
            if part in NOISE:
                degrees[:, index] += noise * rng.normal(0, NOISE[part], (count, 3))
    knees = [JOINT_NAMES.index("left_knee"), JOINT_NAMES.index("right_knee")]
    degrees[:, knees, 0] = degrees[:, knees, 0].clip(0)  # knees do not bend backwards
    return np.radians(rearrange(degrees, "n j c -> n (j c)"))


def _swing(drop: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Axis-angle in degrees of "lower the arm by `drop` degrees about z, then swing by `forward` radians"."""
    axis = np.eye(3)
    lowered = Rotation.from_rotvec(np.radians(drop)[:, None] * axis[2])
    swung = Rotation.from_rotvec(-forward[:, None] * axis[0])
    return np.degrees((swung * lowered).as_rotvec())


def sample_meshes(body: BodyModel, count: int, seed: int, noise: float = 1.0) -> np.ndarray:
    """Random people in random poses.

    Args:
        body: the body model.
        count: number of meshes N.
        seed: the same seed gives the same meshes.
        noise: see `walking_poses`.

    Returns:
        Pelvis-centred vertices (N, V, 3) in metres, float32, facing +z.
    """
    rng = np.random.default_rng(seed)
    poses = torch.from_numpy(walking_poses(rng, count, noise)).float()
    betas = torch.from_numpy(rng.normal(size=(count, body.num_betas))).float()
    with torch.no_grad():
        parts = [body(b, p) for b, p in zip(betas.split(_CHUNK), poses.split(_CHUNK), strict=True)]
    return np.concatenate([(part.vertices - part.joints[:, :1]).cpu().numpy() for part in parts])

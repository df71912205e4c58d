"""Recordings as AMASS publishes them, made of our own gait."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from meshgait.synthetic.gait import Gait
from meshgait.synthetic.rig import Figure
from meshgait.synthetic.style import Style

TO_Z_UP = Rotation.from_euler("x", 90, degrees=True)
RATE = 120.0


def walk(figure: Figure, seconds: float = 4.0, style: Style | None = None, rate: float = RATE):
    """Local rotations (T, 24, 3, 3) and path (T, 3) of a walk along +z, y up."""
    motion = Gait(style or Style(), figure).frames(np.arange(round(seconds * rate)) / rate)
    return motion.local, motion.path


def save(
    path: Path, local: np.ndarray, walked: np.ndarray, heading: float = 0.0, rate: float = RATE, kind="smplh"
):
    """Write a recording whose world has z up; the walker goes into `heading` (degrees about the vertical)."""
    world = TO_Z_UP * Rotation.from_euler("y", heading, degrees=True)
    turns = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(local), 24, 3)
    turns[:, 0] = (world * Rotation.from_matrix(local[:, 0])).as_rotvec()
    body = turns[:, :22].reshape(len(local), 66)
    rng = np.random.default_rng(0)
    fingers = rng.normal(size=(len(local), 90)) * 0.3
    # the root joint lies somewhere off the model's origin
    trans = world.apply(walked) + np.array([3.0, -2.0, -0.2])
    common = {"trans": trans, "betas": rng.normal(size=16), "gender": np.array("female")}
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "smplh":
        poses = np.concatenate([body, fingers], axis=1)
        np.savez(path, poses=poses, mocap_framerate=np.array(rate), dmpls=np.zeros((len(local), 8)), **common)
    else:
        np.savez(
            path,
            surface_model_type=np.array("smplx"),
            root_orient=body[:, :3],
            pose_body=body[:, 3:],
            pose_hand=fingers,
            mocap_frame_rate=np.array(rate),
            labels=np.array(["LFHD", None], dtype=object),  # AMASS has such arrays; they are not needed
            **common,
        )
    return path

"""Motion capture as AMASS publishes it, and the parts of it where somebody walks straight on.

AMASS (Mahmood et al., ICCV 2019) keeps a recording as one .npz file: `poses` (T, 156) axis-angle of SMPL-H's 52
joints or (T, 165) of SMPL-X's 55, also as `root_orient` (T, 3) and `pose_body` (T, 63); `trans` (T, 3) metres; the
frame rate as `mocap_framerate` or `mocap_frame_rate`; `betas` and `gender`, not used, as another body walks.
Its worlds have z up; ours has y up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import rearrange
from scipy.ndimage import uniform_filter1d

from meshgait.arrays import Expected, read_npz
from meshgait.errors import DataError
from meshgait.synthetic.rotations import about, from_axis_angle, to_axis_angle, turn

BODY = 22
"""Joints of the body: the same in SMPL-H, SMPL-X and SMPL, whose last two are hands."""

WIDTHS = (66, 72, 156, 165)
"""Numbers a pose: of 22 joints, and all of SMPL, SMPL-H and SMPL-X; matrices have other widths."""

RATES = ("mocap_framerate", "mocap_frame_rate")
STRIDE = 1.0
"""Seconds over which a path is smoothed, about one stride: sways and surges cancel out."""

SPEEDS = (0.5, 1.8)
"""Metres per second of walking."""

FACING, UPRIGHT, STRAIGHT = 35.0, 35.0, 25.0
"""Degrees: between facing and walking direction, of the pelvis off the vertical, between any two directions."""

RHYTHM, SWING = (0.4, 1.6), 0.12
"""Strides per second; least standard deviation in radians of the angle between the thighs."""

FINE = 30.0
"""Frames per second at which walking is looked for."""


@dataclass(frozen=True)
class Recording:
    """Somebody's motion.

    Attributes:
        rate: frames per second.
        turns: (T, 22, 3) axis-angle of each joint relative to its parent; the root's in a world with y up.
        path: (T, 3) metres in that world, of the root up to a constant.
    """

    rate: float
    turns: np.ndarray
    path: np.ndarray

    @property
    def seconds(self) -> float:
        """Time from the first to the last frame."""
        return (len(self.path) - 1) / self.rate

    def smooth_path(self) -> np.ndarray:
        """Path (T, 3) without sways and surges."""
        return uniform_filter1d(self.path, max(round(STRIDE * self.rate), 1), axis=0, mode="nearest")


def read_recording(path: Path) -> Recording:
    """Read a recording of AMASS.

    Raises:
        DataError: no such file, or it is no recording.
        UnsafeFileError: a needed array is a Python object; it was not loaded.
    """
    names = ("trans", "poses", "root_orient", "pose_body")
    expected = dict.fromkeys(names, Expected("fiu", (2,), optional=True))
    expected |= dict.fromkeys(RATES, Expected("fiu", optional=True))
    arrays = read_npz(path, expected, "give .npz files of AMASS or a folder of them, as plain arrays")
    parts = [arrays[name] for name in ("root_orient", "pose_body") if name in arrays]
    if len(parts) == 2 and len({len(part) for part in parts}) == 1:
        arrays["poses"] = np.concatenate(parts, axis=1)
    rate = next((arrays[key] for key in RATES if key in arrays), None)
    if not {"poses", "trans"} <= arrays.keys() or rate is None:
        raise DataError(
            f"{path} is no recording of AMASS: it lacks poses, trans or mocap_framerate", "leave it out"
        )
    poses, trans = arrays["poses"], arrays["trans"]
    shapes = poses.shape[1] in WIDTHS and trans.shape == (len(poses), 3) and rate.size == 1
    if not (shapes and len(poses) > 1 and np.isfinite(rate) and 1 <= rate <= 10_000):
        found = f"poses {poses.shape}, trans {trans.shape} and rate {rate if rate.size == 1 else rate.shape}"
        raise DataError(
            f"{path}: {found} are not those of a recording: (T, {' or '.join(map(str, WIDTHS))}) axis-angle, "
            "(T, 3) and frames per second",
            "leave it out",
        )
    turns = rearrange(poses[:, : 3 * BODY].astype(np.float64), "t (j c) -> t j c", c=3)
    if not (np.isfinite(turns).all() and np.isfinite(trans).all()):
        raise DataError(f"{path}: poses or trans have values that are not finite", "leave it out")
    root, trans = from_axis_angle(turns[:, 0]), trans.astype(np.float64)
    # people stand more than they lie: up is where the body's own y axis points on average
    upwards = root[:, :, 1].mean(axis=0)
    if upwards[2] > abs(upwards[1]):
        to_y_up = about("x", -90.0)
        root, trans = to_y_up @ root, turn(to_y_up, trans)
        turns[:, 0] = to_axis_angle(root)
    return Recording(float(rate.item()), turns, trans)


def find_walks(recording: Recording, least: float) -> tuple[list[tuple[float, float]], str]:
    """Where somebody walks straight on at a moderate speed.

    Args:
        recording: the motion.
        least: seconds a stretch must last.

    Returns:
        (begin, end) of each stretch in seconds, and, if there is none, why.
    """
    step = max(round(recording.rate / FINE), 1)
    rate = recording.rate / step
    path = recording.smooth_path()[::step]
    if (len(path) - 1) / rate < least:
        return [], "too short"
    velocity = np.gradient(path, 1 / rate, axis=0)
    speed = np.hypot(velocity[:, 0], velocity[:, 2])
    walking = (speed >= SPEEDS[0]) & (speed <= SPEEDS[1])
    root = from_axis_angle(recording.turns[::step, 0])
    heading = np.unwrap(np.arctan2(velocity[:, 0], velocity[:, 2]))
    aside = np.angle(np.exp(1j * (np.arctan2(root[:, 0, 2], root[:, 2, 2]) - heading)))
    proper = walking & (np.abs(aside) < np.deg2rad(FACING)) & (root[:, 1, 1] > np.cos(np.deg2rad(UPRIGHT)))
    thighs = recording.turns[::step, 1, 0] - recording.turns[::step, 2, 0]

    frames = int(np.ceil(least * rate - 1e-9))
    long = [run for run in _runs(proper) if run[1] - run[0] > frames]
    straight = [part for run in long for part in _straight(heading, *run, frames)]
    rhythmic = [(first, last) for first, last in straight if _strides(thighs[first : last + 1], rate)]
    if not any(last - first > frames for first, last in _runs(walking)):
        return [], f"not {least:.1f} s at {SPEEDS[0]} to {SPEEDS[1]} m/s"
    if not long:
        return [], "sideways, backwards or bent"
    if not straight:
        return [], "in curves"
    return [(first / rate, last / rate) for first, last in rhythmic], "without steps"


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _straight(heading: np.ndarray, first: int, end: int, frames: int) -> list[tuple[int, int]]:
    """(first, last) of stretches of a run, each longer than `frames`, whose headings [rad] differ little."""
    found = []
    while first + frames < end:
        low = np.minimum.accumulate(heading[first:end])
        high = np.maximum.accumulate(heading[first:end])
        length = int(np.count_nonzero(high - low <= np.deg2rad(STRAIGHT)))
        if length > frames:
            found.append((first, first + length - 1))
        first += length if length > frames else max(frames // 8, 1)
    return found


def _strides(thighs: np.ndarray, rate: float) -> bool:
    """Whether the legs swing in turn; a part of a stride cannot tell and passes."""
    swing = thighs - thighs.mean()
    seconds = (len(swing) - 1) / rate
    if seconds < STRIDE / 2:
        return True
    turns = np.count_nonzero(np.diff(np.sign(uniform_filter1d(swing, 3, mode="nearest"))))
    # at its ends a stretch may lack up to one of the two changes of a stride
    slowest, fastest = (pace * 2 * seconds for pace in RHYTHM)
    return bool(swing.std() > SWING and slowest - 1 <= turns <= fastest + 1)

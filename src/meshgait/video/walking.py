"""Is it a walk? A track is cut into passes of one direction, and each pass is judged by its silhouettes.

The legs' rhythm is read from the similarity of the lower body between frames (as Cutler and Davis, PAMI 2000, do):
where legs swing, the silhouette of the lower body comes back after each step, and differs in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from meshgait.data.silhouettes import normalise
from meshgait.video.tracking import Sighting

LEAST_FRAMES = 25
"""Frames of a pass at least, one cycle at 25 frames a second."""
LEAST_SECONDS = 0.8
SIDEWAYS = 0.2
"""Body heights a second from which on somebody moves to the side."""
MOVED = 0.5
"""Body heights that somebody moves at least who does not step in place."""
FASTEST = 2.0
"""Body heights a second; nobody walks faster."""
UPRIGHT = 1.3
"""Height against width at least, in the middle frame of all."""
FOCAL = 1.2
"""Focal length of common cameras in widths of the frame, to tell motion along the line of sight."""
STEP_SECONDS = (0.28, 1.3)
"""Time in which the silhouette of the legs comes back: one step, or two where each leg looks different."""
RHYTHM = 0.4
"""How far the difference of the legs falls again after a step, as a share of how far it rises before."""
SWING = 0.012
"""Rise of that difference at least, as a share of the lower body; from the side it is twenty times as great."""
ARMS = 0.34
"""Change of the width of the upper body, or of the height, in heights, that no walk has."""
STRETCH = 0.2


@dataclass(frozen=True)
class Verdict:
    """Judgement of a pass.

    Attributes:
        walk: whether it is a walk.
        reason: why not.
        direction: right, left, towards, away or in place.
        rhythm: see `RHYTHM`.
    """

    walk: bool
    reason: str
    direction: str
    rhythm: float = 0.0


def passes(sightings: Sequence[Sighting], rate: float, every: int) -> list[list[Sighting]]:
    """Cut the useful frames of a track where the direction changes or too many frames are missing.

    Args:
        sightings: of a track.
        rate: frames per second.
        every: difference between the numbers of two frames.
    """
    good = [sighting for sighting in sightings if not sighting.fault]
    if not good:
        return []
    gaps = np.diff([sighting.number for sighting in good]) > 10 * every
    pieces = np.split(np.arange(len(good)), np.flatnonzero(gaps) + 1)
    result = []
    for piece in pieces:
        ways = _ways([good[k] for k in piece], rate, every)
        for part in np.split(piece, np.flatnonzero(np.diff(ways)) + 1):
            result.append([good[k] for k in part])
    return result


def _ways(sightings: Sequence[Sighting], rate: float, every: int) -> np.ndarray:
    """Direction of each frame: 1 right, -1 left, 0 neither."""
    if len(sightings) < 5:
        return np.zeros(len(sightings), int)
    numbers = np.array([sighting.number for sighting in sightings]) / every
    middles = np.array([sighting.box.centre[0] for sighting in sightings])
    heights = np.median([sighting.box.height for sighting in sightings])
    smooth = gaussian_filter1d(middles, 0.25 * rate, mode="nearest", truncate=3.0)
    # at the ends the filter bends the path; the slope further in holds there as well
    speed = np.gradient(smooth, numbers) * rate / heights
    edge = min(int(0.4 * rate), (len(speed) - 1) // 2)
    speed[:edge], speed[len(speed) - edge :] = speed[edge], speed[len(speed) - 1 - edge]
    ways = np.where(np.abs(speed) < SIDEWAYS, 0, np.sign(speed)).astype(int)
    return median_filter(ways, size=2 * int(0.5 * rate) + 1, mode="nearest")


def judge(sightings: Sequence[Sighting], rate: float, width: int) -> Verdict:
    """Decide whether a pass is a walk.

    Args:
        sightings: frames of one direction.
        rate: frames per second.
        width: of the video's frame, pixels.
    """
    boxes = np.array([sighting.box for sighting in sightings])
    heights, widths = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
    direction, moved, speed = _movement(boxes, heights, rate, width)
    if len(sightings) < max(LEAST_FRAMES, LEAST_SECONDS * rate):
        return Verdict(False, f"too few frames ({len(sightings)})", direction)
    if np.median(heights / np.maximum(widths, 1)) < UPRIGHT:
        return Verdict(False, "not upright, as vehicles and animals are", direction)
    if speed > FASTEST:
        return Verdict(False, f"too fast for a walk ({speed:.1f} body heights a second)", direction)
    crops = _crops(sightings)
    rhythm, swing = _rhythm(crops[:, 38:], rate)
    trend = gaussian_filter1d(heights, rate, mode="nearest")
    stretch = float(np.ptp(np.quantile(heights / trend, (0.05, 0.95))))
    arms = float(np.ptp(np.quantile(_spread(crops[:, 6:26]), (0.05, 0.95)))) / crops.shape[1]
    if moved < 2 * MOVED and (arms > ARMS or stretch > STRETCH):
        return Verdict(False, "jumps or waves the arms", direction, rhythm)
    if swing < SWING:
        reason = "stands still" if moved < MOVED else "legs do not move, as of what rolls or is carried"
        return Verdict(False, reason, direction, rhythm)
    if rhythm < RHYTHM:
        return Verdict(
            False, "legs have no rhythm" if moved >= MOVED else "moves, but does not walk", direction, rhythm
        )
    return Verdict(True, "", direction, rhythm)


def _movement(boxes: np.ndarray, heights: np.ndarray, rate: float, width: int) -> tuple[str, float, float]:
    """Direction in words, body heights moved, and body heights a second."""
    middles, count = (boxes[:, 0] + boxes[:, 2]) / 2, len(boxes)
    part, height = max(count // 5, 1), float(np.median(heights))
    across = float(np.median(middles[-part:]) - np.median(middles[:part])) / height
    first, last = float(np.median(heights[:part])), float(np.median(heights[-part:]))
    along = FOCAL * width * (1 / first - 1 / last)
    # between the middles of the first and the last fifth
    seconds = max((count - part) / rate, 1e-6)
    moved = float(np.hypot(across, along))
    if moved < MOVED or moved / seconds < SIDEWAYS:
        return "in place", moved, moved / seconds
    if abs(across) > 0.5 * abs(along):
        return ("right" if across > 0 else "left"), moved, moved / seconds
    return ("towards" if along > 0 else "away"), moved, moved / seconds


def _crops(sightings: Sequence[Sighting]) -> np.ndarray:
    """(T, 64, 64) bool, each figure cut and centred by the crop rule of all silhouettes."""
    crops = []
    for sighting in sightings:
        mask = sighting.mask.astype(np.uint8) * 255
        margin = max(mask.shape[0] // 2, 1)
        image = cv2.copyMakeBorder(mask, 0, 0, margin, margin, cv2.BORDER_CONSTANT, value=0)
        crop, _ = normalise(image, (64, 64))
        crops.append(np.zeros((64, 64), bool) if crop is None else np.asarray(crop) > 127)
    return np.stack(crops)


def _spread(crops: np.ndarray) -> np.ndarray:
    """Columns from the first to the last pixel (T,) of parts of silhouettes (T, h, w)."""
    columns = np.asarray(crops.any(axis=1))
    first, last = columns.argmax(axis=1), columns.shape[1] - columns[:, ::-1].argmax(axis=1)
    return np.where(np.any(columns, axis=1), last - first, 0)


def _rhythm(legs: np.ndarray, rate: float) -> tuple[float, float]:
    """How regularly legs move, and how much.

    Args:
        legs: (T, h, w) bool, the lower bodies.
        rate: frames per second.

    Returns:
        How far the difference between frames falls again after a step, against how far it rises before; and how
        far it rises, as a share of the lower body.
    """
    flat = legs.reshape(len(legs), -1).astype(np.float32)
    area = max(float(flat.sum(axis=1).mean()), 1.0)
    longest = min(int(STEP_SECONDS[1] * rate), len(flat) - max(len(flat) // 3, 4))
    lags = np.arange(1, max(longest, 2) + 1)
    differences = np.array([np.abs(flat[lag:] - flat[:-lag]).sum(axis=1).mean() for lag in lags]) / (2 * area)
    differences = gaussian_filter1d(differences, 0.02 * rate, mode="nearest")
    shortest = int(STEP_SECONDS[0] * rate)
    # noise of the outline differs from frame to frame already
    floor = float(differences[0])
    best, swing = 0.0, float(differences.max()) - floor
    for place in range(shortest, len(lags)):
        before = differences[:place].max(initial=0.0)
        best = max(best, (before - differences[place]) / max(before - floor, SWING / 2))
    return float(best), swing

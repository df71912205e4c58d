"""The outline of one figure: its trunk, its exact edge, one connected piece, no false holes."""

from __future__ import annotations

import cv2
import numpy as np

HALF = 0.45
"""Share of the difference inside a figure at which its edge lies."""
RIM = 2
"""Pixels from the outline that are looked at; blur and codecs spread a difference so far."""
FAINT = 25.0
"""Grey levels of difference inside below which the edge cannot be told so exactly."""
THREAD = 0.025
"""Heights of the figure; what is narrower is no limb."""
BRIDGE = 0.14
"""Heights of the figure over which a piece is joined to it."""
LEAST_PIECE = 0.01
"""Share of the largest piece below which another one is dropped."""
HOLE = 0.02
"""Share of a figure up to which a doubtful hole is filled; gaps between limbs are clear background."""


def spine(mask: np.ndarray) -> np.ndarray:
    """Where the trunk of an upright figure must be, given what is seen of it: (h, w) float32 from 0 to 1.

    A narrow strip from the neck to the hip; nothing where the mask has no head above a hip.

    Args:
        mask: (h, w) bool, perhaps in pieces.
    """
    result = np.zeros(mask.shape, np.float32)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return result
    top, height = int(rows[0]), int(rows[-1] - rows[0] + 1)
    head = np.flatnonzero(mask[top : top + max(int(0.13 * height), 1)].any(axis=0))
    hip_rows = mask[top + int(0.48 * height) : top + int(0.6 * height) + 1]
    hip = np.repeat(np.arange(mask.shape[1]), hip_rows.sum(axis=0))
    if not len(head) or not len(hip):
        return result
    x0, x1 = float(np.median(head)), float(np.median(hip))
    if abs(x0 - x1) > 0.25 * height:
        return result
    half, shoulder = 0.07 * height, 0.8 * x0 + 0.2 * x1
    corners = (
        (x0 - half / 2, 0.1), (x0 + half / 2, 0.1), (shoulder + half, 0.2), (x1 + half, 0.52), (x1 - half, 0.52),
        (shoulder - half, 0.2),
    )  # fmt: skip
    polygon = np.array([(x, top + y * height) for x, y in corners])
    cv2.fillConvexPoly(result, polygon.round().astype(np.int32), 1.0)
    return cv2.GaussianBlur(result, (0, 0), max(0.025 * height, 0.5))


def without_rim(mask: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The mask without the pixels at its outline that differ from the background by less than those inside.

    Args:
        mask: (h, w) bool.
        distance: (h, w) float32 from the background, grey levels.
    """
    inside = cv2.GaussianBlur(cv2.dilate(distance * mask, np.ones((5, 5), np.uint8)), (0, 0), 1.0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RIM + 1, 2 * RIM + 1))
    core = cv2.erode(mask.astype(np.uint8), disc, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    return mask & (core | (inside < FAINT) | (distance >= HALF * inside))


def smooth(mask: np.ndarray, height: float) -> np.ndarray:
    """The mask without threads, which are no limbs, and with a smooth outline.

    Args:
        mask: (h, w) bool.
        height: of the figure, pixels.
    """
    wide = 2 * max(round(THREAD * height / 2), 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
    image = cv2.copyMakeBorder(mask.astype(np.uint8), wide, wide, wide, wide, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(image, cv2.MORPH_OPEN, disc)[wide:-wide, wide:-wide]
    return cv2.GaussianBlur(opened.astype(np.float32), (0, 0), max(0.008 * height, 0.6)) > 0.5


def bridged(mask: np.ndarray, height: float) -> tuple[np.ndarray, int]:
    """The figure in one piece: near pieces are joined to the largest one, the others dropped.

    Args:
        mask: (h, w) bool.
        height: of the figure, pixels.

    Returns:
        The mask, and how many pieces there were that count.
    """
    image = mask.astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(image, connectivity=8)
    if count <= 2:
        return mask, count - 1
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [int(k) for k in 1 + np.argsort(-areas, kind="stable") if areas[k - 1] >= LEAST_PIECE * areas.max()]
    whole = (labels == order[0]).astype(np.uint8)
    width = max(round(0.06 * height), 1)
    for k in order[1:]:
        away, nearest = cv2.distanceTransformWithLabels(1 - whole, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        rows, columns = np.nonzero(labels == k)
        at = int(np.argmin(away[rows, columns]))
        row, column = int(rows[at]), int(columns[at])
        if away[row, column] > BRIDGE * height:
            continue
        other = np.argwhere((nearest == nearest[row, column]) & (whole > 0))
        whole[labels == k] = 1
        if len(other):
            cv2.line(whole, (column, row), (int(other[0, 1]), int(other[0, 0])), 1, width)
    return whole > 0, len(order)


def filled(mask: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """The mask without the holes that are small or show no clear background.

    Args:
        mask: (h, w) bool.
        evidence: (h, w) that something is in front; below 0 speaks for the background.
    """
    around = cv2.copyMakeBorder((~mask).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(around, connectivity=4)
    outside, result, area = labels[0, 0], mask.copy(), int(mask.sum())
    inner = labels[1:-1, 1:-1]
    for k in range(1, count):
        size = int(stats[k, cv2.CC_STAT_AREA])
        if k == outside or not stats[k, cv2.CC_STAT_WIDTH]:
            continue
        hole = inner == k
        if size < 0.002 * area or (size < HOLE * area and float(evidence[hole].mean()) > -2.0):
            result[hole] = True
    return result

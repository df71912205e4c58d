"""Group the parts of a difference from the background into figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from meshgait.video.figures import Box

LEAST_AREA = 6
"""Pixels of a part at least."""
MOST_PARTS = 60
"""Parts looked at, the largest first; more are rain or leaves."""
STACKED = 0.5
"""Share of the narrower part's columns that two parts one above the other have in common."""
GAP = 0.6
"""Rows between two parts of one figure at most, against the rows of both."""
ALIKE = 0.7
"""Height of one upright part against the other from which on they are two people."""
TALLER = 1.25
"""Factor by which a figure may be taller than expected by parts that lie above or below it."""
INSIDE = 0.6
"""Share of a part's box that lies where a figure is expected."""


@dataclass(frozen=True)
class Group:
    """Parts of one figure.

    Attributes:
        box: around them.
        labels: (H, W) int32, numbers of the parts of all figures; 0 is background.
        parts: numbers of this figure's parts.
    """

    box: Box
    labels: np.ndarray
    parts: tuple[int, ...]

    def within(self, rows: slice, columns: slice, scale: float, reach: float) -> np.ndarray:
        """Where the figure may be in a part of a larger frame: its parts, a gap between them, and a margin.

        Args:
            rows: of the larger frame.
            columns: of the larger frame.
            scale: size of this frame against the larger one.
            reach: pixels of the margin in the larger frame.
        """
        height, width = rows.stop - rows.start, columns.stop - columns.start
        top, left = int(rows.start * scale), int(columns.start * scale)
        bottom, right = int(np.ceil(rows.stop * scale)), int(np.ceil(columns.stop * scale))
        labels = self.labels[top:bottom, left:right]
        mask = np.isin(labels, self.parts).astype(np.uint8)
        other = (labels > 0).astype(np.uint8) - mask
        # a whole figure is looked for, so the gaps between its parts count as well
        tall = 2 * int(0.2 * self.box.height) + 1
        own = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((tall, 5), np.uint8))
        large = cv2.resize(own, (width, height), interpolation=cv2.INTER_LINEAR)
        margin = 2 * int(np.ceil(reach)) + 1
        large = cv2.dilate(large, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
        if other.any():
            large[cv2.resize(other, (width, height), interpolation=cv2.INTER_NEAREST) > 0] = 0
        return large > 0


def groups(difference: np.ndarray, least_rows: int, expected: Sequence[Box] = ()) -> list[Group]:
    """Join the parts of a difference into figures.

    Parts that lie where one figure is expected belong together. Others do where one is above the other.

    Args:
        difference: (H, W) bool.
        least_rows: of a figure.
        expected: where figures of the last frame should be now.

    Returns:
        The figures, the largest first.
    """
    closed = cv2.morphologyEx(difference.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    largest = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST_PARTS]
    order = [int(k) for k in largest if stats[k, cv2.CC_STAT_AREA] >= LEAST_AREA]
    boxes = {k: Box(*stats[k, :2].tolist(), *(stats[k, :2] + stats[k, 2:4]).tolist()) for k in order}
    owner: dict[int, int] = {}
    for k in order:
        inside = [box.grown(0.08 * box.height).shared(boxes[k]) / boxes[k].area for box in expected]
        owner[k] = int(np.argmax(inside)) if inside and max(inside) >= INSIDE else -1
    teams = [[k for k in order if owner[k] == number] for number in range(len(expected))]
    teams += [[k] for k in order if owner[k] < 0]
    limits = [TALLER * box.height for box in expected] + [np.inf] * (len(teams) - len(expected))
    teams = _stacked([(team, limit) for team, limit in zip(teams, limits, strict=True) if team], boxes)
    found = [Group(_around([boxes[k] for k in team]), labels, tuple(team)) for team in teams]
    found = [group for group in found if group.box.height >= least_rows]
    return sorted(found, key=lambda group: -sum(stats[k, cv2.CC_STAT_AREA] for k in group.parts))


def _stacked(limited: list[tuple[list[int], float]], boxes: dict[int, Box]) -> list[list[int]]:
    """Join teams of which one lies above the other, the nearest first, until there are none.

    Args:
        limited: teams, and how many rows each may have.
        boxes: of the parts.
    """
    teams, limits = [team for team, _ in limited], [limit for _, limit in limited]
    while True:
        hulls = [_around([boxes[k] for k in team]) for team in teams]
        pairs = [
            (_gap(hulls[i], hulls[j]), i, j)
            for i in range(len(teams))
            for j in range(i)
            if _around([hulls[i], hulls[j]]).height <= min(limits[i], limits[j])
        ]
        nearest = min(pairs, default=(1.0, 0, 0))
        if nearest[0] >= GAP:
            return teams
        _, i, j = nearest
        rest = [k for k in range(len(teams)) if k not in (i, j)]
        limits = [limits[k] for k in rest] + [min(limits[i], limits[j])]
        teams = [teams[k] for k in rest] + [teams[j] + teams[i]]


def _gap(a: Box, b: Box) -> float:
    """Rows between two boxes against their own; 1 where they are not one above the other."""
    common = min(a.right, b.right) - max(a.left, b.left)
    if common < STACKED * min(a.width, b.width):
        return 1.0
    slimmest = min(a.height / a.width, b.height / b.width)
    if min(a.height, b.height) > ALIKE * max(a.height, b.height) and slimmest > 1.2:
        return 1.0  # two people
    whole = _around([a, b])
    if whole.height < 1.2 * whole.width and a.shared(b) == 0:
        return 1.0  # no person is as wide
    return max(max(a.top, b.top) - min(a.bottom, b.bottom), 0.0) / (a.height + b.height)


def _around(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))

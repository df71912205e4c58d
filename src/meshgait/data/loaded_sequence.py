"""One sequence of a data set as it was read, and what was left out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from meshgait.errors import DataError

NO_FITS = "no file of fits"
"""Reason of a drop that leaves a sequence its frames, but no truth."""


class Dropped(NamedTuple):
    """Something left out: the file (empty: the whole sequence), one of few reasons, and details."""

    file: str
    reason: str
    detail: str = ""


class SmplFits(Protocol):
    """SMPL parameters in the silhouette frame: poses (T, 72), betas (T, 10), cameras (T, 3), valid (T,) bool."""

    @property
    def poses(self) -> np.ndarray: ...  # noqa: D102

    @property
    def betas(self) -> np.ndarray: ...  # noqa: D102

    @property
    def cameras(self) -> np.ndarray: ...  # noqa: D102

    @property
    def valid(self) -> np.ndarray: ...  # noqa: D102


Align = Callable[[np.ndarray, np.ndarray], SmplFits]
"""Of SMPL rows (T, 85) and silhouettes (T, H, W): the fits in the silhouette frame."""


class LoadedSequence(NamedTuple):
    """A sequence as read.

    Attributes:
        silhouettes: (T, H, W) uint8, or None if nothing is left of it.
        drops: what was left out.
        rows: (T, 85) SMPL rows as published, or None.
        fits: SMPL parameters in the silhouette frame, or None.
        kept: (N,) bool, which of the N frames of the source the silhouettes are; None if nothing is left.
        figure: what was taken for the figure in the pictures, in words.
    """

    silhouettes: np.ndarray | None
    drops: tuple[Dropped, ...] = ()
    rows: np.ndarray | None = None
    fits: SmplFits | None = None
    kept: np.ndarray | None = None
    figure: str = ""


class BrokenSequence(DataError):
    """A sequence that is not what it should be; its folder is put before the message."""


def drop_sequence(reason: str, detail: str = "", drops: tuple[Dropped, ...] = ()) -> LoadedSequence:
    """A sequence of which nothing is left."""
    return LoadedSequence(None, (*drops, Dropped("", reason, detail)))

"""The frames of one sequence, wherever they lie: a folder of pictures, an animated GIF, an array.

A source reads one frame at a time, so that memory does not grow with the length of a sequence.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from meshgait.data.folders import list_folder, natural_key
from meshgait.data.loaded_sequence import BrokenSequence
from meshgait.data.pictures import LARGEST_PIXELS, Picture, from_pillow, read_picture, simplify
from meshgait.errors import DataError

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")
MEAN_IMAGE = "gei.png"  # lies among the frames of some copies of CASIA-B
GIF_RATIO = 2800
"""Pixels that a byte of a GIF can stand for at most: a code of 12 bits names up to 4,095 of them (LZW)."""
GIF_PIXELS = LARGEST_PIXELS // 4
"""Of a frame of a GIF at most: Pillow holds it, the one before it and its colours, about 14 bytes a pixel."""
NARROWEST, ALWAYS, THINNED = 8, 0.85, 12
"""Columns of a frame at least; share of the times at which a row of the figure is there; rows looked at."""
MIXED_LEAST = 5
"""Fewest frames of two series of names in a folder for which these count as two sequences."""


class FrameSource(Protocol):
    """Frames of one sequence in their order.

    Attributes:
        note: what was decided about their order, in words.
    """

    note: str

    def __len__(self) -> int:
        """Number of frames."""

    def name(self, number: int) -> str:
        """What a frame is called in messages."""

    def read(self, number: int) -> Picture | None:
        """Pixels of a frame; None if it is damaged."""


class FolderFrames:
    """Pictures in a folder, in the natural order of their names.

    JPG files are taken only where a folder has no PNG: some data sets keep photographs beside the masks.

    Args:
        folder: of the frames.

    Raises:
        BrokenSequence: it cannot be read, holds no frame, or frames of several sequences.
    """

    note = ""

    def __init__(self, folder: Path | str) -> None:
        self._prefix = f"{folder}{os.sep}"
        try:
            content = list_folder(folder)
        except OSError as error:
            raise BrokenSequence(f"cannot be read ({error.strerror})", "check its rights") from None
        frames = [name for name in content.files if name.lower().endswith(FRAME_SUFFIXES)]
        pngs = [name for name in frames if name.lower().endswith(".png") and not name.lower().endswith(MEAN_IMAGE)]
        self.names = sorted(
            pngs or [name for name in frames if not name.lower().endswith(".png")], key=natural_key
        )
        if not self.names:
            raise BrokenSequence(_no_frames(content.folders, content.files))
        _check_one_series(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, number: int) -> str:
        """Name of a frame's file."""
        return self.names[number]

    def read(self, number: int) -> Picture | None:
        """Pixels of a frame; None if it is damaged."""
        return read_picture(self._prefix + self.names[number])


class GifFrames:
    """Frames of an animated GIF.

    Raises:
        DataError: the file is no GIF, damaged, or claims more frames than its bytes can hold.
    """

    note = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._image = Image.open(path, formats=("GIF",))
            assert isinstance(self._image, GifImageFile)
            pixels, count = self._image.width * self._image.height, self._image.n_frames
        except Exception as error:  # Pillow raises nearly anything at damaged files
            raise self._damaged(error) from None
        if not 0 < pixels <= GIF_PIXELS or pixels * count > GIF_RATIO * path.stat().st_size:
            raise self._damaged(f"{count} frames of {self._image.width} x {self._image.height} pixels")
        self._count = count

    def __len__(self) -> int:
        return self._count

    def name(self, number: int) -> str:
        """Number of a frame, from 0 on."""
        return f"frame {number}"

    def read(self, number: int) -> Picture:
        """Pixels of a frame.

        Raises:
            DataError: the file is cut or damaged there.
        """
        try:
            self._image.seek(number)
            if self._image.width * self._image.height > GIF_PIXELS:  # a frame may be larger than the first
                raise ValueError(f"frame {number} of {self._image.width} x {self._image.height} pixels")
            return from_pillow(self._image.convert("RGBA"))
        except Exception as error:  # as above
            raise self._damaged(error) from None

    def _damaged(self, what: object) -> DataError:
        return DataError(f"{self._path} is truncated or no GIF ({what})", "copy or export it again")


class ArrayFrames:
    """Frames of an array of brightness.

    Args:
        array: (T, h, w), (T, 1, h, w), (T, h, w, 1 to 4) or one frame (h, w); booleans, 0..1, 0..255 or 0..65535.

    Raises:
        BrokenSequence: an array of another shape or of other values.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim == 4 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim == 2:
            array = array[None]
        channels = array.shape[-1] if array.ndim == 4 else 1
        if array.ndim not in (3, 4) or channels > 4 or 0 in array.shape:
            many = "; (N, T, h, w) is many sequences: give one, or pack them with `meshgait pack`"
            raise BrokenSequence(
                f"is of shape {array.shape}", f"silhouettes are (T, h, w){many if array.ndim == 4 else ''}"
            )
        self.array = _whole_numbers(array)
        self.note = ""

    def with_time_first(self) -> ArrayFrames:
        """These frames, or those along the last axis where that is the time, as MATLAB saves it: (h, w, T)."""
        if self.array.ndim != 3 or self.note or not _is_time_last(self.array):
            return self
        turned = ArrayFrames(np.ascontiguousarray(np.moveaxis(self.array, -1, 0)))
        turned.note = f", read as {len(turned)} frames along the last axis"
        return turned

    def __len__(self) -> int:
        return len(self.array)

    def name(self, number: int) -> str:
        """Number of a frame, from 0 on."""
        return f"frame {number}"

    def read(self, number: int) -> Picture:
        """Pixels of a frame."""
        frame = self.array[number]
        if frame.ndim == 2:
            return Picture(frame)
        if frame.dtype == np.uint16:
            frame = (frame >> 8).astype(np.uint8)
        colours, alpha = (frame[..., :-1], frame[..., -1]) if frame.shape[-1] in (2, 4) else (frame, None)
        return simplify(colours[..., 0] if colours.shape[-1] == 1 else colours, alpha)


def _whole_numbers(array: np.ndarray) -> np.ndarray:
    """Brightness as uint8 or uint16.

    Raises:
        BrokenSequence: values that are no brightness.
    """
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise BrokenSequence(f"holds {array.dtype} values that are no brightness", "save uint8 0..255")
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        raise BrokenSequence(f"holds values {low}..{high}", "silhouettes are 0..255 or 0..1: scale them")
    if array.dtype.kind == "f":
        array = np.rint(array * 255 if high <= 1 else array)
    return array.astype(np.uint8 if high <= 255 else np.uint16)


def _is_time_last(array: np.ndarray) -> bool:
    """Whether (h, w, T) is likelier than (T, h, w): figures change little with time, but much from row to row."""
    rows, columns, last = array.shape
    if last < NARROWEST <= min(rows, columns):  # no frame is as narrow
        return True
    # some rows and times are enough
    array = array[:: max(1, rows // THINNED), :, :: max(1, last // THINNED)]
    mask = array > (int(array.min()) + int(array.max())) // 2
    if not mask.any():
        return False
    spreads = []
    for axes in ((1, 2), (0, 1)):
        masses = mask.sum(axis=axes)
        masses = masses[masses > 0]
        spreads.append(masses.std() / masses.mean())
    # a row of the figure is there at all times, while a frame seldom has a figure in all of its columns
    filled = np.asarray(mask.any(axis=1))
    return spreads[0] > 2 * spreads[1] and filled[filled.any(axis=1)].mean() > ALWAYS


def _no_frames(folders: list[str], files: list[str]) -> str:
    """What a folder without frames holds instead, and the remedy."""
    if folders:
        return (
            f"has no PNG or JPG frames but folders ({folders[0]}, ...): the frames lie deeper; give --layout or a "
            "--pattern with one more part, such as */{subject}/{condition}/{view}"
        )
    kinds = sorted({Path(name).suffix or name for name in files})[:5]
    found = f"found: {', '.join(kinds)}" if kinds else "it is empty"
    return f"has no PNG or JPG frames ({found}); give the folder that holds the frames of one sequence"


def _check_one_series(names: list[str]) -> None:
    """Refuse frames of several sequences in one folder: names whose last numbers start again.

    Raises:
        BrokenSequence: there are several series.
    """
    series: dict[str, set[str]] = defaultdict(set)
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if match:
            series[match[1]].add(match[2])
    if len(series) < 2:
        return
    (first, numbers), (second, others), *_ = sorted(series.items(), key=lambda item: -len(item[1]))
    if min(len(numbers), len(others)) >= MIXED_LEAST and 2 * len(numbers & others) > len(others):
        raise BrokenSequence(
            f"holds frames of several sequences ({first}..., {second}...)",
            "move those of each sequence into a folder of its own, subject/condition/view",
        )

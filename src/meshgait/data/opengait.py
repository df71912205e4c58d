"""OpenGait's folders of pickles -> silhouettes and SMPL rows, each told by its shape and type, not by its name.

A folder holds the modalities of one sequence, one pickle each, all of equal length: silhouettes uint8 (T, H, H) or
(T, H, W), SMPL rows float (T, 85) = camera 3, pose 72, betas 10 (as ROMP fits them), and what is not needed here.
Parsing maps have the shape of silhouettes; their numbers of body parts tell them.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from meshgait.data.pickles import load_pickle
from meshgait.data.store import SMPL_WIDTHS
from meshgait.data.takes import Align, BrokenSequence, Drop, Take, whole_drop
from meshgait.errors import DataError, UnsafeFileError

ROW = sum(SMPL_WIDTHS.values())
LARGEST_LABEL = 31
"""Greatest value of parsing maps; no silhouette is as dark."""
NO_FIGURE, NO_FRAME = "no figure", "no frame is left"


class AsWritten(NamedTuple):
    """Fits whose cameras are in the silhouette frame already, as `meshgait.data.export` writes them."""

    poses: np.ndarray
    betas: np.ndarray
    cameras: np.ndarray
    valid: np.ndarray


def as_written(rows: np.ndarray, silhouettes: np.ndarray) -> AsWritten:
    """Rows (T, 85) taken as they are; a row of zeros is no fit."""
    cameras, poses, betas = np.split(rows.astype(np.float32), (3, 75), axis=1)
    return AsWritten(poses, betas, cameras, rows.any(axis=1))


def read_pickles(
    folder: Path, size: tuple[int, int] = (64, 44), files: str = "*.pkl", align: Align | None = None
) -> Take:
    """Read the modalities of a sequence; square silhouettes are cut at both sides to the width.

    Args:
        folder: of the pickles.
        size: (H, W) of the silhouettes; the files must be of this height.
        files: which files are read.
        align: brings SMPL rows into the silhouette frame; None leaves them as they are.

    Raises:
        BrokenSequence: wrong types or shapes, modalities of unequal length, a damaged file.
        UnsafeFileError: a file asks for code to be run.
    """
    arrays = {name: _read(folder / name) for name in _names(folder, files)}
    if not arrays:
        raise BrokenSequence(f"has no file that fits {files}; give --files, or remove the folder")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BrokenSequence(
            f"has modalities of unequal length ({found}); make them anew, or leave some out by --files"
        )
    silhouettes = _cut(*_silhouettes(arrays, size), size)
    rows = _rows(arrays)
    # brighter than grey somewhere, or nobody is there
    seen = silhouettes.max(axis=(1, 2), initial=0) > 127
    drops = tuple(Drop(f"frame {index}", NO_FIGURE) for index in np.flatnonzero(~seen))
    if not seen.any():
        return whole_drop(NO_FRAME, f"{len(seen)} frames", drops)
    if drops:
        silhouettes, rows = silhouettes[seen], None if rows is None else rows[seen]
    fits = align(rows, silhouettes) if align is not None and rows is not None else None
    return Take(silhouettes, drops, rows, fits, seen)


def _names(folder: Path, files: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if fnmatchcase(name, files) and name[0] != ".")
    except OSError as error:
        raise BrokenSequence(f"cannot be read ({error.strerror}); check its rights") from None


def _read(path: Path) -> np.ndarray:
    try:
        content: Any = load_pickle(path)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{error}, or leave it out by --files") from None
    except DataError as error:
        raise BrokenSequence(f"cannot be read: {error}") from None
    if isinstance(content, list | tuple) and content and len({getattr(a, "shape", None) for a in content}) == 1:
        content = np.stack(content)
    if not isinstance(content, np.ndarray) or not content.ndim:
        raise BrokenSequence(
            f"has {path.name}, a {type(content).__name__} and no array (T, ...); leave it out by --files"
        )
    return content


def _silhouettes(arrays: dict[str, np.ndarray], size: tuple[int, int]) -> tuple[str, np.ndarray]:
    """Name and content of the file with the silhouettes."""
    found = {name: array for name, array in arrays.items() if array.ndim == 3 and array.dtype in (np.uint8, bool)}
    if len(found) > 1:
        brightest = {name: array.max(initial=0) for name, array in found.items()}
        # parsing maps beside silhouettes
        found = {name: array for name, array in found.items() if brightest[name] > LARGEST_LABEL} or found
    if len(found) > 1:
        wanted = (size, (size[0], size[0]))
        found = {name: array for name, array in found.items() if array.shape[1:] in wanted} or found
    if len(found) == 1:
        return found.popitem()
    seen = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in (found or arrays).items())
    if found:
        raise BrokenSequence(f"has several files that may be the silhouettes ({seen}); choose one by --files")
    raise BrokenSequence(
        f"has no silhouettes: they are uint8 (T, h, w), found {seen}; convert it, or give --files"
    )


def _cut(name: str, array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(T, H, W) uint8 0..255, cut at both sides by the same."""
    height, width = array.shape[1:]
    spare = width - size[1]
    if height != size[0] or spare < 0:
        remedy = f"--size {height} {width * 11 // 16 if width == height else width}"
        raise BrokenSequence(
            f"has {name} of {height} x {width} pixels, asked for is {size[0]} x {size[1]}; pass {remedy}"
        )
    cut = np.ascontiguousarray(array[:, :, spare // 2 : spare // 2 + size[1]])
    brightest = int(cut.max(initial=0))
    if brightest <= 1:
        return cut.astype(np.uint8) * np.uint8(255)
    if brightest <= LARGEST_LABEL:
        raise BrokenSequence(
            f"has {name} with values 0..{brightest}, which are no silhouettes but labels; give --files"
        )
    return cut


def _rows(arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """The SMPL rows (T, 85), or None."""
    found = {n: a for n, a in arrays.items() if a.ndim == 2 and a.shape[1] == ROW and a.dtype.kind == "f"}
    if len(found) > 1:
        raise BrokenSequence(f"has several files of SMPL rows ({', '.join(found)}); choose one by --files")
    rows = next(iter(found.values()), None)
    if rows is not None and not np.isfinite(rows).all():
        raise BrokenSequence(f"has SMPL rows with nan or inf in {next(iter(found))}; repair or remove the file")
    return rows

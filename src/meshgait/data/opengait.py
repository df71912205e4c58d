"""OpenGait's folders of pickles -> silhouettes and SMPL rows, recognised by shape and type, not by name.

A folder holds the modalities of one sequence, one pickle each, all of equal length: silhouettes uint8 (T, H, H) or
(T, H, W), SMPL rows float (T, 85) = camera 3, pose 72, betas 10 (as ROMP fits them), and others (not needed).
Parsing maps have the shape of silhouettes, but hold the numbers of body parts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from meshgait.data.folders import list_folder
from meshgait.data.frames import FrameOptions, read_sequence
from meshgait.data.loaded_sequence import Align, BrokenSequence, LoadedSequence
from meshgait.data.mask_checks import LARGEST_LABEL
from meshgait.data.sources import ArrayFrames
from meshgait.data.storefiles import SMPL_WIDTHS
from meshgait.errors import DataError, UnsafeFileError
from meshgait.pickles import load_pickle

ROW = sum(SMPL_WIDTHS.values())


class AsWritten(NamedTuple):
    """Fits whose cameras are in the silhouette frame already, as `meshgait.data.export` writes them."""

    poses: np.ndarray
    betas: np.ndarray
    cameras: np.ndarray
    valid: np.ndarray


def as_written(rows: np.ndarray, silhouettes: np.ndarray) -> AsWritten:
    """Rows (T, 85) taken as they are; a row of zeros is no fit."""
    cameras, poses, betas = np.split(rows.astype(np.float32), (3, 75), axis=1)
    return AsWritten(poses, betas, cameras, np.asarray(rows.any(axis=1)))


def read_pickles(
    folder: Path, options: FrameOptions | None = None, files: str = "*.pkl", align: Align | None = None
) -> LoadedSequence:
    """Read the modalities of a sequence.

    Args:
        folder: of the pickles.
        options: how frames become silhouettes; those in the silhouette frame already are kept as they are.
        files: which files are read.
        align: brings SMPL rows into the silhouette frame; None leaves them as they are.

    Raises:
        BrokenSequence: wrong types or shapes, modalities of unequal length, a damaged file.
        UnsafeFileError: a file asks for code to be run.
    """
    options = options or FrameOptions()
    arrays = {name: _read(folder / name) for name in _names(folder, files)}
    if not arrays:
        raise BrokenSequence(f"has no file that fits {files}", "give --files, or remove the folder")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BrokenSequence(
            f"has modalities of unequal length ({found})", "make them again, or leave some out by --files"
        )
    name, silhouettes = _silhouettes(arrays, options.size)
    rows = _rows(arrays)
    try:
        take = read_sequence(ArrayFrames(silhouettes), options)
    except BrokenSequence as error:
        raise BrokenSequence(f"has {name}, which {error.what}", error.remedy) from None
    if silhouettes.shape[1] != options.size[0]:
        take = take._replace(figure=f"{take.figure} from {silhouettes.shape[1]} x {silhouettes.shape[2]} pixels")
    if take.silhouettes is None or rows is None:
        return take
    rows = rows[take.kept]
    fits = align(rows, take.silhouettes) if align is not None else None
    return take._replace(rows=rows, fits=fits)


def _names(folder: Path, files: str) -> list[str]:
    try:
        return [name for name in list_folder(folder).files if fnmatchcase(name, files)]
    except OSError as error:
        raise BrokenSequence(f"cannot be read ({error.strerror})", "check its rights") from None


def _read(path: Path) -> np.ndarray:
    try:
        content: Any = load_pickle(path)
    except UnsafeFileError as error:
        raise UnsafeFileError(error.what, f"{error.remedy}, or leave it out by --files") from None
    except DataError as error:
        raise BrokenSequence(f"cannot be read: {error.what}", error.remedy) from None
    if isinstance(content, list | tuple) and content and all(isinstance(a, np.ndarray) for a in content):
        content = np.stack(content) if len({a.shape for a in content}) == 1 else content
    if not isinstance(content, np.ndarray) or not content.ndim:
        raise BrokenSequence(
            f"has {path.name}, a {type(content).__name__} and no array (T, ...)", "leave it out by --files"
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
        raise BrokenSequence(f"has several files that may be the silhouettes ({seen})", "choose one by --files")
    raise BrokenSequence(
        f"has no silhouettes: they are uint8 (T, h, w), found {seen}", "convert it, or give --files"
    )


def _rows(arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """The SMPL rows (T, 85), or None."""
    found = {n: a for n, a in arrays.items() if a.ndim == 2 and a.shape[1] == ROW and a.dtype.kind == "f"}
    if len(found) > 1:
        raise BrokenSequence(f"has several files of SMPL rows ({', '.join(found)})", "choose one by --files")
    rows = next(iter(found.values()), None)
    if rows is not None and not np.isfinite(rows).all():
        raise BrokenSequence(f"has SMPL rows with nan or inf in {next(iter(found))}", "repair or remove the file")
    return rows

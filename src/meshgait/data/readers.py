"""One sequence as users have it (a folder of frames, GIF, array, pickle) -> silhouettes and a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from meshgait.arrays import npz_names, read_npy, read_npz
from meshgait.data.frames import FrameOptions, read_sequence
from meshgait.data.loaded_sequence import BrokenSequence, LoadedSequence
from meshgait.data.sources import ArrayFrames, FolderFrames, FrameSource, GifFrames
from meshgait.errors import DataError
from meshgait.pickles import load_pickle

KEYS = ("silhouettes", "sil")
FORMS = ".gif, .npy, .npz or .pkl"


@dataclass
class ReadReport:
    """What was read and what was not.

    Attributes:
        source: the path.
        total: frames found.
        figure: what was taken for the figure in the pictures.
        dropped: name of each frame left out -> reason.
        warnings: what the user should know, one line each.
    """

    source: str
    total: int
    figure: str
    dropped: dict[str, str]
    warnings: list[str] = field(default_factory=list)


@dataclass
class Silhouettes:
    """Frames (T, H, W) uint8 0..255 in the silhouette frame, their indices (T,) in the source, the report."""

    frames: np.ndarray
    kept: np.ndarray
    report: ReadReport

    @classmethod
    def of(cls, take: LoadedSequence, source: str, total: int) -> Silhouettes:
        """What was read of a source of ``total`` frames.

        Raises:
            DataError: no frame is left.
        """
        if take.silhouettes is None or take.kept is None:
            raise DataError(
                f"{source}: none of its {total} frames can be used ({take.drops[-1].detail})",
                "check the segmentation, and that the walker is brighter than the background",
            )
        dropped = {drop.file: drop.reason for drop in take.drops if drop.file}
        report = ReadReport(source, total, take.figure, dropped)
        if dropped:
            report.warnings.append(f"{len(dropped)} of {total} frames are left out")
        if len(take.silhouettes) == 1:
            report.warnings.append(
                "one frame alone: gait is motion, give at least half a step (10 frames at 25 a second)"
            )
        return cls(take.silhouettes, np.flatnonzero(take.kept), report)


def read_silhouettes(path: Path | str, size: tuple[int, int] = (64, 44), person: int | None = None) -> Silhouettes:
    """Read one silhouette sequence.

    Args:
        path: a folder of PNG or JPG frames (in natural order of their names), an animated GIF, .npy, .npz (one
            array, or the key "silhouettes" or "sil") or .pkl of a numpy array (T, h, w).
        size: (H, W) of the silhouette frame.
        person: class number that is the person, where masks hold such.

    Raises:
        DataError: what is wrong, where, and the remedy.
        UnsafeFileError: a pickle that asks for anything but arrays, or an array of Python objects.
    """
    path = Path(path)
    try:
        source = open_source(path)
        take = read_sequence(source, FrameOptions(size, person=person))
    except BrokenSequence as error:
        raise DataError(f"{path} {error.what}", error.remedy) from None
    return Silhouettes.of(take, str(path), len(source))


def open_source(path: Path) -> FrameSource:
    """The frames of a sequence.

    Raises:
        DataError: there is nothing at the path, or nothing that is read.
    """
    if path.is_dir():
        return FolderFrames(path)
    if not path.exists():
        raise DataError(f"{path} does not exist", f"give a folder of frames, a {FORMS}")
    suffix = path.suffix.lower()
    if suffix == ".gif" and path.is_file():
        return GifFrames(path)
    if suffix in _READERS and path.is_file():
        return ArrayFrames(_READERS[suffix](path))
    raise DataError(
        f"{path} has the extension {suffix or '(none)'}; silhouettes are read from a folder of PNG or JPG frames, "
        f"{FORMS}",
        "of a video `meshgait silhouettes VIDEO` makes them",
    )


def _read_npz(path: Path) -> np.ndarray:
    names = npz_names(path)
    chosen = names[:1] if len(names) == 1 else [key for key in KEYS if key in names]
    if not chosen:
        raise DataError(
            f"{path} has the keys {', '.join(names) or '(none)'}",
            "name the array 'silhouettes', or keep it alone in the file",
        )
    return read_npz(path, chosen[:1])[chosen[0]]


def _read_pickle(path: Path) -> np.ndarray:
    content = load_pickle(path)
    if isinstance(content, dict):
        found = [content[key] for key in KEYS if key in content]
        if not found:
            raise DataError(f"{path} has the keys {', '.join(map(str, content))}", "name the array 'silhouettes'")
        content = found[0]
    if isinstance(content, list | tuple) and content and all(isinstance(item, np.ndarray) for item in content):
        if len({item.shape for item in content}) > 1:
            raise DataError(f"{path} is a list of arrays of several shapes", "all frames must have one size")
        content = np.stack(content)
    if not isinstance(content, np.ndarray):
        raise DataError(f"{path} holds a {type(content).__name__}", "silhouettes are an array (T, h, w) of uint8")
    return content


_READERS = {".npy": read_npy, ".npz": _read_npz, ".pkl": _read_pickle}

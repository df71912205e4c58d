"""Silhouettes as users have them: folders of frames, GIFs, arrays, pickles -> frames in the silhouette frame.

Frames of any size are binarised and put through the crop rule (`meshgait.data.silhouettes`). Frames that are
already in the silhouette frame (64 rows, 64 or 44 columns, every figure from the first row to the last) are kept
as they are, with their grey edges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from meshgait.data.pickles import load_pickle
from meshgait.data.silhouettes import normalise
from meshgait.errors import DataError

FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")
KEYS = ("silhouettes", "sil")
# JPEG's rounding makes channels of a grey picture differ by this much
COLOUR_TOLERANCE = 8
# what silhouettes cannot be: half of the pixels between black and white; a white border round a white picture
GREY_SHARE, WHITE_BORDER, WHITE_SHARE = 0.5, 0.75, 0.5


@dataclass
class Report:
    """What was read and what was not.

    Attributes:
        source: the path.
        form: "folder", "gif", "npy", "npz" or "pkl".
        total: frames found.
        native: (h, w) of the frames as found.
        dropped: index of each frame left out -> reason.
        cropped: whether the crop rule was applied (False: frames were in the silhouette frame already).
        warnings: what the user should know, one line each.
    """

    source: str
    form: str
    total: int
    native: tuple[int, int]
    dropped: dict[int, str] = field(default_factory=dict)
    cropped: bool = True
    warnings: list[str] = field(default_factory=list)


@dataclass
class Silhouettes:
    """Frames (T, H, W) uint8 0..255 in the silhouette frame, their indices (T,) in the source, the report."""

    frames: np.ndarray
    kept: np.ndarray
    report: Report


def read_silhouettes(path: Path | str, size: tuple[int, int] = (64, 44)) -> Silhouettes:
    """Read one silhouette sequence.

    Args:
        path: a folder of PNG or JPG frames (in natural order of their names), an animated GIF, .npy, .npz (one
            array, or the key "silhouettes" or "sil") or .pkl of a numpy array: (T, h, w), a figure brighter than
            its background.
        size: (H, W) of the silhouette frame.

    Raises:
        DataError: what is wrong, where, and the remedy.
        UnsafeFileError: a pickle that asks for anything but arrays.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of frames, a .gif, .npy, .npz or .pkl")
    suffix = path.suffix.lower()
    if path.is_dir():
        form, frames = "folder", _read_folder(path)
    elif suffix in _READERS:
        form, frames = suffix[1:], _READERS[suffix](path)
    else:
        raise DataError(
            f"{path} has the extension {suffix or '(none)'}; silhouettes are read from a folder of PNG or JPG "
            "frames, .gif, .npy, .npz or .pkl; videos must be segmented into silhouettes first"
        )
    return _in_frame(_as_grey(frames, str(path)), Report(str(path), form, len(frames), (0, 0)), size)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: frame2 before frame10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]


def _read_folder(path: Path) -> np.ndarray:
    files = sorted(
        (file for file in path.iterdir() if file.suffix.lower() in FRAME_SUFFIXES),
        key=lambda file: natural(file.name),
    )
    if not files:
        others = sorted({file.suffix or "folders" for file in path.iterdir()})
        raise DataError(
            f"{path} has no PNG or JPG frames ({'found: ' + ', '.join(others[:5]) if others else 'it is empty'}); "
            "give the folder that holds the frames of one sequence"
        )
    frames = []
    for file in files:
        with _opened(file) as image:
            frames.append(_pixels(image))
        if frames[-1].shape != frames[0].shape:
            raise DataError(
                f"{file} is {_format(frames[-1])}, {files[0].name} is {_format(frames[0])}: "
                "all frames of a sequence must have one size; export them anew, uncropped"
            )
    return np.stack(frames)


def _read_gif(path: Path) -> np.ndarray:
    with _opened(path) as image:
        try:
            return np.stack([_pixels(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])
        except (OSError, SyntaxError, ValueError) as error:
            raise _damaged(path, error) from None


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _array_error(path, error) from None


def _read_npz(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            chosen = names[:1] if len(names) == 1 else [key for key in KEYS if key in names]
            if not chosen:
                raise DataError(
                    f"{path} has the keys {', '.join(names) or '(none)'}; name the array 'silhouettes', "
                    "or keep it alone in the file"
                )
            return archive[chosen[0]]
    except DataError:
        raise
    # a zip file can be damaged in more ways than numpy knows of (zlib.error, zipfile.BadZipFile, ...)
    except Exception as error:
        raise _array_error(path, error) from None


def _read_pickle(path: Path) -> np.ndarray:
    content = load_pickle(path)
    if isinstance(content, dict):
        found = [content[key] for key in KEYS if key in content]
        if not found:
            raise DataError(f"{path} has the keys {', '.join(map(str, content))}; name the array 'silhouettes'")
        content = found[0]
    if isinstance(content, list | tuple) and content and all(isinstance(item, np.ndarray) for item in content):
        if len({item.shape for item in content}) > 1:
            raise DataError(f"{path} is a list of arrays of several shapes; all frames must have one size")
        content = np.stack(content)
    if not isinstance(content, np.ndarray):
        raise DataError(f"{path} holds a {type(content).__name__}; silhouettes are an array (T, h, w) of uint8")
    return content


_READERS = {".gif": _read_gif, ".npy": _read_npy, ".npz": _read_npz, ".pkl": _read_pickle}


def _opened(path: Path) -> Image.Image:
    """Picture, read whole.

    Raises:
        DataError: it is damaged.
    """
    try:
        image = Image.open(path)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _damaged(path, error) from None
    return image


def _pixels(image: Image.Image) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8 of a picture of any mode."""
    if image.mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8)
    return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))


def _format(frame: np.ndarray) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}" + (" in colour" if frame.ndim == 3 else "")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is truncated or no picture ({error}); copy or export it again")


def _array_error(path: Path, error: Exception) -> DataError:
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return DataError(f"{path} holds Python objects, which are never loaded; save one uint8 array (T, h, w)")
    return DataError(f"{path} is truncated or no numpy file ({error}); copy or save it again")


def _as_grey(frames: np.ndarray, where: str) -> np.ndarray:
    """(T, h, w) uint8 0..255 of whatever array was found: channels, numbers, range."""
    if frames.ndim == 4 and frames.shape[1] == 1:
        frames = frames[:, 0]
    if frames.ndim == 4 and frames.shape[-1] in (1, 3, 4):
        colours = frames[..., :3].astype(np.int16 if frames.dtype == np.uint8 else np.float32)
        scale = 255 if frames.dtype != np.uint8 and colours.max(initial=0) <= 1 else 1
        if np.ptp(colours, axis=-1).max(initial=0) * scale > COLOUR_TOLERANCE:
            raise DataError(
                f"{where} holds colour frames; segment the walker first and give black and white silhouettes"
            )
        frames = frames[..., 0]
    if frames.ndim == 2:
        frames = frames[None]
    if frames.ndim != 3 or 0 in frames.shape:
        many = "; (N, T, h, w) is many sequences: give one, or pack them with `meshgait pack`"
        raise DataError(
            f"{where} is of shape {frames.shape}; silhouettes are (T, h, w){many if frames.ndim == 4 else ''}"
        )
    if frames.dtype.kind not in "biuf" or (frames.dtype.kind == "f" and not np.isfinite(frames).all()):
        raise DataError(f"{where} holds {frames.dtype} values that are no brightness; save uint8 0..255")
    low, high = frames.min(), frames.max()
    if low < 0 or high > 255:
        raise DataError(f"{where} holds values {low}..{high}; silhouettes are 0..255 or 0..1: scale them")
    if high <= 1:
        return (frames >= 0.5).astype(np.uint8) * np.uint8(255)
    return frames if frames.dtype == np.uint8 else np.rint(frames).astype(np.uint8)


def _check_polarity(frames: np.ndarray, where: str) -> None:
    """Refuse grey photographs and black figures on white."""
    grey = np.mean((frames > 32) & (frames < 224))
    if grey > GREY_SHARE:
        raise DataError(
            f"{where} looks like grey pictures ({100 * grey:.0f} % of the pixels are neither black nor white); "
            "segment the walker first and give black and white silhouettes"
        )
    white = frames > 127
    border = np.concatenate([white[:, [0, -1]].ravel(), white[:, :, [0, -1]].ravel()])
    if border.mean() > WHITE_BORDER and white.mean() > WHITE_SHARE:
        raise DataError(
            f"{where} is white with a black figure ({100 * white.mean():.0f} % white); silhouettes are white on "
            "black: invert the frames (255 - frame)"
        )


def _in_frame(frames: np.ndarray, report: Report, size: tuple[int, int]) -> Silhouettes:
    """Crop rule on every frame; frames without a figure are left out and named in the report."""
    _check_polarity(frames, report.source)
    report.native = frames.shape[1:]
    figures = frames > 127
    report.cropped = not _is_normalised(figures, size)
    done: list[np.ndarray] = []
    kept: list[int] = []
    for index, figure in enumerate(figures):
        if not figure.any():
            report.dropped[index] = "no figure (all black)"
            continue
        frame: Any = frames[index]
        if report.cropped:
            frame = normalise(figure.astype(np.uint8) * np.uint8(255), size)[0]
            if frame is None:
                report.dropped[index] = f"too few white pixels ({int(figure.sum())})"
                continue
        elif frame.shape[1] > size[1]:
            cut = (frame.shape[1] - size[1]) // 2
            frame = frame[:, cut : cut + size[1]]
        done.append(frame)
        kept.append(index)
    if not done:
        raise DataError(
            f"{report.source}: none of its {report.total} frames holds a figure; check the segmentation, and that "
            "the walker is white"
        )
    if report.dropped:
        report.warnings.append(f"{len(report.dropped)} of {report.total} frames hold no figure and are left out")
    if len(done) == 1:
        report.warnings.append(
            "one frame alone: gait is motion, give at least half a step (10 frames at 25 a second)"
        )
    return Silhouettes(np.stack(done), np.array(kept), report)


def _is_normalised(figures: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether (T, h, w) bool are in the silhouette frame: its height, its width or square, full-height figures."""
    height, width = figures.shape[1:]
    if height != size[0] or width not in (size[0], size[1]):
        return False
    seen = figures[figures.any((1, 2))]
    return bool(len(seen)) and bool(seen[:, [0, -1]].any(-1).all())

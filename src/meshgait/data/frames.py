"""One sequence of pictures -> silhouettes: the one reader for packing, prediction and everything after them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from meshgait.data.loaded_sequence import BrokenSequence, Dropped, LoadedSequence, drop_sequence
from meshgait.data.mask_checks import MaskError
from meshgait.data.masks import Channels, MaskRule, channels_of, choose_mask_rule
from meshgait.data.pictures import Picture
from meshgait.data.silhouettes import normalise
from meshgait.data.sources import ArrayFrames, FolderFrames, FrameSource

NO_FIGURE, UNREADABLE, NO_FRAME = "no figure", "unreadable picture", "no frame is left"
SAMPLED = 5
"""Frames, spread evenly, that decide what is the figure in a sequence."""
FAINT_ROWS = 2
"""Rows by which a figure in the silhouette frame may fall short of its height, where its edges are faint."""


@dataclass(frozen=True)
class FrameOptions:
    """How frames become silhouettes.

    Attributes:
        size: (H, W) of the silhouettes.
        crop: put frames through the crop rule, unless they are in the silhouette frame already; False scales whole
            frames to the height and cuts or fills them at both sides.
        person: class number that is the person, where masks hold such.
    """

    size: tuple[int, int] = (64, 44)
    crop: bool = True
    person: int | None = None


def read_frames(folder: Path | str, options: FrameOptions | None = None) -> LoadedSequence:
    """Read a sequence from a folder of frames.

    Raises:
        BrokenSequence: the folder cannot be read, holds no frames, or these are no silhouettes.
    """
    return read_sequence(FolderFrames(folder), options)


def read_sequence(source: FrameSource, options: FrameOptions | None = None) -> LoadedSequence:
    """Read all frames of a sequence.

    The pictures' content decides, once for all of them, what is the figure (`meshgait.data.masks`).
    Frames are black and white when they are cropped, so that neither soft edges nor a codec's noise move the crop.
    Frames in the silhouette frame already, as OpenGait makes them, are kept as they are, with their grey edges.

    Args:
        source: of the frames.
        options: how they become silhouettes.

    Returns:
        The silhouettes, what was left out and why, and in words what was taken for the figure.

    Raises:
        BrokenSequence: the pictures are no silhouettes.
    """
    options = options or FrameOptions()
    numbers = np.unique(np.linspace(0, len(source) - 1, SAMPLED).round().astype(int))
    samples, known, lossy = _look(source, numbers)
    try:
        rule = choose_mask_rule(samples, lossy, options.person)
        if rule is None:  # these frames show nobody
            samples, known, lossy = _look(source, np.arange(len(source)))
            rule = choose_mask_rule(samples, lossy, options.person)
    except MaskError as error:
        if (turned := _with_time_first(source)) is not source:
            return read_sequence(turned, options)
        raise BrokenSequence(error.what, error.remedy) from None
    if rule is None:
        return _nobody(source, known)
    crop = options.crop and not _is_normalised(samples, rule, options.size)
    if crop and (turned := _with_time_first(source)) is not source:
        return read_sequence(turned, options)
    if not crop and isinstance(source, ArrayFrames) and source.array.ndim == 3:
        take = _keep_array(source, rule, options.size)
    else:
        take = _read_all(source, known, rule, options, crop)
    return take._replace(figure=f"{rule.text}, {'cropped' if crop else 'kept as aligned'}{source.note}")


def _with_time_first(source: FrameSource) -> FrameSource:
    return source.with_time_first() if isinstance(source, ArrayFrames) else source


def _look(source: FrameSource, numbers: np.ndarray) -> tuple[list[Channels], dict[int, Picture | None], bool]:
    """Channels of some frames, the frames themselves by their numbers, and whether any of them is lossy."""
    if isinstance(source, ArrayFrames) and source.array.ndim == 3:
        return [{"grey": source.array[numbers]}], {}, False
    known = {number: source.read(number) for number in numbers.tolist()}
    seen = [picture for picture in known.values() if picture is not None]
    return [channels_of(picture) for picture in seen], known, any(picture.lossy for picture in seen)


def _nobody(source: FrameSource, known: dict[int, Picture | None]) -> LoadedSequence:
    drops = []
    for number in range(len(source)):
        damaged = number in known and known[number] is None
        drops.append(Dropped(source.name(number), UNREADABLE if damaged else NO_FIGURE))
    return drop_sequence(NO_FRAME, f"{len(drops)} frames, the first: {drops[0].reason}", tuple(drops))


def _read_all(
    source: FrameSource, known: dict[int, Picture | None], rule: MaskRule, options: FrameOptions, crop: bool
) -> LoadedSequence:
    count = len(source)
    silhouettes, kept = np.empty((count, *options.size), np.uint8), np.zeros(count, bool)
    drops = []
    for number in range(count):
        picture = known[number] if number in known else source.read(number)
        if picture is None:
            drops.append(Dropped(source.name(number), UNREADABLE))
            continue
        try:
            if crop:
                silhouette = normalise(rule.mask(picture), options.size)[0]
            else:
                silhouette = whole_frame(rule.grey(picture), options.size)
        except MaskError as error:
            raise BrokenSequence(f"has {source.name(number)}, which {error.what}", error.remedy) from None
        if silhouette is None:
            drops.append(Dropped(source.name(number), NO_FIGURE))
            continue
        silhouettes[number], kept[number] = silhouette, True
    return _take(silhouettes, kept, drops)


def _take(silhouettes: np.ndarray, kept: np.ndarray, drops: list[Dropped]) -> LoadedSequence:
    if not kept.any():
        return drop_sequence(NO_FRAME, f"{len(kept)} frames, the first: {drops[0].reason}", tuple(drops))
    return LoadedSequence(silhouettes[kept] if drops else silhouettes, tuple(drops), kept=kept)


def _keep_array(source: ArrayFrames, rule: MaskRule, size: tuple[int, int]) -> LoadedSequence:
    """All frames of an array (T, h, w) at once, without the crop rule."""
    frames = source.array
    if frames.shape[1] == size[0] and frames.shape[2] >= size[1]:
        spare = (frames.shape[2] - size[1]) // 2
        silhouettes = rule.grey_of(np.ascontiguousarray(frames[:, :, spare : spare + size[1]]))
        kept = silhouettes.max(axis=(1, 2)) > 127
    else:
        whole = [whole_frame(frame, size) for frame in rule.grey_of(frames)]
        kept = np.array([frame is not None for frame in whole])
        silhouettes = np.stack([np.zeros(size, np.uint8) if frame is None else frame for frame in whole])
    drops = [Dropped(source.name(number), NO_FIGURE) for number in np.flatnonzero(~kept).tolist()]
    return _take(silhouettes, kept, drops)


def whole_frame(image: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """A frame scaled to the height, cut or filled at both sides to the width; None if nobody is on it.

    Args:
        image: (h, w) uint8.
        size: (H, W) of the silhouette.
    """
    height, width = size
    if image.shape[0] != height:
        scaled = max(image.shape[1] * height // image.shape[0], 1)
        image = cv2.resize(image, (scaled, height), interpolation=cv2.INTER_CUBIC)
    spare = image.shape[1] - width
    if spare > 0:
        image = image[:, spare // 2 : spare // 2 + width]
    elif spare < 0:
        image = np.pad(image, ((0, 0), (-spare // 2, -spare - -spare // 2)))
    return image if image.max() > 127 else None


def _is_normalised(samples: list[Channels], rule: MaskRule, size: tuple[int, int]) -> bool:
    """Whether frames are in the silhouette frame: its height, its width or square, figures of full height."""
    height, width = size
    bands = [channels[rule.channel] for channels in samples if rule.channel in channels]
    if any(band.shape[1] != height or band.shape[2] not in (height, width) for band in bands):
        return False
    rows = np.concatenate([rule.mask_of(band).any(axis=2) for band in bands])
    rows = rows[rows.any(axis=1)]
    reach = FAINT_ROWS + 1
    return bool(len(rows)) and bool((rows[:, :reach].any(axis=1) & rows[:, -reach:].any(axis=1)).all())

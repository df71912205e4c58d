"""Folders of frames (PNG or JPG) -> silhouettes, fast enough that the disk is the limit."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from meshgait.data.png import decode
from meshgait.data.readers import FRAME_SUFFIXES, natural
from meshgait.data.silhouettes import normalise
from meshgait.data.takes import BrokenSequence, Drop, Take, whole_drop

NO_FIGURE, UNREADABLE, NO_FRAME = "no figure", "unreadable picture", "no frame is left"
MEAN_IMAGE = "gei.png"  # lies among the frames of some copies of CASIA-B


def read_frames(folder: Path, size: tuple[int, int] = (64, 44), crop: bool = True) -> Take:
    """Read the frames of a sequence in natural order of their names.

    JPG frames are made black and white first, for around a figure their compression leaves grey that would pass
    for a part of it; they are read only where a folder has no PNG (some data sets keep photographs beside).
    Else the frames are as OpenGait makes them (see `meshgait.data.silhouettes`); its script for CCPG alone resizes
    by area instead of cubically, which differs in the grey of the edges.

    Args:
        folder: of the frames.
        size: (H, W) of the silhouettes.
        crop: put each frame through the crop rule; False scales whole frames and cuts the sides.

    Raises:
        BrokenSequence: the folder cannot be read or holds no frame.
    """
    try:
        names = [name for name in os.listdir(folder) if name.lower().endswith(FRAME_SUFFIXES)]
    except OSError as error:
        raise BrokenSequence(f"cannot be read ({error.strerror}); check its rights") from None
    pngs = [name for name in names if name.lower().endswith(".png") and not name.lower().endswith(MEAN_IMAGE)]
    names = sorted(pngs or [name for name in names if not name.lower().endswith(".png")], key=natural)
    if not names:
        raise BrokenSequence("has no PNG or JPG frames; give --layout, --pattern or another folder")
    silhouettes, drops = np.empty((len(names), *size), np.uint8), []
    kept = np.zeros(len(names), bool)
    prefix = f"{folder}{os.sep}"
    for number, name in enumerate(names):
        image = _image(prefix + name, lossy=not pngs)
        if image is None:
            drops.append(Drop(name, UNREADABLE))
            continue
        silhouette = normalise(image, size)[0] if crop else _whole(image, size)
        if silhouette is None:
            drops.append(Drop(name, NO_FIGURE))
            continue
        silhouettes[number], kept[number] = silhouette, True
    if not kept.any():
        return whole_drop(NO_FRAME, f"{len(names)} frames, the first: {drops[0].reason}", tuple(drops))
    return Take(silhouettes[kept] if drops else silhouettes, tuple(drops), kept=kept)


def _image(path: str, lossy: bool) -> np.ndarray | None:
    """Grey image (h, w) uint8 0..255, or None if it is damaged."""
    try:
        with open(path, "rb", buffering=0) as file:
            image = decode(file.read())
    except OSError:
        return None
    if image is None:
        return None
    if lossy:
        return cv2.threshold(image, 127, 255, cv2.THRESH_BINARY)[1]
    # a mask of 0 and 1; few silhouettes are so dark that one has to look
    return image * np.uint8(255) if image[image.shape[0] // 2].max() <= 1 and image.max() == 1 else image


def _whole(image: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The frame scaled to the height, cut or filled at both sides to the width; None if nobody is on it."""
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

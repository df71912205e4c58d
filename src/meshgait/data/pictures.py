"""Files of single pictures -> pixels as they are stored: grey values, palette indices, colours, transparency.

`meshgait.data.masks` decides what is the figure in them. The content decides the format, not the file's name: a
JPEG under the name .png is read as a JPEG.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from meshgait.data.png import JPG, JPG_END, SIGNATURE, decode_plain, read_chunks

# pictures are refused by the limits here, which are lower than those that Pillow warns of
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

LARGEST_PIXELS = 1 << 25
"""Pixels of a frame at most, 8K video (7680 x 4320)."""
LARGEST_FILE = 1 << 28
"""Bytes of a frame's file at most: four 16 bit channels of the largest frame, stored without compression."""
DEFLATE_RATIO = 1032
"""Bytes that a byte of a deflate stream can unpack to at most (RFC 1951: 258 bytes for two bits)."""
JPEG_RATIO = 1 << 11
"""Pixels that a byte of a JPEG file can stand for at most: a progressive scan ends runs of blocks by few bits."""
GREY_TOLERANCE = 8
"""By how much the channels of a grey picture differ after JPEG's rounding."""


class Picture(NamedTuple):
    """Pixels of a picture as they are stored.

    Attributes:
        values: (h, w) grey uint8 or uint16, or palette indices uint8, or (h, w, 3) colours uint8.
        alpha: (h, w) uint8, or None where everything is opaque.
        palette: (n, 3) uint8, of which ``values`` are indices; None for grey values and colours.
        lossy: whether the file's compression leaves noise (JPEG).
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    palette: np.ndarray | None = None
    lossy: bool = False


def read_picture(path: str | os.PathLike[str]) -> Picture | None:
    """Read a PNG or JPEG file; None if it is damaged, of another format, or larger than any frame."""
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                return None
            return decode_picture(file.read())
    except OSError:
        return None


def decode_picture(content: bytes) -> Picture | None:
    """Pixels of the bytes of a PNG or JPEG file; None if they are damaged, another format, or claim too much."""
    if content.startswith(SIGNATURE):
        chunks = read_chunks(content)
        if chunks is None:
            return None
        plain = decode_plain(chunks)  # how nearly all silhouettes are stored
        return Picture(plain) if plain is not None else _decode_png(content, {kind for kind, _ in chunks})
    # half of a JPEG would be taken for a figure without legs: it must come to its end
    if content.startswith(JPG) and content.rfind(JPG_END) >= len(content) // 2:
        return _decode_jpeg(content)
    return None


def from_pillow(image: Image.Image) -> Picture:
    """Pixels of a decoded picture of any mode.

    Raises:
        OSError: or any other exception of Pillow, where the picture is damaged.
    """
    if image.mode in ("1", "L"):
        return simplify(np.asarray(image.convert("L")), _transparency(image))
    if image.mode.startswith("I"):
        values = np.asarray(image)
        return Picture(values.clip(0, 65535).astype(np.uint16))
    if image.mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        indices = np.asarray(image)
        if len(palette) <= int(indices.max(initial=0)):  # indices without a colour are black
            palette = np.pad(palette, ((0, 256 - len(palette)), (0, 0)))
        return simplify(indices, _transparency(image), palette)
    if image.mode == "LA":
        grey, alpha = (np.asarray(band) for band in image.split())
        return simplify(grey, alpha)
    pixels = np.asarray(image.convert("RGBA"))
    return simplify(pixels[..., :3], pixels[..., 3])


def simplify(
    values: np.ndarray, alpha: np.ndarray | None = None, palette: np.ndarray | None = None, lossy: bool = False
) -> Picture:
    """The plainest picture of the same content: no alpha where all is opaque, grey instead of grey colours.

    Args:
        values: (h, w) grey values or palette indices, or (h, w, 3) colours.
        alpha: (h, w) uint8.
        palette: (n, 3) uint8.
        lossy: see `Picture`.
    """
    # the same transparency everywhere says nothing, except that nothing is to be seen
    if alpha is not None and alpha.min() == alpha.max() and alpha.flat[0] > 0:
        alpha = None
    if palette is not None:
        used = palette[np.unique(values)]
        # different indices of one colour would be lost as grey
        if np.ptp(used.astype(np.int16), axis=1).max() <= GREY_TOLERANCE and len(np.unique(used[:, 0])) == len(
            used
        ):
            return Picture(palette[:, 0][values], alpha)
        return Picture(values, alpha, palette)
    if values.ndim == 3:
        high, low = values.max(axis=-1), values.min(axis=-1)
        if int((high - low).max(initial=0)) <= GREY_TOLERANCE:
            values = np.ascontiguousarray(values[..., 1])  # of JPEG's channels green is the most exact one
    return Picture(values, alpha, None, lossy)


def _transparency(image: Image.Image) -> np.ndarray | None:
    """(h, w) uint8 of a palette's or a grey value's transparency, or None."""
    transparent = image.info.get("transparency")
    if transparent is None:
        return None
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    table = np.full(256, 255, np.uint8)
    if isinstance(transparent, bytes):
        table[: len(transparent)] = np.frombuffer(transparent, np.uint8)[:256]
    else:
        table[int(transparent) & 255] = 0
    return table[values]


def _decode_png(content: bytes, chunks: set[bytes]) -> Picture | None:
    """A PNG of any kind."""
    width, height, bits, kind = struct.unpack(">IIBB", content[16:26])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind)
    if channels is None or not 0 < width * height <= LARGEST_PIXELS:
        return None
    if width * height * channels * bits // 8 > DEFLATE_RATIO * len(content):
        return None
    if (kind, bits) == (0, 8) and b"tRNS" not in chunks:  # plain grey, which OpenCV reads twice as fast as Pillow
        return _opencv(content, cv2.IMREAD_GRAYSCALE)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            image.load()
            return from_pillow(image)
    # damaged files make Pillow raise nearly anything (OSError, SyntaxError, ValueError, struct.error, ...)
    except Exception:
        return None


def _decode_jpeg(content: bytes) -> Picture | None:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "MPO")) as image:
            pixels = image.width * image.height
    except Exception:  # as above
        return None
    if not 0 < pixels <= min(LARGEST_PIXELS, JPEG_RATIO * len(content)):
        return None
    picture = _opencv(content, cv2.IMREAD_ANYCOLOR)
    return None if picture is None else simplify(picture.values, lossy=True)


def _opencv(content: bytes, way: int) -> Picture | None:
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), way)
    except cv2.error:
        return None
    return None if values is None else Picture(values)

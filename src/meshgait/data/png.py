"""Reading PNG silhouettes fast.

Most of a silhouette image is black, and many encoders (OpenCV's among them) store each pixel as its difference to
the left one, so nearly all stored bytes are zero. Undoing the differences in the rectangle around the others
alone, instead of everywhere as a general decoder must, and unpacking by libdeflate where there is one, takes a
fifth of the time. Files of another make are left to Pillow (`meshgait.data.pictures`).

Why it is here: `benchmarks/png_reading.py` measures 111 us of processor time for a frame of 240 x 320 and 459 us
for OpenCV's decoder, so a million frames take 5.8 minutes less (2.8 minutes less with Python's zlib in place of
libdeflate); frames of 64 x 44 take half a minute more (AMD EPYC, one thread, other work on the machine).
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from meshgait.data.inflate import inflate

SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPG, JPG_END = b"\xff\xd8", b"\xff\xd9"
_HEAD = struct.Struct(">IIBBBBB")
_PLAIN_GREY = (8, 0, 0, 0, 0)  # bits, colour type, compression, filter method, interlacing
_CHANGING = (b"acTL", b"tRNS")  # pictures that move, transparent ones
_LARGEST = 1 << 23  # pixels, whose sum is within 32 bits


def read_chunks(content: bytes) -> list[tuple[bytes, bytes]] | None:
    """(kind, data) of the parts of a PNG file, or None if it is damaged."""
    chunks, place = [], len(SIGNATURE)
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return None
        chunks.append((content[place + 4 : place + 8], content[place + 8 : end]))
        if chunks[-1][0] == b"IEND":
            return chunks
        place = end + 4
    return None


def decode_plain(chunks: list[tuple[bytes, bytes]]) -> np.ndarray | None:
    """(h, w) uint8 of an 8 bit grey image, rows stored as they are or as differences to the left; else None."""
    kind, head = chunks[0]
    if kind != b"IHDR" or len(head) != _HEAD.size or any(kind in _CHANGING for kind, _ in chunks):
        return None
    width, height, *form = _HEAD.unpack(head)
    if tuple(form) != _PLAIN_GREY or not 0 < width * height <= _LARGEST:
        return None
    return _undo(b"".join(data for kind, data in chunks if kind == b"IDAT"), height, width)


def _undo(stored: bytes, height: int, width: int) -> np.ndarray | None:
    """Image of the compressed rows, each after a byte that says how it is stored."""
    raw = inflate(stored, height * (width + 1))
    if raw is None:
        return None
    rows = raw.reshape(height, width + 1)
    ways = rows[:, 0]
    if ways.max() > 1:  # differences to the row above: its decoder is as fast
        return None
    image, pixels = np.zeros((height, width), np.uint8), rows[:, 1:]
    filled = cv2.boundingRect(pixels)
    if not filled[2]:
        return image
    x0, y0, x1, y1 = filled[0], filled[1], filled[0] + filled[2], filled[1] + filled[3]
    differences, ways = pixels[y0:y1, x0:x1], ways[y0:y1]
    # sums along the rows, by way of sums over rectangles, which OpenCV has vectorised
    sums = cv2.integral(differences)
    block = (sums[1:, 1:] - sums[:-1, 1:]).astype(np.uint8)
    if not ways.all():
        block[ways == 0] = differences[ways == 0]
    image[y0:y1, x0:x1] = block
    # a figure that reaches the right border continues after the last difference
    if x1 < width and (last := block[:, -1] * ways).any():
        image[y0:y1, x1:] = last[:, None]
    return image

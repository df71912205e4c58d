"""The fast PNG reader against OpenCV's, on images of all kinds."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from meshgait.data import png
from meshgait.data.pictures import decode_picture
from tests.data.trees import figure


def decode(content):
    """Grey image (h, w) of a file's bytes, or None."""
    picture = decode_picture(content)
    return None if picture is None else picture.values


def _images():
    rng = np.random.default_rng(0)
    corner = np.zeros((40, 30), np.uint8)
    corner[-5:, -7:] = 200
    right = figure(1, shift=75)
    return {
        "figure": figure(1),
        "cut by the right border": right,
        "cut by the left border": figure(1, shift=-75),
        "in the corner": corner,
        "noise": rng.integers(0, 256, (37, 53), dtype=np.uint8),
        "black": np.zeros((20, 10), np.uint8),
        "white": np.full((20, 10), 255, np.uint8),
        "a pixel": np.full((1, 1), 7, np.uint8),
    }


def _stored(image, way):
    """PNG of an image, each row stored in the given way (0 plain, 1 differences to the left)."""
    ways = np.broadcast_to(way, len(image)).astype(np.uint8)
    left = np.concatenate([np.zeros_like(image[:, :1]), image[:, :-1]], axis=1)
    lines = np.where(ways[:, None] == 1, image - left, image)
    data = zlib.compress(np.concatenate([ways[:, None], lines], axis=1).tobytes())
    head = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", data[:9]), (b"IDAT", data[9:]), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.mark.parametrize("name", _images())
def test_equals_opencv(name):
    image = _images()[name]
    written = {"cv2": cv2.imencode(".png", image)[1].tobytes()}
    for mode in ("L", "P", "RGB", "LA"):
        file = io.BytesIO()
        Image.fromarray(image).convert(mode).save(file, "PNG")
        written[mode] = file.getvalue()
    rng = np.random.default_rng(1)
    for way in (0, 1, rng.integers(0, 2, len(image))):
        content = _stored(image, way)
        assert png.decode_plain(png.read_chunks(content)) is not None  # the fast way, not OpenCV
        written[str(way)] = content
    for how, content in written.items():
        np.testing.assert_array_equal(decode(content), image, err_msg=how)


def test_the_fast_way_is_that_of_files_opencv_writes():
    chunks = png.read_chunks(cv2.imencode(".png", figure(0))[1].tobytes())
    np.testing.assert_array_equal(png.decode_plain(chunks), figure(0))


def test_black_and_white_of_one_bit():
    file = io.BytesIO()
    Image.fromarray(figure(2)).convert("1").save(file, "PNG")
    np.testing.assert_array_equal(decode(file.getvalue()), figure(2))


def test_damaged_files_are_none(capfd):
    for content in (cv2.imencode(".png", figure(1))[1].tobytes(), _stored(figure(1), 1)):
        for cut in (0, 5, 20, 40, len(content) // 2, len(content) - 13):
            assert decode(content[:cut]) is None
        broken = bytearray(content)
        broken[len(content) // 2] ^= 0xFF
        assert decode(bytes(broken)) is None
    for foreign in (
        b"",
        b"hello",
        bytes(100),
        png.SIGNATURE,
        b"\xff\xd8\xff\xe0" + bytes(20),
        b"GIF89a" + bytes(30),
    ):
        assert decode(foreign) is None
    assert capfd.readouterr().err == ""  # OpenCV does not see them, which would complain by itself


def test_half_of_a_jpg_is_no_picture():
    content = cv2.imencode(".jpg", figure(1))[1].tobytes()
    assert np.abs(decode(content).astype(int) - figure(1)).mean() < 5
    for cut in (10, len(content) // 2, len(content) * 9 // 10):
        assert decode(content[:cut]) is None


@pytest.mark.slow
def test_a_bomb_is_not_unpacked():
    """A head that promises little before data that unpack to much."""
    image = np.zeros((4, 4), np.uint8)
    content = _stored(image, 0)
    bomb = zlib.compress(bytes(50_000_000))
    start = content.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(bomb)) + b"IDAT" + bomb + struct.pack(">I", zlib.crc32(b"IDAT" + bomb))
    end = content[-12:]
    decoded = decode(content[:start] + chunk + end)
    assert decoded is None or decoded.shape == (4, 4)

"""Unpacking by the system's library and by Python's: the same bytes, the same refusals."""

import zlib

import numpy as np
import pytest

from meshgait.data import inflate as module
from meshgait.data.inflate import inflate


@pytest.fixture(params=["libdeflate", "zlib"])
def way(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(module, "_library", None)
    elif module._library is None:
        pytest.skip("libdeflate is not there; zlib is used")
    return request.param


def _contents():
    rng = np.random.default_rng(0)
    mostly = np.zeros(77_040, np.uint8)
    mostly[rng.integers(0, len(mostly), 500)] = 255
    return [b"", b"a", bytes(77_040), mostly.tobytes(), rng.integers(0, 256, 5000, dtype=np.uint8).tobytes()]


@pytest.mark.parametrize("level", [0, 1, 9])
def test_gives_back_what_was_packed(way, level):
    for content in _contents():
        unpacked = inflate(zlib.compress(content, level), len(content))
        assert unpacked.dtype == np.uint8
        assert unpacked.tobytes() == content


def test_damaged_data_and_other_sizes_are_refused(way):
    content = _contents()[3]
    packed = zlib.compress(content)
    for cut in (0, 1, 2, len(packed) // 2, len(packed) - 1):
        assert inflate(packed[:cut], len(content)) is None
    for size in (0, len(content) - 1, len(content) + 1):
        assert inflate(packed, size) is None
    for place in (0, 5, len(packed) // 2, len(packed) - 1):
        broken = bytearray(packed)
        broken[place] ^= 0x5A
        assert inflate(bytes(broken), len(content)) is None


@pytest.mark.slow
def test_a_bomb_is_not_unpacked(way):
    assert inflate(zlib.compress(bytes(50_000_000)), 16) is None


def test_no_library_is_no_error(monkeypatch):
    monkeypatch.setattr(module, "_NAMES", ("libnone.so",))
    assert module._find() is None

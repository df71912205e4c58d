"""Settings of the C library's allocator (glibc alone; elsewhere nothing happens): time or memory."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # of mallopt(3)
KEPT = {TRIM_THRESHOLD: 2**31 - 1, MMAP_THRESHOLD: 2**25, MMAP_MAX: 0}
RETURNED = {TRIM_THRESHOLD: 2**17, MMAP_THRESHOLD: 2**18, MMAP_MAX: 2**16}
USUAL = {TRIM_THRESHOLD: 2**26, MMAP_THRESHOLD: 2**25, MMAP_MAX: 2**16}
"""What glibc comes to by itself in a process that frees large blocks."""

_settings = USUAL


def keep_memory() -> None:
    """Let freed memory be used again instead of handing it back to the system, which makes training faster.

    The volumes of a batch take tens of megabytes each, which the allocator would map anew, page by page, in every
    step. Together with large pages (``THP_MEM_ALLOC_ENABLE``, read by torch when it starts, so call this before)
    this about halves the time of a training step with the 3D branch. It takes more memory, up to twice as much
    where activations are checkpointed; variables such as ``MALLOC_TRIM_THRESHOLD_`` are a user's choice, and kept.
    """
    global _settings
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if not any(name.startswith("MALLOC_") for name in os.environ):
        _settings = KEPT
        _apply(_settings)


@contextmanager
def memory_returned() -> Iterator[None]:
    """Hand freed blocks back at once: what the process holds is then what it uses."""
    _apply(RETURNED)
    library = _library()
    if library is not None:
        library.malloc_trim(0)
    try:
        yield
    finally:
        _apply(_settings)


def _apply(settings: dict[int, int]) -> None:
    library = _library()
    if library is not None:
        for option, value in settings.items():
            library.mallopt(option, value)


def _library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None

"""Settings of the C library's allocator that make training on a CPU faster."""

from __future__ import annotations

import ctypes
import os
import platform

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3)
LARGEST = 2**31 - 1


def reuse_freed_memory() -> None:
    """Let freed memory be used again instead of handing it back to the system (glibc alone; elsewhere nothing).

    The volumes of a batch take tens of megabytes each, which the allocator would map anew, page by page, in every
    step. Together with large pages (``THP_MEM_ALLOC_ENABLE``, read by torch when it starts, so call this before)
    this about halves the time of a training step with the 3D branch. What is held grows by that: where memory is
    short, variables of glibc's such as ``MALLOC_MMAP_THRESHOLD_`` are a user's choice, and left alone.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    library = ctypes.CDLL(None)
    library.mallopt(TRIM_THRESHOLD, LARGEST)
    library.mallopt(MMAP_MAX, 0)

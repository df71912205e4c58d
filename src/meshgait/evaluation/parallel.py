"""Work on blocks of rows, shared out among threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def over_blocks(work: Callable[[slice], T], rows: int, step: int, threads: int | None = None) -> Iterator[T]:
    """Results of ``work`` for blocks of rows, in order.

    Whole blocks are shared out, not the operations within: thousands of small ones would each wait for the slowest
    thread. The blocks do not depend on the number of threads, hence neither do the results.

    Args:
        work: of the rows in a slice; what it gives is kept for all blocks, so it should be small.
        rows: how many there are.
        step: rows of a block.
        threads: by default as many as PyTorch uses.
    """
    parts = [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
    before = torch.get_num_threads()
    threads = min(threads or before, len(parts))
    if threads < 2:
        yield from map(work, parts)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, parts)
    finally:
        torch.set_num_threads(before)  # what a thread sets is what later threads begin with

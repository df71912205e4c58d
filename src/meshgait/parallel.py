"""Run jobs in several processes; results come in the order of the jobs, with few of them in memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

import cv2

from meshgait.errors import ConfigError, OutputError

J = TypeVar("J")
R = TypeVar("R")

AHEAD = 8
"""Jobs per worker that may be finished ahead of their turn; this bounds the memory."""
MOST_WORKERS = 256

_work: Callable[[Any], Any] | None = None


def check_workers(workers: int) -> None:
    """Check the number of processes.

    Raises:
        ConfigError: it is out of range.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigError(f"--workers {workers} is out of range", f"it must be between 1 and {MOST_WORKERS}")


def map_in_order(
    make: Callable[..., Callable[[J], R]], arguments: tuple[Any, ...], jobs: Iterable[J], workers: int = 1
) -> Generator[R, None, None]:
    """Results of all jobs in the order of the jobs, for any number of processes.

    Args:
        make: called once in each process with ``arguments``; returns the function that does a job.
        arguments: of ``make``; sent to each process once.
        jobs: taken only as fast as they are done, so this may be a generator of any length.
        workers: number of processes; 1 works in this process.

    Raises:
        ConfigError: workers out of range.
        OutputError: a worker process was killed.
    """
    check_workers(workers)
    if workers == 1:
        yield from map(make(*arguments), jobs)
        return
    queue = iter(jobs)
    # forked workers need not import everything again; systems without fork use their default
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(make, arguments))
    try:
        waiting: deque[Future[R]] = deque(pool.submit(_do, job) for job in islice(queue, AHEAD * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_do, job) for job in islice(queue, 1))
    except BrokenProcessPool:
        raise OutputError(
            "a worker process was killed, perhaps for want of memory", "repeat the command with fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    """Set up a worker process."""
    global _work
    end_with_parent()
    cv2.setNumThreads(0)
    _work = make(*arguments)


def end_with_parent() -> None:
    """Let this process end with its parent, and ignore Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process when its parent has ended; else a worker of a killed run would wait for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _do(job: Any) -> Any:  # noqa: ANN401
    assert _work is not None  # `_start` comes first
    return _work(job)

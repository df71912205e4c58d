"""One training at a time in a run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshgait.errors import OutputError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

PATIENCE = 3.0
"""Seconds to wait: a training that was just killed may take a moment to go."""


@contextmanager
def held(folders: list[int]) -> Iterator[None]:
    """Let go of the folders that `hold` gave, at the end."""
    try:
        yield
    finally:
        while folders:
            with suppress(OSError):
                os.close(folders.pop())


def hold(folder: Path, patience: float = PATIENCE) -> list[int]:
    """Keep other trainings out of a folder until its handle is closed; nothing is left in it.

    The system itself lets go when the process ends, in whatever way. Processes that load data do not keep it.

    Returns:
        The handle; none where the disk has no locks.

    Raises:
        OutputError: another training has it, or it cannot be opened.
    """
    if fcntl is None:
        return []
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be opened ({error.strerror}); set trainer.default_root_dir to a folder you own"
        ) from error
    os.register_at_fork(after_in_child=lambda: _close(handle, folder))
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return [handle]
        except BlockingIOError as error:
            if time.monotonic() < end:
                time.sleep(0.1)
                continue
            os.close(handle)
            raise OutputError(
                f"{folder} is in use by another training; wait for it or stop it, or give another "
                "trainer.default_root_dir"
            ) from error
        except OSError:  # some network disks have none
            os.close(handle)
            return []


def _close(handle: int, folder: Path) -> None:
    """In a process that was forked, unless the number means another file by now."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(handle), os.stat(folder)):
            os.close(handle)

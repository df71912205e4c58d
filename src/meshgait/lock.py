"""Lock of a folder, for one process at a time; the system releases it when the process ends in any way."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import FileLock, Timeout

from meshgait.errors import MeshGaitError, OutputError

LOCK = "lock"
"""Name of the lock file in the folder."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of network disks without locks; there the folder is used without a lock."""


def lock_folder(folder: Path, in_use: MeshGaitError, patience: float = 0.0) -> FileLock:
    """Lock a folder until the lock is released; forked workers do not hold it.

    Args:
        folder: made if it is not there.
        in_use: error to raise if another process holds the lock.
        patience: seconds to wait for that process.

    Raises:
        OSError: the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=patience, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise in_use from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return lock


def unlock_folder(lock: FileLock) -> None:
    """Release the lock and remove its file."""
    if lock.is_locked:
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def in_use_by_training(root: Path) -> OutputError:
    """The error for a run folder that another training uses."""
    return OutputError(
        f"{root} is in use by another training", "wait for it or stop it, or give another trainer.default_root_dir"
    )

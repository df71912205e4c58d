"""One process at a time in a folder; the system itself lets go of it when the process ends, however it ends."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import FileLock, Timeout

from meshgait.errors import MeshGaitError, OutputError

LOCK = "lock"
"""Name of the file in the folder."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What some network disks answer: there the folder is used without a lock."""


def lock_folder(folder: Path, in_use: MeshGaitError, patience: float = 0.0) -> FileLock:
    """Keep other processes out of a folder until the lock is released; forked workers do not keep it.

    Args:
        folder: made if it is not there.
        in_use: raised if another process has it.
        patience: seconds to wait for that one.

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
    """Let others have the folder, and leave no file in it."""
    if lock.is_locked:
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def in_use_by_training(root: Path) -> OutputError:
    """What is said of a run folder that another training holds."""
    return OutputError(
        f"{root} is in use by another training", "wait for it or stop it, or give another trainer.default_root_dir"
    )

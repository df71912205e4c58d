"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshgait.errors import OutputError


@contextmanager
def atomic_file(path: Path | str, keep: Path | None = None, many_writers: bool = False) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to, renamed once the content is on the disk; folders are made.

    Args:
        path: where it is to be; at every moment what was there before or the new content, whole.
        keep: what was there before is found there afterwards.
        many_writers: several processes may write it at the same time; the last one wins.

    Raises:
        OutputError: the place cannot be written; what was there before is still there.
    """
    path = Path(path)
    # one name for all, so that a process that was killed leaves one file at most
    temporary = path.with_name(f"{path.name}{f'.{os.getpid()}' if many_writers else ''}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _to_disk(temporary)
        if keep is not None and path.exists():
            _keep(path, keep)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})",
            "free space, mend the permissions or choose another place, then "
            "repeat the command (a training with --ckpt_path last goes on from its last checkpoint)",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    with suppress(OSError):  # not every system can do that with a folder
        _to_disk(path.parent)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` to fill, which takes its place, and that of an earlier one, when done.

    Raises:
        OutputError: the place cannot be written; what was there before is still there.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror})", "choose another --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Wait until a file or folder outlives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keep(path: Path, keep: Path) -> None:
    """Let ``keep`` be what ``path`` is, which stays in its place meanwhile where the disk can do that."""
    second = keep.with_name(keep.name + ".partial")
    try:
        second.unlink(missing_ok=True)
        os.link(path, second)
        second.replace(keep)
    except OSError:  # a disk without hard links
        path.replace(keep)

"""Atomic writing of files and folders: they appear when they are complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshgait.errors import OutputError


@contextmanager
def atomic_file(path: Path | str, keep: Path | None = None, many_writers: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it when the content is on the disk.

    Args:
        path: of the file; at every moment it has its old content or all of the new one. Its folder is made.
        keep: path where the old content is kept.
        many_writers: several processes may write it at the same time; the last one wins.

    Raises:
        OutputError: the file cannot be written; the old content is still there.
    """
    path = Path(path)
    # always the same name, so that killed processes leave one file at most
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
    with suppress(OSError):  # not every system can sync a folder
        _to_disk(path.parent)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; at the end it is renamed to ``out`` and replaces an earlier one.

    Raises:
        OutputError: the folder cannot be written; an earlier one is still there.
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
    """Flush a file or folder to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _keep(path: Path, keep: Path) -> None:
    """Make ``keep`` the content of ``path``, which stays in its place if the disk has hard links."""
    second = keep.with_name(keep.name + ".partial")
    try:
        second.unlink(missing_ok=True)
        os.link(path, second)
        second.replace(keep)
    except OSError:  # a disk without hard links
        path.replace(keep)

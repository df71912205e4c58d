"""Writing to a run folder that may turn read-only or full while training."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshgait.errors import OutputError

_warned: set[Path] = set()


@contextmanager
def best_effort(folder: Path | str, what: str) -> Iterator[None]:
    """Go on without ``what`` if the place cannot be written, and say so once per folder."""
    try:
        yield
    except (OSError, OutputError) as error:
        folder = Path(folder)
        if folder not in _warned:
            _warned.add(folder)
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            warn(
                f"{folder} cannot be written ({reason}); training goes on without {what} and whatever else finds "
                "no place there; free space or mend the permissions"
            )


def warn(text: str) -> None:
    """A warning in the words and on the channel of our errors."""
    print(f"meshgait: warning: {text}", file=sys.stderr, flush=True)


def write_whole(path: Path, write: Callable[[Path], object], keep: Path | None = None) -> None:
    """Let ``write`` write to a temporary name, wait until that is on the disk, then rename it.

    Args:
        path: where it is to be; at every moment what was there before or the new content, whole.
        write: gets the temporary name.
        keep: what was there before is found there afterwards.

    Raises:
        OutputError: the place cannot be written; what was there before is still there.
    """
    temporary = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _to_disk(temporary)
        if keep is not None and path.exists():
            _keep(path, keep)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); free space or mend the permissions, "
            "then repeat the command: with --ckpt_path last it goes on from the last checkpoint"
        ) from error
    with suppress(OSError):  # not every system can do that with a folder
        _to_disk(path.parent)


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

"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meshgait.errors import OutputError


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to, renamed when that went well; folders are made.

    Raises:
        OutputError: the place cannot be written; what was there before is still there.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); free the place it lies in"
        ) from error

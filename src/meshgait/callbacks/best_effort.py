"""Writing to a run folder whose disk may become full or read-only while training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meshgait.errors import OutputError
from meshgait.messages import warn

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
                f"{folder} cannot be written ({reason}); training goes on without {what} and other files "
                "that cannot be written; free space or correct the permissions"
            )

"""Errors a user can act on: each says what is wrong, where, and the remedy, and prints as one line."""

from __future__ import annotations

import shlex


class MeshGaitError(Exception):
    """Base of every error that the user's input or set-up caused.

    The command line prints it as one line, "what; remedy", and exits with ``status``.

    Args:
        what: what is wrong, and where.
        remedy: what to do about it; empty if the first part says it.
    """

    status = 2

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


class DataError(MeshGaitError):
    """Input data (silhouettes, poses, a store, a split) cannot be used."""


class StoreError(DataError):
    """A packed store is missing, incomplete, of another version or damaged."""


class UnsafeFileError(DataError):
    """A file that would run code when it is read; nothing was executed."""


class BodyModelError(MeshGaitError):
    """A body model or a marker set is missing, malformed or made for another body."""


class GalleryError(MeshGaitError):
    """A gallery of enrolled people is missing, damaged, in use, or of another model."""


class ServerError(GalleryError):
    """The server that holds a gallery's embeddings does not answer, or lets nobody in."""


class ConfigError(MeshGaitError):
    """A setting is out of its range or contradicts another one."""


class OutputError(MeshGaitError):
    """An output file or folder cannot be written."""


class TrainingError(MeshGaitError):
    """Loss or gradients of a training are not finite."""


class StoppedError(MeshGaitError):
    """A training was stopped by a signal and has saved a checkpoint."""

    status = 143  # a shell's status of a command that ended by SIGTERM


def python_command(code: str) -> str:
    """A shell command that runs Python code, with its quotes escaped."""
    return f"python -c {shlex.quote(code)}"

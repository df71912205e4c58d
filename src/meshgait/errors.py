"""Errors a user can act on: each message names what is wrong, where, and the remedy, in one line."""

from __future__ import annotations

import shlex


class MeshGaitError(Exception):
    """Base of every error that the user's input or set-up caused.

    The command line prints the message alone, on one line, and exits with ``status``.
    """

    status = 2


class DataError(MeshGaitError):
    """Input data (silhouettes, poses, a store, a split) cannot be used as it is."""


class StoreError(DataError):
    """A packed store is missing, incomplete, of another version or damaged."""


class UnsafeFileError(DataError):
    """A file asks for code to be run while it is read; nothing of it was executed."""


class BodyModelError(MeshGaitError):
    """A body model or a marker set is missing, malformed or made for another body."""


class ConfigError(MeshGaitError):
    """A setting is out of its range or contradicts another one."""


class OutputError(MeshGaitError):
    """The place to write to cannot be written."""


class TrainingError(MeshGaitError):
    """A training has come to numbers that are not finite."""


class StoppedError(MeshGaitError):
    """A training was told to stop and has saved what it had learnt."""

    status = 143  # what a shell says of a command that ended by SIGTERM


def python_command(code: str) -> str:
    """A remedy to type in a shell: Python code, whatever quotes are in it; double ones read best."""
    return f"python -c {shlex.quote(code)}"

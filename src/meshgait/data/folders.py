"""Listing folders of strangers: which entries count, and in which order.

Files that systems leave behind (``.DS_Store``, ``._001.png``, ``Thumbs.db``, ``desktop.ini``, ``@eaDir``, ...) are
no data, wherever they lie. What is neither a file nor a folder (a pipe, a device, a socket) is passed over as
well: reading it could block for ever.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found",
     "system volume information"}
)  # fmt: skip
"""Names, in lower case, that Windows, macOS, Linux and storage servers write into folders of their own accord."""


class Folder(NamedTuple):
    """Names of the folders and files in a folder, each sorted."""

    folders: list[str]
    files: list[str]


def is_system_name(name: str) -> bool:
    """Whether a system made this entry, not the user; hidden entries (a dot in front) count as such."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def list_folder(path: Path | str) -> Folder:
    """The entries of a folder that count; links are followed.

    Raises:
        OSError: the folder cannot be read.
    """
    folders, files = [], []
    with os.scandir(path) as entries:
        for entry in entries:
            if is_system_name(entry.name):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                files.append(entry.name)
    return Folder(sorted(folders), sorted(files))


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key: frame2 before frame10; names that differ in leading zeros alone have a fixed order too."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts], name

"""Findings in the files of a store, made without opening it as a store."""

from __future__ import annotations

from pathlib import Path

from meshgait.arrays import missing_bytes
from meshgait.checksum import sha256_of
from meshgait.data.storefiles import read_meta
from meshgait.errors import StoreError
from meshgait.inspection.findings import Findings
from meshgait.progress import Progress


def check_files(path: Path, found: Findings, checksums: bool, show: bool = True) -> None:
    """Missing, truncated and changed files.

    Args:
        path: folder of the store.
        found: takes what is found.
        checksums: also read every byte and compare with meta.json.
        show: whether progress is shown.
    """
    listed = _listed(path)
    for name in sorted(listed):
        if not (path / name).is_file():
            found.add("missing-file", name)
    there = [path / name for name in sorted(listed) if (path / name).is_file()]
    short = [file for file in there if file.suffix == ".npy" and missing_bytes(file) > 0]
    for file in short:
        found.add("truncated", f"{file.name} ({missing_bytes(file)} bytes are missing)")
    if checksums:
        # what is truncated differs, too, but needs no reading to know
        _check_sums([file for file in there if file not in short], listed, found, show)


def _listed(path: Path) -> dict[str, str]:
    """SHA-256 by file name; empty if meta.json cannot be read, which opening the store reports."""
    try:
        return read_meta(path / "meta.json").sha256
    except StoreError:
        return {}


def _check_sums(files: list[Path], listed: dict[str, str], found: Findings, show: bool) -> None:
    total = sum(file.stat().st_size for file in files)
    done = 0
    with Progress("reading files", -(-total // 10**6), "MB", show=show) as progress:

        def tell(count: int) -> None:
            nonlocal done
            done += count
            progress.reach(done // 10**6)

        for file in files:
            if sha256_of(file, tell) != listed[file.name]:
                found.add("checksum", file.name)

"""A data set as it is published -> the packed store that training reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from meshgait.data.layouts import LAYOUTS, Layout, custom_rule, guess_layout
from meshgait.data.packing import PackOptions, pack_tree
from meshgait.data.store import Store
from meshgait.data.usf import Sample, pack_usf
from meshgait.errors import ConfigError, StoreError
from meshgait.progress import track

LAYOUT_NAMES = ("auto", *LAYOUTS, "usf")
"""How a data set may lie on disk."""


def pack(
    source: Path | str,
    dest: Path | str,
    layout: str = "auto",
    pattern: str | None = None,
    options: PackOptions | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Store:
    """Pack a data set into a store; the same call resumes a stopped run.

    Args:
        source: its folder, which is only read.
        dest: folder of the store to make; must not exist.
        layout: how the data set lies on disk, one of `LAYOUT_NAMES`; "auto" looks.
        pattern: of an own tree of folders, such as ``{subject}/{condition}/{view}``; with layout "opengait" the
            folders hold pickles.
        options: size, bits, and what else defines the store.
        workers: processes; the bytes do not depend on it.
        progress: show how far it is.

    Returns:
        The store.

    Raises:
        ConfigError: arguments that contradict each other.
        DataError: the data set is not what it should be; the message says what, where, and the remedy.
        StoreError: DEST exists, or a stopped run of other settings is there.
        OutputError: DEST cannot be written.
    """
    source, dest, options = Path(source), Path(dest), options or PackOptions()
    if layout not in LAYOUT_NAMES:
        raise ConfigError(f"layout {layout!r} is unknown", f"there are {', '.join(LAYOUT_NAMES)}")
    if min(options.size) < 1:
        raise ConfigError(f"size is {tuple(options.size)}", "height and width must be at least 1 pixel")
    if dest.exists():  # before anything is read
        raise StoreError(f"{dest} already exists", "choose another folder or remove it")
    if pattern is None and layout == "auto":
        layout = guess_layout(source)
    if layout != "usf":
        return pack_tree(source, dest, _tree(layout, pattern), options, workers, progress)
    if options.aligner is not None or options.fit_files is not None:
        raise ConfigError("the USF files have no SMPL fits", "leave --body, --fits and --aligned-fits away")

    def shown(samples: Sequence[Sample]) -> Iterable[Sample]:
        return track(samples, "packing usf", len(samples), "sequences")

    how: Callable[[Sequence[Sample]], Iterable[Sample]] = shown if progress else iter
    crop = options.crop is None or options.crop
    pack_usf(source, dest, size=options.size, bits=options.bits, crop=crop, track=how)
    return Store(dest)


def _tree(layout: str, pattern: str | None) -> Layout:
    if pattern is None:
        return LAYOUTS[layout]
    if layout not in ("auto", "frames", "opengait"):
        raise ConfigError(f"--layout {layout} has its own pattern", "give --pattern with frames or opengait alone")
    return Layout((custom_rule(pattern),), "pickles" if layout == "opengait" else "frames")

"""Any tree of frames or pickles -> the packed store: parallel, resumable, the same bytes for any workers.

What is left out, and what stops the packing, by ``tolerance``:

=====================================================  ========  ==========  =========
                                                       "none"    "frames"    "sequences"
=====================================================  ========  ==========  =========
an unreadable picture, a frame that shows nobody       error     left out    left out
a sequence of which no frame is left                   error     left out    left out
a sequence without its file of fits                    error     not valid   not valid
a sequence that is not what it should be (no frames,   error     error       left out
wrong type or shape, unequal lengths, damaged pickle
or fits)
a pickle that asks for code to be run                  error     error       error
SMPL rows among the pickles beside files of fits       error     error       error
=====================================================  ========  ==========  =========

What is left out is counted in ``meta.json`` and listed in ``dropped.csv`` with its reason. After an error the good
part stays in ``DEST.partial``, and the same command, or one of another tolerance, goes on after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from meshgait.data.dropped_table import DroppedTable
from meshgait.data.figures import FigureTable
from meshgait.data.fitfiles import FitFiles
from meshgait.data.frames import FrameOptions, read_frames
from meshgait.data.layouts import Layout, ListingSummary, SequenceFolder, SequenceListing, summarise_listing
from meshgait.data.loaded_sequence import Align, BrokenSequence, LoadedSequence, SmplFits, drop_sequence
from meshgait.data.opengait import read_pickles
from meshgait.data.partitions import Partition, read_json
from meshgait.data.protocols import get_protocol
from meshgait.data.store import Store, StoreWriter
from meshgait.data.storefiles import SMPL_WIDTHS
from meshgait.errors import ConfigError, DataError, StoreError
from meshgait.parallel import check_workers, map_in_order
from meshgait.progress import Progress

VERSION = 2
"""Raised when the same settings no longer give the same bytes."""
BROKEN = "broken sequence"
TWICE = (
    "has SMPL rows among its pickles, and --fits gives others; leave --fits away, or choose the pickles of "
    "silhouettes by --files"
)
PROBED = 32
"""Sequences looked through for SMPL rows before packing begins."""

Tolerance = Literal["none", "frames", "sequences"]


@dataclass(frozen=True)
class PackOptions:
    """How sequences are packed.

    Attributes:
        size: (H, W) of the silhouettes.
        bits: 8 keeps grey edges, 1 is black and white in an eighth of the room.
        crop: put frames through the crop rule; None: as the tree says.
        files: which pickles of a folder are read.
        aligner: makes, in each process, what brings SMPL rows into the silhouette frame; None: rows are left out.
        fits: JSON-able description of it, part of the store's settings.
        fit_files: where the SMPL rows lie, if not among the pickles.
        partition: JSON of training and test subjects to copy into the store.
        protocol: name of the evaluation protocol to note in the store; None: the tree's.
        tolerance: what is left out instead of being an error; see the module.
        person: class number that is the person, where masks hold such.
    """

    size: tuple[int, int] = (64, 44)
    bits: Literal[1, 8] = 8
    crop: bool | None = None
    files: str = "*.pkl"
    aligner: Callable[[], Align] | None = None
    fits: dict[str, Any] = field(default_factory=dict)
    fit_files: FitFiles | None = None
    partition: Path | None = None
    protocol: str | None = None
    tolerance: Tolerance = "frames"
    person: int | None = None


def pack_tree(
    source: Path | str,
    dest: Path | str,
    tree: Layout,
    options: PackOptions | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Store:
    """Pack the sequences of a tree of folders, which is only read, into a store.

    Args:
        source: folder of the data set.
        dest: the store's folder; must not exist.
        tree: how the data set lies on disk.
        options: size, bits, and what else defines the store.
        workers: processes; the bytes do not depend on it.
        progress: show how far it is.

    Raises:
        ConfigError: settings out of range.
        DataError: there is nothing to pack, or something that is not tolerated; the message names it.
        UnsafeFileError: a pickle asks for code to be run.
        StoreError: DEST exists, is being written, or was begun with other settings.
        OutputError: DEST cannot be written, or the disk is full.
    """
    source, dest, options = Path(source), Path(dest), _completed(options or PackOptions(), tree)
    _check(source, dest, options, workers)
    partition = None if options.partition is None else read_json(options.partition)
    if partition is not None:
        Partition.of(partition, str(options.partition))
    listing = SequenceListing(source, tree, options.files)
    found = summarise_listing(listing)
    if found.strays and options.tolerance == "none":
        raise DataError(f"{source / found.stray} fits no rule of the tree", "mend it, or pack without --strict")
    read = partial(_reader, source, tree, options)
    # without the aligner, whose threads would not survive a fork
    bare = replace(options, aligner=None, fit_files=None)
    has_rows = tree.kind == "pickles" and _has_rows(listing, _reader(source, tree, bare))
    if options.fit_files is not None:
        if has_rows:
            raise DataError(f"{source} {TWICE}")
        options.fit_files.check(listing)
    elif options.aligner is not None and not has_rows:
        raise DataError(
            f"{source}: the first sequences have no SMPL rows (T, 85) beside their silhouettes",
            "give their files by --fits, or leave --body or --aligned-fits away",
        )
    settings = _settings(tree, options, found, partition)
    with StoreWriter(dest, options.size, options.bits, options.aligner is not None, settings) as writer:
        begin = _next_job(listing, writer.last)
        drops, figures = DroppedTable(writer.partial, begin), FigureTable(writer.partial, begin)
        try:
            _write(writer, drops, figures, listing, read, begin, found, options, workers, progress)
            if not writer.done:
                raise DataError(f"{source}: {_nothing_left(drops)}", "check --layout, or give --files or --size")
            drops.close()
            figures.close()
            writer.finish(partition, _notes(writer, drops, figures, found, options, has_rows))
        except DataError:
            if not writer.done:  # nothing worth going on with
                writer.discard()
            raise
        finally:
            drops.close()
            figures.close()
    return Store(dest)


def _completed(options: PackOptions, tree: Layout) -> PackOptions:
    """Options with the layout's values where none were given."""
    crop = tree.crop if options.crop is None else options.crop
    return replace(options, crop=crop, protocol=options.protocol or tree.protocol)


def _check(source: Path, dest: Path, options: PackOptions, workers: int) -> None:
    check_workers(workers)
    if min(options.size) < 1:
        raise ConfigError(f"size is {tuple(options.size)}", "height and width must be at least 1 pixel")
    if options.fit_files is not None and options.aligner is None:
        raise ConfigError("--fits needs --body, the body model of the fits, to place them in the silhouettes")
    if options.protocol is not None:
        get_protocol(options.protocol)
    if not source.is_dir():
        raise DataError(f"{source} is no folder", "give the folder of the data set")
    if dest.exists():  # before anything is read
        raise StoreError(f"{dest} already exists", "choose another folder or remove it")
    if source.resolve() in (dest.resolve(), *dest.resolve().parents):
        raise ConfigError(f"{dest} lies in {source}, where nothing is changed", "choose a DEST outside of it")


def _settings(
    tree: Layout, options: PackOptions, found: ListingSummary, partition: dict[str, Any] | None
) -> dict[str, Any]:
    """What defines the store's content; only equal settings resume a stopped run."""
    return {
        "made_by": "meshgait pack",
        "version": VERSION,
        "rules": [vars(rule) for rule in tree.rules],
        "kind": tree.kind,
        "crop": options.crop,
        "person": options.person,
        "files": options.files,
        "fits": options.fits | (options.fit_files.settings if options.fit_files else {}),
        "protocol": options.protocol,
        "partition": partition is not None,
        "sequences": found.sequences,
        "names": found.digest,
    }


def _reader(source: Path, tree: Layout, options: PackOptions) -> Callable[[SequenceFolder], LoadedSequence]:
    """The function that reads a job; made once in each process."""
    align, files = options.aligner() if options.aligner else None, options.fit_files
    # the content of pickles shows whether they are in the silhouette frame; of frames, the layout may say so
    frames = FrameOptions(options.size, options.crop is not False, options.person)

    def read(job: SequenceFolder) -> LoadedSequence:
        try:
            if tree.kind == "frames":
                take = read_frames(source / job.folder, frames)
            else:
                take = read_pickles(source / job.folder, frames, options.files, None if files else align)
            if files is None:
                return take
            if take.rows is not None:
                raise DataError(f"{source / job.folder} {TWICE}")
            assert align is not None  # `_check` has seen to it
            return files.add(take, job, align)
        except BrokenSequence as error:
            return drop_sequence(BROKEN, str(error))

    return read


def _has_rows(listing: SequenceListing, read: Callable[[SequenceFolder], LoadedSequence]) -> bool:
    """Whether there are SMPL rows, by the first sequences."""
    return any(read(job).rows is not None for job in islice(listing, PROBED))


def _next_job(listing: SequenceListing, last: tuple[str, str, str] | None) -> int:
    """Number of the job after the last one written; sequences left out after that are read again."""
    if last is None:
        return 0
    following = next((number for number, job in enumerate(listing, 1) if job[:3] == last), None)
    if following is None:
        raise StoreError(f"{'/'.join(last)} was packed before and is no longer there", "remove the partial store")
    return following


def _write(
    writer: StoreWriter,
    drops: DroppedTable,
    figures: FigureTable,
    listing: SequenceListing,
    read: Callable[[], Callable[[SequenceFolder], LoadedSequence]],
    begin: int,
    found: ListingSummary,
    options: PackOptions,
    workers: int,
    progress: bool,
) -> None:
    """Read and write all sequences from the number ``begin`` on."""

    def rest() -> Iterator[SequenceFolder]:
        return islice(listing, begin, None)

    report = Progress("packing", found.sequences, "sequences", begin, progress)
    with report, closing(map_in_order(read, (), rest(), workers)) as takes:
        # the folders are gone through twice at once, for the readers and for the names
        for number, (job, take) in enumerate(zip(rest(), takes, strict=True), begin):
            _check_drops(listing.source / job.folder, take, options.tolerance)
            drops.add_drops(number, job.folder, take.drops)
            if take.silhouettes is not None:
                figures.add(number, [(job.folder, take.figure)])
                fits = _fits(take.fits, len(take.silhouettes)) if writer.smpl else {}
                writer.add(job.subject, job.condition, job.view, take.silhouettes, **fits)
            report.advance()


def _check_drops(where: Path, take: LoadedSequence, tolerance: Tolerance) -> None:
    """Raise an error for what may not be left out."""
    for drop in take.drops:
        if drop.reason == BROKEN and tolerance != "sequences":
            raise DataError(f"{where} {drop.detail}, or pass --lenient to leave such sequences out")
        if tolerance == "none":
            what = f"{where / drop.file}" if drop.file else f"{where}"
            detail = f" ({drop.detail})" if drop.detail else ""
            raise DataError(f"{what}: {drop.reason}{detail}", "mend or remove it, or pack without --strict")


def _fits(fits: SmplFits | None, count: int) -> dict[str, np.ndarray]:
    """Columns of the store for ``count`` frames; a sequence without fits has zeros that are not valid."""
    if fits is not None:
        return {name: getattr(fits, name) for name in (*SMPL_WIDTHS, "valid")}
    zeros = {name: np.zeros((count, width), np.float32) for name, width in SMPL_WIDTHS.items()}
    return zeros | {"valid": np.zeros(count, bool)}


def _nothing_left(drops: DroppedTable) -> str:
    counted = drops.counts()["sequences"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counted.items()))
    return f"none of its {counted.total()} sequences can be packed ({reasons})"


def _notes(
    writer: StoreWriter,
    drops: DroppedTable,
    figures: FigureTable,
    found: ListingSummary,
    options: PackOptions,
    has_rows: bool,
) -> dict[str, Any]:
    """What meta.json says of the packing."""
    counted = {what: dict(sorted(reasons.items())) for what, reasons in drops.counts().items()}
    summary = {"found": found.sequences, "kept": writer.done, "dropped": counted, "strays": found.strays}
    summary["figures"] = figures.counts()
    if found.stray:
        summary["stray"] = found.stray
    if has_rows and not writer.smpl:
        summary["fits"] = "left out"
    return {"packing": summary} | ({"protocol": options.protocol} if options.protocol else {})

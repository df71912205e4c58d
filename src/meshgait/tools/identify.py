"""`meshgait identify SOURCE`: who is it, or nobody in the gallery."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from meshgait.errors import ConfigError
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.records import Identification
from meshgait.gallery.sources import Walker, counted, one_walker, sequences_of, walker_of_video
from meshgait.messages import note
from meshgait.terminal import say
from meshgait.text import printable
from meshgait.textfiles.json_text import finite
from meshgait.textfiles.words import spreadsheet_cell
from meshgait.tools.enrol import SOURCE, add_gallery, add_model
from meshgait.video.extract import Extraction
from meshgait.video.live import interrupt_ends, is_live
from meshgait.video.reading import open_video
from meshgait.video.segmenters import make_segmenter


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "identify",
        help="who is it, or nobody in the gallery",
        description="Name each walker of a source, or say unknown. Passes of one walker are averaged. A name is "
        "given where the distance is within the gallery's threshold (`meshgait gallery calibrate`). Of a webcam "
        "(0, 1, ...) or stream (rtsp://...) each pass is named as soon as the walker has left the view, until "
        "Ctrl-C, which still names who is in view.",
    )
    add = parser.add_argument
    add("source", nargs="+", metavar="SOURCE", help=f"{SOURCE}; or one webcam or stream alone")
    add_gallery(parser)
    add_model(parser)
    add("--walker", type=int, metavar="N", help="this one alone, if the source shows several")
    add("--seconds", type=float, metavar="S", help="for which a webcam or stream is read (default: until Ctrl-C)")
    add_forms(parser)


def add_forms(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments for the form of the output."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--csv", action="store_true", help="print CSV")


def run(arguments: argparse.Namespace) -> None:
    """Identify and print.

    Raises:
        ConfigError: a webcam or stream is not the only source.
        DataError: a source cannot be read.
    """
    if any(map(is_live, arguments.source)):
        _watch(arguments)
        return
    walkers: list[Walker] = []
    for path in arguments.source:
        found = sequences_of(path)
        walkers += found if arguments.walker is None else [one_walker(found, path, arguments.walker)]
    with Gallery(arguments.gallery, arguments.model) as gallery:
        results = [(walker, gallery.identify(walker.passes)) for walker in walkers]
    if arguments.json or arguments.csv:
        print_rows([_row(*result) for result in results], arguments.json)
        return
    for walker, answer in results:
        say(f"{walker.label}: {in_words(answer)}")


def _watch(arguments: argparse.Namespace) -> None:
    """Identify each pass of a webcam or stream when it is over, one line each."""
    if len(arguments.source) > 1 or arguments.walker is not None:
        raise ConfigError("a webcam or stream is the only source, and all its walkers are named", "give it alone")
    first = True
    with Gallery(arguments.gallery, arguments.model) as gallery:
        gallery.prepare()  # before the first frame, as it takes seconds
        video = open_video(arguments.source[0], seconds=arguments.seconds)
        note(f"{video.name}: each walker is named when they have left the view; Ctrl-C ends")
        extraction = Extraction(video, make_segmenter("subtract"), snapshots=False, show=False)
        with interrupt_ends(video):
            for walk in extraction.walks():
                walker = walker_of_video([walk])
                found = gallery.identify(walker.passes)
                if arguments.json:
                    say(json.dumps(finite(_row(walker, found)), default=str))
                elif arguments.csv:
                    print_csv([_row(walker, found)], head=first)
                else:
                    say(f"{walker.label}: {in_words(found)}")
                first = False


def _row(walker: Walker, found: Identification) -> dict[str, Any]:
    return {"walker": walker.label, **asdict(found)}


def in_words(found: Identification) -> str:
    """An identification as one line of text."""
    nearest = "" if found.name else f", the nearest is {found.nearest}"
    second = f", runner-up {found.runner_up} {found.runner_up_distance:.4g}" if found.runner_up else ""
    level = f", {found.level}" if found.name else ""
    used = f"{counted(found.passes, 'pass', 'passes')}, {counted(found.frames, 'frame')}"
    return (
        f"{found.name or 'unknown'}{level} ({found.confidence}); distance {found.distance:.4g}{nearest}{second}; "
        f"{used}"
    )


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows as one line of JSON (a list), or as CSV with a line of names."""
    if as_json:
        say(json.dumps(finite([dict(row) for row in rows]), default=str))
        return
    print_csv(rows)


def print_csv(rows: Sequence[Mapping[str, Any]], head: bool = True) -> None:
    """Print rows as CSV, with a line of names unless there are no rows."""
    if rows and head:
        say(csv_line(rows[0]))
    for row in rows:
        say(csv_line(row.values()))


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV; no cell can break the line, or is taken for a formula by a spreadsheet."""
    line = io.StringIO()
    plain = ("" if cell is None else cell for cell in cells)
    texts = (" ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell for cell in plain)
    shown = (printable(text) if isinstance(text, str) else text for text in texts)
    csv.writer(line, lineterminator="").writerow([spreadsheet_cell(text) for text in shown])
    return line.getvalue()

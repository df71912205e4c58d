"""`meshgait identify SOURCE`: who is it, or nobody in the gallery."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from meshgait.gallery.gallery import Gallery
from meshgait.gallery.records import Identification
from meshgait.gallery.sources import Walker, counted, one_walker, sequences_of
from meshgait.terminal import say
from meshgait.text import printable
from meshgait.textfiles.json_text import finite
from meshgait.textfiles.words import spreadsheet_cell
from meshgait.tools.enrol import SOURCE, add_gallery, add_model


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "identify",
        help="who is it, or nobody in the gallery",
        description="Name each walker of a source, or say unknown. Passes of one walker are averaged. A name is "
        "given where the distance is within the gallery's threshold (`meshgait gallery calibrate`).",
    )
    add = parser.add_argument
    add("source", nargs="+", metavar="SOURCE", help=SOURCE)
    add_gallery(parser)
    add_model(parser)
    add("--walker", type=int, metavar="N", help="this one alone, if the source shows several")
    add_forms(parser)


def add_forms(parser: argparse.ArgumentParser) -> None:
    """Declare in which form results are printed."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--csv", action="store_true", help="print CSV")


def run(arguments: argparse.Namespace) -> None:
    """Identify and print."""
    walkers: list[Walker] = []
    for path in arguments.source:
        found = sequences_of(path)
        walkers += found if arguments.walker is None else [one_walker(found, path, arguments.walker)]
    with Gallery(arguments.gallery, arguments.model) as gallery:
        results = [(walker, gallery.identify(walker.passes)) for walker in walkers]
    if arguments.json or arguments.csv:
        print_rows([{"walker": walker.label, **asdict(found)} for walker, found in results], arguments.json)
        return
    for walker, found in results:
        say(f"{walker.label}: {in_words(found)}")


def in_words(found: Identification) -> str:
    """An identification on one line."""
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
    if rows:
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

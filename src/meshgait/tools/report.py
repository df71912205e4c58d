"""`meshgait report RUN...`: runs side by side as one HTML page that opens from disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from meshgait.errors import OutputError
from meshgait.extras import require
from meshgait.terminal import say

TEXT = "one page of runs side by side: settings, curves, tables, pictures, meshes to turn"


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser("report", help=TEXT, description=TEXT)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder, or a metrics file in one")
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), help="file to write (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Read, draw, write; the file appears only when it is complete."""
    require("report", "a report")
    from meshgait.report.folder import read_runs
    from meshgait.report.page import make, write

    out = arguments.out
    if out.is_dir():
        raise OutputError(f"{out} is a folder", f"name the file to write, such as {out / 'report.html'}")
    if out.exists() and not arguments.overwrite:
        raise OutputError(f"{out} exists", "give another --out, or --overwrite")
    runs = read_runs(arguments.runs)
    for one in runs:
        for text in one.missing:
            say(f"{one.name}: left out: {text}")
    page = make(runs, show=True)
    write(out, page)
    say(f"{out}: {', '.join(one.name for one in runs)}; {len(page.encode()) / 1e6:.1f} MB, opens in any browser")

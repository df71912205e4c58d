"""`meshgait check STORE`: what is wrong with a packed store, and what to do about it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from meshgait import terminal
from meshgait.atomic import atomic_file
from meshgait.errors import StoreError
from meshgait.inspection.finding_kinds import KINDS
from meshgait.inspection.report import CheckOptions, StoreReport, check
from meshgait.text import printable
from meshgait.viz.plots import histogram_figure, to_png
from meshgait.viz.silhouettes import save_png
from meshgait.viz.suspicious_frames import SuspiciousFrame, suspicious_frames_sheet

WRONG = 1
"""Exit status of --strict if something is found; 2 means that the check failed."""


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    default = CheckOptions()
    parser = verbs.add_parser(
        "check",
        help="what is wrong with a packed store, with remedies",
        description="Looks at every sequence and frame of a packed store and says what is wrong and what to do. "
        "Nothing is changed. Exit status: 0, or with --strict 1 when something is found; 2 when the store cannot "
        "be opened.",
        epilog=f"Findings, for --ignore: {', '.join(KINDS)}.",
    )
    add = parser.add_argument
    add("store", type=Path, metavar="STORE", help="folder of the packed store")
    add("--protocol", default=None, help="whose split, gallery and probes are checked (default: the store's own)")
    add("--partition", type=Path, metavar="JSON", help="TRAIN_SET and TEST_SET (default: the store's own)")
    add("--short", type=int, default=default.short, metavar="N", help="fewer frames are few (%(default)s)")
    add(
        "--frames-per-sequence",
        type=int,
        default=default.frames,
        metavar="N",
        help="frames whose mesh is compared with the silhouette; 0: none (%(default)s)",
    )
    add("--iou", type=float, default=default.iou, help="less overlap with the mesh is too little (%(default)s)")
    add("--seed", type=int, default=default.seed, help="of the choice of those frames (%(default)s)")
    add("--body", metavar="FILE", help="body model of the SMPL truth (default: the one that comes with Mesh-Gait)")
    add("--checksums", action="store_true", help="also read every byte and compare with meta.json")
    add("--ignore", action="append", default=[], metavar="CODE", help="leave out this finding; may be repeated")
    add("--json", type=Path, metavar="OUT", help="also write everything as JSON")
    add("--pictures", type=Path, metavar="FOLDER", help="draw doubtful frames and the histogram of IoU there")
    add("--strict", action="store_true", help="exit with status 1 when something is found")


def run(args: argparse.Namespace) -> int:
    """Check and print.

    Returns:
        The exit status.

    Raises:
        StoreError: there is no store, or it cannot be opened.
        ConfigError: a setting makes no sense.
        DataError: the partition given cannot be read.
        OutputError: JSON or pictures cannot be written.
    """
    options = CheckOptions(
        protocol=args.protocol,
        partition=args.partition,
        short=args.short,
        frames=args.frames_per_sequence,
        iou=args.iou,
        seed=args.seed,
        body=args.body,
        checksums=args.checksums,
        ignore=tuple(args.ignore),
    )
    report = check(args.store, options)
    console = terminal.console(highlight=False)
    if not report.damage:
        _print_summary(console, report, options)
    _print_findings(console, report)
    if args.json is not None:
        _write(args.json, json.dumps(report.plain(), indent=1).encode() + b"\n")
    if args.pictures is not None and not report.damage:
        for path in draw(report, args.pictures, options.iou):
            console.print(str(path), style="dim", soft_wrap=True)
    if report.damage:
        raise StoreError(report.damage)
    return WRONG if args.strict and report.findings else 0


def _print_summary(console: Console, report: StoreReport, options: CheckOptions) -> None:
    of = f"protocol {report.protocol}" if report.protocol else "no protocol: give --protocol to check the split"
    console.print(f"{report.path} ({of})", soft_wrap=True)
    table = terminal.PlainTable()
    for column in ("", "subjects", "sequences", "frames"):
        table.add_column(column, justify="right" if column else "left")
    for name, group in (report.groups or {}).items():
        table.add_row(name, f"{group.subjects:,}", f"{group.sequences:,}", f"{group.frames:,}")
    console.print(table)
    height, width = report.size
    lines = [f"{height} x {width} pixels of {report.bits} bit"]
    if report.figures:
        low, middle, high = zip(*report.figures.values(), strict=True)
        names = ("rows", "columns", "% of the pixels")
        spans = [f"{m} ({a} to {b}) {name}" for a, m, b, name in zip(low, middle, high, names, strict=True)]
        lines[0] += f"; figures span {', '.join(spans)} (median, 5 % to 95 %)"
    if report.valid is not None and report.groups is not None:
        frames = report.groups["all"].frames
        lines.append(f"SMPL truth: {report.valid:,} of {frames:,} frames are valid")
    if report.alignment and report.alignment.frames:
        fit = report.alignment
        spread = " to ".join(f"{fit.quantile(share):.2f}" for share in (0.05, 0.95))
        lines.append(
            f"silhouette against mesh: mean IoU {fit.mean:.3f} (5 % to 95 %: {spread}) over {fit.frames:,} frames "
            f"sampled, at most {options.frames} a sequence, seed {options.seed}"
        )
    for line in lines:
        console.print(line, soft_wrap=True)


def _print_findings(console: Console, report: StoreReport) -> None:
    if not report.findings:
        console.print("nothing is wrong", style="green")
        return
    table = terminal.PlainTable(show_lines=True)
    table.add_column("code", no_wrap=True)
    table.add_column("what", ratio=3)
    table.add_column("where", ratio=3)
    table.add_column("remedy", ratio=3)
    colours = {"error": "red", "warning": "yellow"}
    for finding in report.findings:
        where = "\n".join(map(printable, finding.where))
        name = Text.assemble((finding.code, colours[finding.severity]), "\n", finding.severity)
        table.add_row(name, finding.what, where, finding.remedy)
    console.print(table)


def draw(report: StoreReport, folder: Path, least: float) -> list[Path]:
    """Write pictures of suspicious frames and of the overlap with the mesh.

    Args:
        report: of the check.
        folder: made if it is missing.
        least: IoU below which a mesh does not fit.

    Returns:
        The files.

    Raises:
        OutputError: a file cannot be written.
    """
    files = []
    for code, examples in report.survey.examples.items() if report.survey else ():
        doubts = [SuspiciousFrame((one.name, f"frame {one.frame}"), one.silhouette) for one in examples]
        files.append(folder / f"{code}.png")
        kind = KINDS[code]
        save_png(suspicious_frames_sheet(doubts, f"{code}: {kind.unit} {kind.what}"), files[-1])
    fit = report.alignment
    if fit and fit.frames:
        label = f"{least:g}: {100 * fit.low / fit.frames:.1f} % below"
        figure = histogram_figure(fit.counts, "IoU of silhouette and mesh", "frames", (least, label))
        files.append(folder / "iou.png")
        _write(files[-1], to_png(figure))
        doubts = []
        for one in fit.worst:
            lines = (one.name, f"frame {one.frame}, IoU {one.iou:.2f}")
            doubts.append(SuspiciousFrame(lines, one.silhouette, one.mask))
        files.append(folder / "worst.png")
        title = f"least overlap with the mesh (orange) of {fit.frames:,} frames sampled"
        save_png(suspicious_frames_sheet(doubts, title), files[-1])
    return files


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)

"""`meshgait silhouettes VIDEO`: find, follow and cut out the walkers of a video."""

from __future__ import annotations

import argparse
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.messages import warn
from meshgait.terminal import PlainTable, console, say
from meshgait.video.extract import LEAST_HEIGHT, Extraction
from meshgait.video.frames import Look
from meshgait.video.live import interrupt_ends
from meshgait.video.reading import open_video
from meshgait.video.results import VideoReport
from meshgait.video.segmenters import make_segmenter
from meshgait.video.writing import REPORT, SHEET, WalkFolder, resume

HELP = "cut the walkers of a video out as silhouettes"


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "silhouettes",
        help=HELP,
        description="Finds, follows and cuts out each walker of a video; writes one folder of PNG silhouettes for "
        "each pass, contact sheets to look at, and report.json. The same command goes on after an interruption; "
        "a webcam or stream is ended by Ctrl-C.",
        epilog="`meshgait embed OUT/walker-001/pass-01/right` and `meshgait pack OUT STORE` read the result. "
        "Silhouettes and contact sheets show people: ask them before you film, and delete both on request.",
    )
    add = parser.add_argument
    add(
        "video",
        help="video file (mp4, avi, webm, ...), folder of its frames, number of a webcam, or address of a stream",
    )
    add("--out", type=Path, help="folder to make (default: silhouettes/NAME)")
    add(
        "--segmenter",
        default="subtract",
        help="subtract (the camera stands still), torchvision (Mask R-CNN), FILE.onnx, FILE.tflite (%(default)s)",
    )
    add("--fetch", action="store_true", help="let torchvision fetch its weights (180 MB)")
    add("--every", type=int, default=1, metavar="N", help="take every N-th frame (%(default)s)")
    add("--rotate", type=int, default=0, metavar="DEGREES", help="turn frames clockwise: 90, 180 or 270")
    add(
        "--roi",
        type=int,
        nargs=4,
        metavar=("LEFT", "TOP", "WIDTH", "HEIGHT"),
        help="look at this part of the (turned) frame only, pixels",
    )
    add("--least-height", type=float, default=LEAST_HEIGHT, metavar="PX", help="of a walker (%(default)s)")
    add("--seconds", type=float, default=60.0, help="for which a webcam or stream is read (%(default)s)")
    add("--overwrite", action="store_true", help="replace an earlier result")


def run(args: argparse.Namespace) -> int:
    """Cut out and write.

    Returns:
        The exit status: 0 if there is a walk, 1 if there is none.

    Raises:
        DataError: the video cannot be read, or its camera moves.
        ConfigError: a setting makes no sense.
        OutputError: the folder cannot be written.
    """
    if args.least_height < 1 or args.seconds <= 0:
        raise ConfigError("--least-height and --seconds must be greater than 0")
    look = Look(args.every, args.rotate, tuple(args.roi) if args.roi else None)
    segmenter = make_segmenter(args.segmenter, args.fetch)
    video = open_video(args.video, look, args.seconds)
    out = args.out or Path("silhouettes") / (Path(video.name).stem.replace(" ", "-") or "video")
    settings = {"video": _fingerprint(args.video), "segmenter": args.segmenter, "every": args.every}
    settings |= {"rotate": args.rotate, "roi": args.roi, "least_height": args.least_height}
    folder = WalkFolder(out, settings, args.overwrite)
    state = None if video.live else folder.state
    start, walkers = (state.quiet, state.walkers) if state else (0, 0)
    extraction = Extraction(video, segmenter, args.least_height, start=start, walkers=walkers, quietly=folder.note)
    if state:
        resume(extraction.report, state)
        say(f"{out}: goes on at frame {start}")
    with interrupt_ends(video):
        for walk in extraction.walks():
            folder.write(walk)
    folder.finish(extraction.report)
    show(extraction.report, out)
    return 0 if extraction.report.walks else 1


def show(report: VideoReport, out: Path) -> None:
    """Print what was found, and what was left out and why."""
    screen = console(highlight=False)
    say(f"{report.source}: {report.frames} frames looked at, {report.rate:.3g} a second; camera {report.motion}")
    table = PlainTable("folder", "frames", "from", "to", "height px", "left out")
    for walk in report.walks:
        dropped = ", ".join(f"{count} {reason}" for reason, count in walk["dropped"].items())
        numbers = (str(walk[name]) for name in ("frames", "first", "last"))
        table.add_row(walk["folder"], *numbers, f"{walk['height']:.0f}", dropped)
    if report.walks:
        screen.print(table)
    for other in report.refused:
        say(f"no walk: frames {other['first']} to {other['last']}: {other['reason']}")
    if report.specks:
        say(f"{report.specks} things that moved for a few frames only are not listed")
    for text in report.warnings:
        warn(text)
    if not report.walks:
        say(f"no walk was found; {out / REPORT} says why")
        return
    say(f"{out / SHEET}: look whether the outlines fit; {out / REPORT}: all of this")


def _fingerprint(video: str) -> list[str | int]:
    """Name, size and time of change of a video, to detect another one."""
    path = Path(video)
    if not path.exists():
        return [video]
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]

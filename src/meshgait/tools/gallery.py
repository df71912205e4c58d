"""`meshgait gallery ...`: look after a gallery: people, threshold, error rates, copies."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from meshgait.gallery.decision import percent
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.records import Erasure, Person
from meshgait.gallery.sources import counted, people_of
from meshgait.messages import note, warn
from meshgait.terminal import PlainTable, console, say
from meshgait.text import printable
from meshgait.tools.enrol import SOURCE, add_gallery, add_model
from meshgait.tools.identify import add_forms, csv_line, print_rows

NOT_PROVEN = 1
"""Exit status of an erasure if some of the stored bytes were still found."""
LOG_LINES = 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's actions and their arguments."""
    parser = verbs.add_parser("gallery", help="look after a gallery: people, threshold, error rates, copies")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_gallery(made)
        return made

    create = action("create", "make a gallery whose embeddings lie on a Qdrant server (others are made by enrol)")
    create.add_argument(
        "--server",
        required=True,
        metavar="URL",
        help="its address, as https://HOST:6333; a key is taken from the variable QDRANT_API_KEY",
    )
    add_forms(action("list", "who is enrolled"))
    show = action("show", "a person's walks, or the gallery's model, threshold and last lines of the log")
    show.add_argument("name", nargs="?", metavar="NAME")
    rename = action("rename", "give a person another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new", metavar="NEW")
    merge = action("merge", "let the walks of NAME be those of INTO")
    merge.add_argument("name", metavar="NAME")
    merge.add_argument("into", metavar="INTO")
    erase = action("erase", "erase people wholly and search the files for what was stored of them")
    erase.add_argument("name", nargs="+", metavar="NAME")
    action("expire", "erase everybody whose consent has ended")
    _add_measures(action)
    export = action("export", "write people to an .npz file")
    export.add_argument("out", type=Path, metavar="OUT")
    export.add_argument("--person", action="append", metavar="NAME", help="this one alone; may be repeated")
    bring = action("import", "add the people of an exported file")
    bring.add_argument("path", type=Path, metavar="FILE")
    bring.add_argument("--merge", action="store_true", help="add walks to people of the same name")


def _add_measures(action: Callable[[str, str], argparse.ArgumentParser]) -> None:
    calibrate = action("calibrate", "set the threshold at a false-positive identification rate")
    add_model(calibrate)
    calibrate.add_argument(
        "--strangers",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help=f"people who are not enrolled, synthetic walkers for a start: {SOURCE}",
    )
    calibrate.add_argument("--fpir", type=float, default=5.0, metavar="PERCENT", help="the rate (%(default)s)")
    calibrate.add_argument(
        "--walks", type=int, default=4, metavar="N", help="of each stranger at most, spread evenly (%(default)s)"
    )
    calibrate.add_argument(
        "--no-own", action="store_true", help="do not search each enrolled person among the others as a stranger"
    )
    evaluate = action("evaluate", "error rates in terms of ISO/IEC 19795-1: FNIR at FPIR, DET curve")
    add_model(evaluate)
    evaluate.add_argument(
        "--probes",
        nargs="+",
        metavar="SOURCE",
        help="packed stores whose subjects bear the names of the enrolled; others are strangers (default: each "
        "enrolled walk is searched among the others)",
    )
    evaluate.add_argument("--fpir", type=float, nargs="+", default=[1.0, 10.0], metavar="PERCENT")
    add_forms(evaluate)


def run(arguments: argparse.Namespace) -> int:
    """Run the action; returns the exit status."""
    with Gallery(arguments.gallery, getattr(arguments, "model", None)) as gallery:
        return _ACTIONS[arguments.action](gallery, arguments) or 0


def _create(gallery: Gallery, arguments: argparse.Namespace) -> None:
    gallery.create(arguments.server)
    say(f"{gallery.path}: made for people, consents and log; {_where(gallery)}")
    address = urlsplit(arguments.server)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        warn(f"embeddings and key go to {address.hostname} unencrypted; use https unless the network is yours")


def _where(gallery: Gallery) -> str:
    server = gallery.server
    return f"embeddings in the collection {server[1]} at {server[0]}" if server else "embeddings in the file"


def _say_away(gallery: Gallery) -> None:
    """Say that the server of the embeddings is away, where an action does without it."""
    if away := gallery.away:
        note(f"{away}; this is what {gallery.path} says, and until then nobody is identified, enrolled or erased")


def _list(gallery: Gallery, arguments: argparse.Namespace) -> None:
    people = gallery.people()
    _say_away(gallery)
    if arguments.json or arguments.csv:
        print_rows([asdict(person) for person in people], arguments.json)
        return
    table = PlainTable()
    for column in ("name", "walks", "directions", "views", "enrolled", "consent until", "consent"):
        table.add_column(column, justify="right" if column == "walks" else "left", overflow="fold")
    for person in people:
        table.add_row(*_cells(person))
    console(highlight=False).print(table)
    say(_people(len(people)))


def _cells(person: Person) -> list[str]:
    directions, views = " ".join(person.directions), " ".join(person.views)
    end = f"{person.consent_until or ''}"
    cells = [person.name, f"{person.walks}", directions, views, person.enrolled[:10], end, person.consent]
    return [printable(cell) for cell in cells]  # a line break in a name too


def _show(gallery: Gallery, arguments: argparse.Namespace) -> None:
    _say_away(gallery)
    if arguments.name is None:
        _show_gallery(gallery)
        return
    person = gallery.person(arguments.name)
    end = f"until {person.consent_until}" if person.consent_until else "no end"
    consent = f"consent: {person.consent or 'none'}, {end}"
    say(f"{person.name}: person {person.id}, enrolled {person.enrolled}; {consent}")
    table = PlainTable("walk", "enrolled", "frames", "direction", "view", "silhouettes")
    for walk in gallery.walks(person.name):
        kept = "kept" if walk.silhouettes else ""
        table.add_row(f"{walk.id}", walk.enrolled, f"{walk.frames}", walk.direction, printable(walk.view), kept)
    console(highlight=False).print(table)


def _show_gallery(gallery: Gallery) -> None:
    people = gallery.people()
    walks = counted(sum(person.walks for person in people), "walk")
    say(f"{gallery.path}: {_people(len(people))}, {walks}, model {gallery.model_hash[:12]}")
    if gallery.server:
        say(_where(gallery))
    known = gallery.calibration
    if known is None:
        say("not calibrated")
    else:
        stale = "" if known.current else "; the gallery has changed since then"
        measured = f"{_strangers(known.strangers)}, {_people(known.people)} enrolled"
        say(f"threshold {known.threshold:.4g} for FPIR {known.fpir:g} %, set {known.made} with {measured}{stale}")
    for entry in gallery.log(LOG_LINES):
        who = f" person {entry.person}" if entry.person is not None else ""
        say(f"{entry.time} {entry.action}{who}{f': {entry.detail}' if entry.detail else ''}")


def _rename(gallery: Gallery, arguments: argparse.Namespace) -> None:
    _say_away(gallery)
    say(f"{arguments.name} is {gallery.rename(arguments.name, arguments.new).name} now")


def _merge(gallery: Gallery, arguments: argparse.Namespace) -> None:
    _say_away(gallery)
    person = gallery.merge(arguments.name, arguments.into)
    say(f"{person.name} has {counted(person.walks, 'walk')} now")


def _erase(gallery: Gallery, arguments: argparse.Namespace) -> int:
    for name in arguments.name:
        gallery.person(name)  # erase none if one is missing
    return _report([gallery.erase(name) for name in dict.fromkeys(arguments.name)])


def _expire(gallery: Gallery, arguments: argparse.Namespace) -> int:
    gone = gallery.expire()
    if not gone:
        say("nobody's consent has ended")
    return _report(gone)


def _report(erasures: Sequence[Erasure]) -> int:
    for found in erasures:
        files = ", ".join(f"{path} ({size:,} bytes)" for path, size in found.files)
        say(f"{found.name}: erased with {counted(found.walks, 'walk')}; searched {files} for "
            f"{counted(found.searched_for, 'piece')} of what was stored")  # fmt: skip
        if found.left:
            warn(f"some of it is still in {', '.join(found.left)}; delete it there, or the whole gallery")
        elif found.proven:
            say("  none of it is left there; copies, exports and backups elsewhere are yours to delete")
        for remark in found.remarks:
            warn(remark)
    return 0 if all(found.proven for found in erasures) else NOT_PROVEN


def _calibrate(gallery: Gallery, arguments: argparse.Namespace) -> None:
    found = gallery.calibrate(
        people_of(arguments.strangers, arguments.walks), arguments.fpir, own=not arguments.no_own
    )
    say(f"threshold {found.threshold:.4g} for FPIR {found.fpir:g} %, with {_people(found.people)} enrolled")
    interval = f"95 %: {percent(found.low)} to {percent(found.high)} %"
    measured = f"{percent(found.measured)} % of {_strangers(found.strangers)} are named ({interval})"
    say(f"{measured}, in {_searches(found.searches)}")
    for name, (strangers, searches, share) in found.groups.items():
        say(f"  {name}: {percent(share)} % of {strangers:,}, in {_searches(searches)}")


def _evaluate(gallery: Gallery, arguments: argparse.Namespace) -> None:
    probes = None if arguments.probes is None else people_of(arguments.probes)
    found = gallery.evaluate(probes, arguments.fpir)
    if arguments.json:
        print_rows([asdict(found)], as_json=True)
        return
    if arguments.csv:
        say(csv_line(("threshold", "fpir", "fnir")))
        for row in zip(*found.det, strict=True):
            say(csv_line(row))
        return
    say(f"{found.mated:,} mated searches of {_people(found.people)}, {found.nonmated:,} non-mated")
    table = PlainTable("FPIR %", "FNIR %", "95 % interval")
    for fpir, fnir, low, high in zip(found.fpir, found.fnir, found.low, found.high, strict=True):
        table.add_row(f"{fpir:g}", f"{fnir:.1f}", f"{low:.1f} to {high:.1f}")
    console(highlight=False).print(table)
    if found.at_threshold is not None:
        say(f"at the calibrated threshold: FPIR {found.at_threshold[0]:.1f} %, FNIR {found.at_threshold[1]:.1f} %")
    for remark in found.remarks:
        say(remark)


def _export(gallery: Gallery, arguments: argparse.Namespace) -> None:
    count = gallery.export_people(arguments.out, arguments.person)
    say(f"{arguments.out}: {_people(count)}; it holds biometric data, keep it as you keep the gallery")


def _import(gallery: Gallery, arguments: argparse.Namespace) -> None:
    people = gallery.import_people(arguments.path, arguments.merge)
    say(f"{arguments.gallery}: {_people(len(people))} added")


def _people(number: int) -> str:
    return counted(number, "person", "people")


def _strangers(number: int) -> str:
    return counted(number, "stranger")


def _searches(number: int) -> str:
    return counted(number, "search", "searches")


_ACTIONS: dict[str, Callable[[Gallery, argparse.Namespace], int | None]] = {
    "create": _create,
    "list": _list,
    "show": _show,
    "rename": _rename,
    "merge": _merge,
    "erase": _erase,
    "expire": _expire,
    "calibrate": _calibrate,
    "evaluate": _evaluate,
    "export": _export,
    "import": _import,
}

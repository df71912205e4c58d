"""`meshgait enrol NAME SOURCE`: add walks of a person to a gallery."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Literal

from meshgait.errors import ConfigError, DataError
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.people import parsed_date
from meshgait.gallery.sources import counted, one_walker, sequences_of
from meshgait.messages import note
from meshgait.terminal import say

SOURCE = (
    "video; folder of frames, .gif, .npy, .npz or .pkl of silhouettes; a packed store, or "
    "STORE/SUBJECT/CONDITION/VIEW or the beginning of it"
)


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "enrol",
        help="add walks of a person to a gallery",
        description="Add walks of a person to a gallery, which is made if it is not there. Ask the person first, "
        "and say with --consent and --until what was agreed and for how long. Only embeddings are kept.",
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="of the person")
    add("source", nargs="+", metavar="SOURCE", help=f"one walker: {SOURCE}; several are walks of the same person")
    add_gallery(parser)
    add_model(parser)
    add("--walker", type=walker_number, metavar="N", help="which one, if a source shows several; all: one person")
    add("--consent", default="", metavar="NOTE", help="what the person agreed to, or where it is written")
    add("--until", type=parsed, metavar="DATE", help="last day of the consent, as 2027-12-31")
    add("--direction", choices=("left", "right"), default="", help="in which the walker goes in the picture")
    add("--view", default="", help="from where the camera sees the walker, in your terms, such as 090 or front")
    add("--keep-silhouettes", action="store_true", help="also keep the frames; identification does not need them")


def add_gallery(parser: argparse.ArgumentParser) -> None:
    """Declare the argument for the gallery."""
    parser.add_argument("--gallery", type=Path, required=True, metavar="FILE", help="file of the gallery")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare the argument for the model."""
    parser.add_argument(
        "--model",
        metavar="PATH",
        help="checkpoint of stage 2, folder of `meshgait export` or owner/name at Hugging Face (default: the "
        "model that comes with meshgait)",
    )


def walker_number(text: str) -> int | Literal["all"]:
    """Number of a walker, from 1, or "all"."""
    return "all" if text == "all" else int(text)


def parsed(text: str) -> date:
    """A date of the command line."""
    try:
        return parsed_date(text)
    except DataError as error:
        raise ConfigError(f"--until: {error}") from None


def run(arguments: argparse.Namespace) -> None:
    """Read, embed, enrol; print what is enrolled now and what is missing."""
    walkers = [one_walker(sequences_of(path), path, arguments.walker) for path in arguments.source]
    passes = [one for walker in walkers for one in walker.passes]
    with Gallery(arguments.gallery, arguments.model) as gallery:
        found = gallery.enrol(
            arguments.name,
            passes,
            consent=arguments.consent,
            consent_until=arguments.until,
            direction=arguments.direction,
            view=arguments.view,
            keep_silhouettes=arguments.keep_silhouettes,
        )
        calibrated = gallery.calibration
    person = found.person
    end = f"consent until {person.consent_until}" if person.consent_until else "no end of consent"
    total = f"{counted(person.walks, 'walk')} in all" if person.walks > found.added else ""
    parts = [f"{counted(found.added, 'walk')} added", total, end if person.consent or person.consent_until else ""]
    say(f"{person.name}: {', '.join(filter(None, parts))}")
    for text in found.advice:
        note(text)
    if not person.consent:
        note("no consent is noted; ask the person and enrol with --consent NOTE --until DATE")
    if calibrated is None or not calibrated.current:
        note(f"run `meshgait gallery calibrate --gallery {arguments.gallery}` once everybody is enrolled")

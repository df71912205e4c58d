"""`meshgait serve`: a web page to enrol, calibrate, identify and erase."""

from __future__ import annotations

import argparse
import ipaddress
from contextlib import suppress

from meshgait.errors import ConfigError
from meshgait.extras import require
from meshgait.gallery.gallery import Gallery
from meshgait.messages import warn
from meshgait.terminal import say
from meshgait.tools.enrol import add_gallery, add_model


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "serve",
        help="a web page on this computer: drop a video, enrol, calibrate, identify, erase",
        description="Serves a web page for one person at this computer: drop a video, see the walkers cut out, "
        "enrol, calibrate, identify, erase. The printed address holds a secret token. Videos are deleted after "
        "use.",
    )
    add_gallery(parser)
    add_model(parser)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s: this computer alone)")
    add("--port", type=int, default=8700, help="0: any that is free (%(default)s)")
    add(
        "--strangers",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="people who are not enrolled, to calibrate with; without them, synthetic walkers are drawn",
    )
    add("--most-megabytes", type=float, default=500.0, metavar="MB", help="of a video (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        ConfigError: an address or limit cannot be used, or a package is missing.
    """
    require("serve", "`meshgait serve`")
    from meshgait.web.server import serve

    if not 0 < arguments.most_megabytes < 1e6:
        raise ConfigError("--most-megabytes must be greater than 0")
    if not _loopback(arguments.host):
        warn(f"others who reach {arguments.host} and see the address can use the gallery; nothing is encrypted")
    with Gallery(arguments.gallery, arguments.model) as gallery, suppress(KeyboardInterrupt):
        if gallery.path.exists() and gallery.path.stat().st_size:
            gallery.prepare()
        most = int(arguments.most_megabytes * 1e6)
        serve(gallery, arguments.host, arguments.port, most, _ready, arguments.strangers)
    say("stopped; videos and silhouettes that were not enrolled are gone")
    return 0


def _ready(address: str) -> None:
    say(f"open {address}")
    say("whoever has this address can use the gallery; Ctrl-C ends")


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"

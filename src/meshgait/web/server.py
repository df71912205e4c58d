"""Runs the web page until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence

import uvicorn

from meshgait.errors import ConfigError
from meshgait.gallery.gallery import Gallery
from meshgait.web.app import MOST_UPLOAD, make_app

LOOPBACK = ("127.0.0.1", "localhost")


def serve(
    gallery: Gallery,
    host: str = LOOPBACK[0],
    port: int = 8700,
    most: int = MOST_UPLOAD,
    ready: Callable[[str], None] = lambda address: None,
    strangers: Sequence[str] = (),
) -> None:
    """Serve the web page of a gallery until Ctrl-C.

    Args:
        gallery: which is made when somebody is enrolled, if it is not there.
        host: address of this computer to listen at.
        port: 0: any that is free.
        most: bytes of a video.
        ready: called with the address of the page, which holds its token.
        strangers: sources of people who are not enrolled, to calibrate with; without one, walkers are drawn.

    Raises:
        ConfigError: the address or port cannot be used.
    """
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{host}:{port} cannot be used ({what})", "give another --port, or --port 0") from None
    token = secrets.token_urlsafe(24)
    app = make_app(gallery, token, tuple({*LOOPBACK, host.lower()}), most, strangers)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=50, timeout_graceful_shutdown=3,
    )  # fmt: skip
    with listening:
        ready(f"http://{host}:{listening.getsockname()[1]}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])

"""Who may ask the web page for anything: the token of its address, in every request, to this computer's name only.

A web site in the same browser can send requests to this page, and by DNS rebinding even read the answers. It does
not know the token, and its host name is not ours. Nothing is shared with other origins, and a page that was led to
run foreign scripts or to load anything from elsewhere is stopped by the browser (Content-Security-Policy).
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address holds the token
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Lets requests through that name this host and hold the token, and adds headers to every answer.

    Args:
        app: that is guarded.
        token: to be given as ``?token=...``.
        hosts: names under which the page may be asked for, without the port.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]) -> None:
        self._app, self._token, self._hosts = app, token.encode(), hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["type"] != "http":
            return PlainTextResponse("only HTTP is spoken here", 400)
        names = [value for name, value in scope["headers"] if name == b"host"]
        host = Headers(scope=scope).get("host", "").rpartition(":")
        name = host[0] if host[1] and host[2].isdecimal() else "".join(host)
        if len(names) != 1 or name.lower() not in self._hosts:
            return PlainTextResponse("this page has another address", 421)
        given = QueryParams(scope["query_string"]).getlist("token")
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(errors="replace"), self._token):
            return PlainTextResponse("open the address that `meshgait serve` has printed, with its token", 403)
        return None


async def limited_body(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body of a request in pieces.

    Args:
        request: of which it is.
        most: bytes.

    Raises:
        HTTPException: it is larger (413).
    """
    size, said = 0, request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > most:
        raise HTTPException(413, _too_large(most))
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise HTTPException(413, _too_large(most))
        yield piece


def _too_large(most: int) -> str:
    return (
        f"this is larger than {most / 1e6:,.3g} MB; cut the video, or start `meshgait serve` with --most-megabytes"
    )

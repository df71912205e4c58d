"""The web page's addresses, and what each of them does with the gallery."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from meshgait.errors import DataError, MeshGaitError
from meshgait.gallery.decision import percent
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.people import parsed_date
from meshgait.gallery.records import Erasure
from meshgait.gallery.sources import counted
from meshgait.text import printable, shortened
from meshgait.web.calibrating import Calibrating
from meshgait.web.guard import Guard, limited_body
from meshgait.web.videos import FoundWalker, LookedAt, TooManyError, Videos

ASSETS = Path(__file__).parent / "assets"
MOST_FORM = 1 << 16
"""Bytes of a form."""
MOST_UPLOAD = 500_000_000
"""Bytes of a video."""


def make_app(
    gallery: Gallery,
    token: str,
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    most: int = MOST_UPLOAD,
    strangers: Sequence[str] = (),
) -> ASGIApp:
    """The web page of a gallery, as an ASGI application.

    Args:
        gallery: which is made when somebody is enrolled, if it is not there.
        token: that every request must hold.
        hosts: names under which the page may be asked for.
        most: bytes of a video.
        strangers: sources of people who are not enrolled, to calibrate with; without one, walkers are drawn.
    """
    return Guard(_Page(gallery, token, most, strangers).app, token, hosts)


class _Page:
    def __init__(self, gallery: Gallery, token: str, most: int, strangers: Sequence[str]) -> None:
        self._gallery, self._token, self._most = gallery, token, most
        self._calibrating = Calibrating(gallery.path, strangers)
        self._videos, self._lock = Videos(), threading.Lock()
        self._notices: list[str] = []
        pages = Environment(loader=PackageLoader("meshgait.web", "assets"), autoescape=True)
        pages.filters |= {"plain": printable, "short": shortened, "percent": percent}
        pages.globals |= {"url": self._url, "counted": counted}
        self._template = pages.get_template("page.html")
        routes = [
            Route("/", self._home),
            Route("/videos", self._upload, methods=["POST"]),
            Route("/videos/{id}", self._video),
            Route("/videos/{id}/{walker:int}/{sheet:int}.png", self._sheet),
            Route("/videos/{id}/identify", self._form(self._identify), methods=["POST"]),
            Route("/videos/{id}/enrol", self._form(self._enrol), methods=["POST"]),
            Route("/videos/{id}/forget", self._form(self._forget), methods=["POST"]),
            Route("/calibration", self._watch),
            Route("/calibrate", self._form(self._calibrate), methods=["POST"]),
            Route("/erase", self._form(self._erase), methods=["POST"]),
            Mount("/assets", StaticFiles(directory=ASSETS)),
        ]
        errors: dict[Any, Any] = {MeshGaitError: self._say_error, TooManyError: self._say_busy}
        self.app = Starlette(routes=routes, exception_handlers=errors, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self._calibrating.close()
            self._videos.close()

    def _url(self, path: str) -> str:
        """An address of this page; ``path`` is of this module or the template."""
        return f"{path}?token={quote(self._token)}"

    async def _home(self, request: Request) -> Response:
        return await self._page()

    async def _watch(self, request: Request) -> Response:
        """The page of a calibration: how far it is, or what came out."""
        return await self._page(watched=True)

    async def _page(
        self, video: LookedAt | None = None, error: str = "", status: int = 200, watched: bool = False
    ) -> Response:
        return HTMLResponse(await run_in_threadpool(self._html, video, error, watched), status)

    def _html(self, video: LookedAt | None, error: str, watched: bool) -> str:
        notices, self._notices = self._notices, []
        with self._lock:
            there = self._gallery.path.exists() and self._gallery.path.stat().st_size > 0
            people = self._gallery.people() if there else []
            calibration = self._gallery.calibration if there else None
            away = self._gallery.away if there else ""
        return self._template.render(
            video=video, people=people, calibration=calibration, notices=notices, error=error, today=date.today(),
            path=self._gallery.path, most=self._most, away=away, calibrating=self._calibrating, watched=watched,
        )  # fmt: skip

    async def _upload(self, request: Request) -> Response:
        name = printable(request.query_params.get("name", ""))[:100] or "video"
        video = await self._videos.receive(name, limited_body(request, self._most))
        return JSONResponse({"page": self._url(f"/videos/{video.id}")})

    def _known(self, request: Request) -> LookedAt:
        video = self._videos.get(request.path_params["id"])
        if video is None:
            raise HTTPException(404, "this video is not remembered any more; drop it again")
        return video

    async def _video(self, request: Request) -> Response:
        return await self._page(self._known(request))

    async def _sheet(self, request: Request) -> Response:
        walker, sheet = request.path_params["walker"], request.path_params["sheet"]
        sheets = [one.sheets for one in self._known(request).walkers]
        if walker >= len(sheets) or sheet >= len(sheets[walker]):
            raise HTTPException(404)
        return Response(sheets[walker][sheet], media_type="image/png")

    def _form(self, act: Callable[[Request, dict[str, str]], str]) -> Callable[[Request], Awaitable[Response]]:
        """A form of the page: what it does, and the page to go to afterwards."""

        async def answer(request: Request) -> Response:
            content = b"".join([piece async for piece in limited_body(request, MOST_FORM)])
            try:
                values = {name: value[0] for name, value in parse_qs(content.decode(), max_num_fields=20).items()}
            except ValueError:
                raise HTTPException(400, "this is no form of the page") from None
            page = await run_in_threadpool(self._locked, act, request, values)
            return RedirectResponse(self._url(page), 303)

        return answer

    def _locked(
        self, act: Callable[[Request, dict[str, str]], str], request: Request, values: dict[str, str]
    ) -> str:
        with self._lock:
            return act(request, values)

    def _identify(self, request: Request, values: dict[str, str]) -> str:
        video = self._known(request)
        for one in video.walkers:
            one.answer = self._gallery.identify(one.walker.passes)
        return f"/videos/{video.id}"

    def _enrol(self, request: Request, values: dict[str, str]) -> str:
        video = self._known(request)
        walker = _walker(video, values.get("walker", ""))
        consent, until = values.get("consent", "").strip(), values.get("until", "")
        if not consent:
            raise DataError("no consent is noted", "ask the person, and note where the consent is written")
        found = self._gallery.enrol(
            values.get("name", ""), walker.walker.passes, consent, parsed_date(until) if until else None
        )
        walker.enrolled, walker.answer = found.person.name, None
        self._notices.append(f"{printable(found.person.name)}: {counted(found.added, 'walk')} added")
        self._notices += found.advice
        return f"/videos/{video.id}"

    def _forget(self, request: Request, values: dict[str, str]) -> str:
        self._videos.forget(self._known(request).id)
        return "/"

    def _calibrate(self, request: Request, values: dict[str, str]) -> str:
        try:
            fpir = float(values.get("fpir", ""))
        except ValueError:
            raise DataError("the rate is no number", "give percent, such as 5") from None
        self._calibrating.begin(self._gallery.model, fpir)
        return "/calibration"

    def _erase(self, request: Request, values: dict[str, str]) -> str:
        number = values.get("person", "")
        person = next((one for one in self._gallery.people() if str(one.id) == number), None)
        if person is None:
            raise DataError("this person is not enrolled any more", "load the page again")
        self._notices.append(_proof(self._gallery.erase(person.name)))
        self._videos.forget_all()  # answers may name the person, silhouettes may show the person
        return "/"

    async def _say_error(self, request: Request, error: Exception) -> Response:
        video = self._videos.get(request.path_params.get("id", ""))
        return await self._page(video, str(error), 400)

    async def _say_busy(self, request: Request, error: Exception) -> Response:
        return PlainTextResponse("several videos are being looked at; wait until one is done", 429)


def _walker(video: LookedAt, number: str) -> FoundWalker:
    if not number.isdecimal() or int(number) >= len(video.walkers):
        raise DataError("there is no such walker in the video", "load the page again")
    return video.walkers[int(number)]


def _proof(found: Erasure) -> str:
    """What became of a person, and what the search for the remains found."""
    text = f"{printable(found.name)} is erased, with {counted(found.walks, 'walk')}"
    if not found.proven:
        return f"{text}, but some of it is still in {', '.join(found.left)}; delete that"
    size = sum(size for _, size in found.files)
    pieces = f"{counted(found.searched_for, 'piece')} of what was stored"
    remarks = "".join(f"; {remark}" for remark in found.remarks)
    return (
        f"{text}; {pieces} searched for in {size:,} bytes, none left; videos on this page are forgotten{remarks}"
    )

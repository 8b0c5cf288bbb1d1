"""The application: the page's files, the events, and the commands."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from afterbay.errors import AfterbayError
from afterbay.web.guard import Guard
from afterbay.web.watch import MOST_VIEWERS, Watch

PAGE = Path(__file__).with_name("page")
COMMANDS = ("drain", "pause", "resume")
MOST_COMMAND = 256
"""Bytes of a command."""


def application(watch: Watch, token: str | None) -> Starlette:
    """`token`: what a command has to bring along; None: no command is taken."""

    async def page(_: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def settings(_: Request) -> Response:
        return JSONResponse({"control": token is not None})

    async def events(_: Request) -> Response:
        if watch.viewers >= MOST_VIEWERS:
            return JSONResponse({"error": "too many viewers"}, 503)
        return StreamingResponse(watch.events(), media_type="text/event-stream")

    async def command(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if token is None:
            return JSONResponse({"error": "this page only shows: start it with --allow-control"}, 403)
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return JSONResponse({"error": "the token is missing or wrong: open the address that was printed"}, 401)
        asked = await _asked(request)
        if asked not in COMMANDS:
            return JSONResponse({"error": f"a command is one of {', '.join(COMMANDS)}"}, 400)
        try:
            await watch.command(asked)
        except AfterbayError as error:
            return JSONResponse({"error": error.diagnostics[0].message}, 409)
        return JSONResponse({})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await watch.end()

    return Starlette(
        routes=[
            Route("/", page),
            Route("/settings", settings),
            Route("/events", events),
            Route("/command", command, methods=["POST"]),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard)],
        lifespan=lifespan,
    )


async def _asked(request: Request) -> str | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_COMMAND:
            return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    asked = content.get("ask") if isinstance(content, dict) else None
    return asked if isinstance(asked, str) else None

"""The overview over HTTP: ``uvicorn --factory cascada.overview.page:app`` in the project."""

from __future__ import annotations

import secrets
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from cascada.overview.facts import read_overview, snapshot_pages
from cascada.settings import Settings, apply_environment, load_settings
from cascada.tracking import models, runs

_TEMPLATE = Path(__file__).parent / "page.html.j2"


def make_app(settings: Settings) -> Starlette:
    """Make the application of a project; with a password in the settings, every page asks for it."""
    apply_environment(settings)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))

    async def show(_: Request) -> Response:
        overview = await run_in_threadpool(read_overview, settings)
        return HTMLResponse(template.render(overview=overview, settings=settings))

    async def tell(_: Request) -> Response:
        overview = await run_in_threadpool(read_overview, settings)
        return Response(overview.model_dump_json(), media_type="application/json")

    async def show_report(request: Request) -> Response:
        path = await run_in_threadpool(_report, request.path_params["model"], settings)
        return FileResponse(path) if path else PlainTextResponse("this champion has no report", 404)

    async def show_validation(request: Request) -> Response:
        path = snapshot_pages(settings.root).get(request.path_params["snapshot"])
        return FileResponse(path) if path else PlainTextResponse("no such snapshot", 404)

    async def live(_: Request) -> Response:
        return PlainTextResponse("ok")

    password = settings.password
    asking = [] if password is None else [
        Middleware(BaseHTTPMiddleware, dispatch=_asking_for(password.get_secret_value()))
    ]  # fmt: skip
    return Starlette(
        middleware=asking,
        routes=[
            Route("/", show), Route("/overview.json", tell), Route("/livez", live),
            Route("/reports/{model}", show_report), Route("/data/{snapshot}", show_validation),
        ],
    )  # fmt: skip


def _report(model: str, settings: Settings) -> Path | None:
    version = models.find_alias(model, models.CHAMPION)
    if version is None:
        return None
    return runs.find_file(version.run_id, "report/report.html", settings.home / "overview" / version.run_id)


Next = Callable[[Request], Awaitable[Response]]


def _asking_for(password: str) -> Callable[[Request, Next], Awaitable[Response]]:
    async def ask(request: Request, call_next: Next) -> Response:
        if request.url.path == "/livez" or secrets.compare_digest(_given(request).encode(), password.encode()):
            return await call_next(request)
        return PlainTextResponse("password?", 401, {"WWW-Authenticate": 'Basic realm="cascada"'})

    return ask


def _given(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(value, validate=True).decode().partition(":")[2]
    except (NotBase64, UnicodeDecodeError):
        return ""


def app() -> Starlette:
    """Make the application of the project around the working directory."""
    return make_app(load_settings())

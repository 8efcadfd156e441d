"""The service as an ASGI application: routes, limits, and the model that answers."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from serving.answers import Answer
from serving.counts import CONTENT_TYPE, Counts
from serving.events import Events
from serving.keys import Scope
from serving.limits import Door
from serving.lineage import LineageBook
from serving.model import ModelSlot, ServedModel
from serving.openapi import describe_service, show_page
from serving.prediction_log import PredictionLog
from serving.refusals import Refusal
from serving.requests import SPOOLED, Asgi, ClientLeft, Receive, Reply, Request, Send
from serving.settings import ServiceSettings
from serving.shadow import ShadowSlot
from serving.tables import JSON, PARQUET, TABLES, answer_table

logger = logging.getLogger(__name__)
T = TypeVar("T")
Route = Callable[["Application", Request], Awaitable[Reply]]

_INLINE = 64_000
"""Bodies up to this size, in bytes, are answered on the event loop; to hand a small one to a thread costs more."""

_LINEAGE = "/lineage/"


class Application:
    """Answers predictions with the model of a slot.

    Parameters
    ----------
    door
        Keys and rates.
    inner
        The application around which this one stands: it sees the lifespan and nothing else.
    """

    def __init__(self, slot: ModelSlot, door: Door, settings: ServiceSettings, inner: Asgi | None = None) -> None:
        self.slot, self._door, self._settings, self._inner = slot, door, settings, inner
        self._in_flight, self._draining = 0, False
        self._log = PredictionLog(settings.log, settings) if settings.log else None
        self.shadows = ShadowSlot(slot, settings, self._log)
        self._counts = Counts(slot, lambda: self._in_flight, self._log.rows if self._log else {}, self.shadows)
        self._lineage = LineageBook(settings.lineage_kept)
        self._threads = ThreadPoolExecutor(2, "predict")
        self._document: tuple[ServedModel, dict[str, Any]] | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or follow the lifespan."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        started, request = time.perf_counter(), Request(scope, receive)
        path, needed, route = _find_route(scope["path"])
        try:
            reply = await self._reply(request, needed, route, scope["method"])
        except Refusal as refusal:
            reply = Reply.refuse(refusal, self.slot.model)
        except ClientLeft:
            self._counts.note(path, 499, time.perf_counter() - started)
            return
        except Exception:  # the boundary of the process: a fault of ours must not end it, and shows no insides
            logger.exception("request %s failed", request.id)
            reply = Reply.refuse(Refusal(500, "the service failed; its log says why"), self.slot.model)
        self._counts.note(path, reply.status, time.perf_counter() - started)
        await reply.send(send, request.id, closing=self._draining)

    async def _reply(self, request: Request, needed: Scope | None, route: tuple[str, Route], method: str) -> Reply:
        if needed is not None:
            self._door.enter(request.headers, needed, request.address)
        if method != route[0]:
            raise Refusal(405, f"this takes {route[0]}")
        if request.has_bad_id:
            raise Refusal(
                422, "X-Request-ID is not valid", field="X-Request-ID", allowed="1 to 64 of A-Z a-z 0-9 . _ -"
            )
        return await route[1](self, request)

    async def _predict(self, request: Request) -> Reply:
        limits, model = self._settings, self.slot.model
        request.take_kind(JSON)
        body = await request.read(int(limits.max_json_mb * 1e6), limits.body_s)
        asked = self._heard(model, request)
        said, good, refused = await self._limited(
            lambda: _answer_json(body, asked, limits.max_events), limits.answer_s, inline=len(body) <= _INLINE
        )
        self._note(request, good, refused, model)
        return Reply(200, JSON, said, model)

    async def _predict_table(self, request: Request) -> Reply:
        limits, model = self._settings, self.slot.model
        kind = request.take_kind(*TABLES)
        accept = request.headers.get(b"accept", b"").decode("latin-1")
        wanted = next((each for each in (JSON, *TABLES) if each in accept), kind)
        columns = [name.strip() for name in request.headers.get(b"x-columns", b"").decode("latin-1").split(",")]
        body, size = await request.spool(int(limits.max_table_mb * 1e6), limits.table_s)
        inline, asked = size <= _INLINE and kind != PARQUET, self._heard(model, request)
        answer: Any = io.BytesIO() if inline else tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - closed when sent
        with body:
            rows, refused = await self._limited(
                lambda: answer_table(
                    asked, body, kind, answer, wanted, columns=columns, max_rows=limits.max_rows
                ),
                limits.table_s, inline=inline,
            )  # fmt: skip
        self._note(request, rows - refused, refused, model)
        if inline:
            return Reply(200, wanted, answer.getvalue(), model)
        length = answer.tell()
        answer.seek(0)
        return Reply(200, wanted, (answer, length), model)

    def _heard(self, model: ServedModel, request: Request) -> ServedModel:
        """Have the prediction log, and the shadow, hear what a model answers to a request."""
        hearer, rows = self.shadows.hearer, 0
        if hearer is None:
            return model

        def listen(events: Events, answer: Answer) -> None:
            nonlocal rows
            hearer.note(request.id, rows, model, events, answer)
            rows += answer.rows

        return model.heard_by(listen)

    def _note(self, request: Request, good: int, refused: int, model: ServedModel) -> None:
        self._counts.note_events(good, refused)
        self._lineage.note(request.id, good + refused, refused, model)

    async def _limited(self, work: Callable[[], T], seconds: float, *, inline: bool) -> T:
        """Do work within the limits of time and of requests at a time."""
        if self._in_flight >= self._settings.max_requests:
            raise Refusal(503, "too many requests at a time", retry_after_s=1)
        self._in_flight += 1
        try:
            # Everybody who has come by now is counted before anybody is answered.
            await asyncio.sleep(0)
            if inline:
                return work()
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError as error:
            raise Refusal(504, f"it took longer than {seconds:g} s", allowed=f"{seconds:g} s") from error
        finally:
            self._in_flight -= 1

    async def _model(self, _: Request) -> Reply:
        shadow = self.shadows.shadow
        told = self.slot.model.describe() | {"shadow": None if shadow is None else shadow.describe()}
        return Reply(200, JSON, orjson.dumps(told), self.slot.model)

    async def _find_lineage(self, request: Request) -> Reply:
        found = self._lineage.find(request.scope["path"].removeprefix(_LINEAGE))
        if found is None:
            raise Refusal(
                404, "no answer is remembered under this id", allowed=f"the last {self._settings.lineage_kept}"
            )
        return Reply(200, JSON, orjson.dumps(found), self.slot.model)

    async def _metrics(self, _: Request) -> Reply:
        return Reply(200, CONTENT_TYPE, self._counts.exposition(), self.slot.model)

    async def _live_now(self, _: Request) -> Reply:
        return Reply(200, "text/plain", b"alive\n", self.slot.model)

    async def _ready(self, _: Request) -> Reply:
        if self._draining:
            raise Refusal(503, "the service is stopping", retry_after_s=5)
        return Reply(200, "text/plain", b"ready\n", self.slot.model)

    async def _openapi(self, _: Request) -> Reply:
        return Reply(200, JSON, orjson.dumps(self._described()), self.slot.model)

    async def _page(self, _: Request) -> Reply:
        return Reply(200, "text/html; charset=utf-8", show_page(self._described()), self.slot.model)

    async def _nothing(self, _: Request) -> Reply:
        raise Refusal(404, "there is nothing here", allowed=", ".join(_ROUTES))

    def _described(self) -> dict[str, Any]:
        model = self.slot.model
        if self._document is None or self._document[0] is not model:
            self._document = model, describe_service(model, self._settings)
        return self._document[1]

    async def _live(self, scope: Any, receive: Receive, send: Send) -> None:
        async def answer(message: Any) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self._close)  # before the server hears of it: it then ends the process
            await send(message)

        self._stop_slowly()
        watches = [asyncio.create_task(slot.watch()) for slot in (self.slot, self.shadows)]
        try:
            if self._inner is not None:
                await self._inner(scope, receive, answer)
            else:
                for step in ("startup", "shutdown"):
                    await receive()
                    await answer({"type": f"lifespan.{step}.complete"})
        finally:
            for watch in watches:
                watch.cancel()
            self._threads.shutdown(cancel_futures=True)

    def _close(self) -> None:
        self.shadows.close()
        if self._log is not None:
            self._log.close()

    def _stop_slowly(self) -> None:
        """On SIGTERM say so at /readyz and to every client for a while, and only then let the server stop.

        The server then closes its socket and answers what it has accepted.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        loop, stop = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

        def drain() -> None:
            if not self._draining and callable(stop):
                self._draining = True
                loop.call_later(self._settings.drain_s, stop, signal.SIGTERM, None)

        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(drain))


def _answer_json(body: bytes, model: ServedModel, most: int) -> tuple[bytes, int, int]:
    """Answer a JSON request; returns the answer, and how many events were good and how many not."""
    asked = _parse(body)
    if not isinstance(asked, dict) or asked.keys() != {"events"}:
        raise Refusal(422, 'the body is {"events": [...]}', field="events", allowed="one field, events")
    events = asked["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= most:
        got = f"{len(events)} events" if isinstance(events, list) else type(events).__name__
        raise Refusal(422, "events is a list of events", field="events", allowed=f"1 to {most} events", got=got)
    answer = model.answer(model.reader.read(events))
    said = b'{"predictions":' + orjson.dumps(answer.as_objects()) + b',"model":' + model.identity + b"}"
    return said, len(answer.anomaly_score), len(answer.troubles)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)  # takes NaN and Infinity, which are then refused with their field
    except (ValueError, RecursionError) as error:
        raise Refusal(
            400, "the body is not JSON", field="body", allowed="JSON in UTF-8", got=str(error)[:200]
        ) from error


_ROUTES: dict[str, tuple[Scope | None, tuple[str, Route]]] = {
    "/predict": ("predict", ("POST", Application._predict)),
    "/predict/batch": ("predict", ("POST", Application._predict_table)),
    "/model": ("read", ("GET", Application._model)),
    "/lineage/{request_id}": ("read", ("GET", Application._find_lineage)),
    "/metrics": ("read", ("GET", Application._metrics)),
    "/livez": (None, ("GET", Application._live_now)),
    "/readyz": (None, ("GET", Application._ready)),
    "/docs.json": (None, ("GET", Application._openapi)),
    "/": (None, ("GET", Application._page)),
}
"""Path to the scope that it needs, its method and what answers."""


def _find_route(path: str) -> tuple[str, Scope | None, tuple[str, Route]]:
    name = "/lineage/{request_id}" if path.startswith(_LINEAGE) else path
    found = _ROUTES.get(name)
    return (name, *found) if found else ("other", None, ("GET", Application._nothing))

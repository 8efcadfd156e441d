"""A request as it comes, and a reply as it goes: ASGI without a framework, for the hot path."""

from __future__ import annotations

import asyncio
import re
import secrets
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

import orjson
import pyarrow as pa

from serving.model import ServedModel
from serving.refusals import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Asgi(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or follow the lifespan."""


SPOOLED = 1_000_000
"""Bodies beyond this size wait in a file."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CHUNK = 1 << 18


class ClientLeft(Exception):  # noqa: N818 - nobody is at fault
    """The client closed the connection before its request was complete."""


class Request:
    """A request.

    Attributes
    ----------
    id
        As the client named it, or made.
    """

    def __init__(self, scope: Any, receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id")
        self.has_bad_id = given is not None and _ID.fullmatch(given) is None
        self.id = secrets.token_hex(16) if given is None or self.has_bad_id else given.decode()

    @property
    def address(self) -> str:
        """Address of the client."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    def take_kind(self, *allowed: str) -> str:
        """Tell the content type of the body.

        Raises
        ------
        Refusal
            415 when it is not one of those that are allowed, or the content is compressed.
        """
        kind = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        coding = self.headers.get(b"content-encoding", b"identity").lower()
        if kind not in allowed:
            raise Refusal(
                415, "this content type is not taken", field="Content-Type", allowed=", ".join(allowed), got=kind
            )
        if coding != b"identity":
            raise Refusal(415, "compressed bodies are not taken", field="Content-Encoding", allowed="identity")
        return kind

    async def read(self, limit: int, seconds: float) -> bytes:
        """Read the body into memory.

        Raises
        ------
        Refusal
            413 when it is larger than `limit` bytes, 408 when it takes longer.
        """
        self._check_length(limit)
        first = await self._next(seconds)
        if not first.get("more_body", False):
            return self._checked(first.get("body", b""), limit)
        parts = bytearray(first.get("body", b""))
        await self._collect(lambda part: parts.extend(self._checked(part, limit - len(parts))), seconds)
        return bytes(parts)

    async def spool(self, limit: int, seconds: float) -> tuple[Any, int]:
        """Read the body into memory, or into a file when it is large; returns a file at its start, and its size."""
        self._check_length(limit)
        file, size = tempfile.SpooledTemporaryFile(SPOOLED), 0  # noqa: SIM115 - the caller closes it

        def keep(part: bytes) -> None:
            nonlocal size
            size += len(self._checked(part, limit - size))
            file.write(part)

        await self._collect(keep, seconds)
        file.seek(0)
        if size > SPOOLED:
            return file, size
        with file:
            return pa.BufferReader(file.read()), size

    def _check_length(self, limit: int) -> None:
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise Refusal(413, "the body is too large", field="Content-Length", allowed=f"at most {limit} bytes")

    @staticmethod
    def _checked(part: bytes, left: int) -> bytes:
        if len(part) > left:
            raise Refusal(413, "the body is too large", field="body", allowed="see the settings of the service")
        return part

    async def _collect(self, keep: Callable[[bytes], None], seconds: float) -> None:
        deadline, more = asyncio.get_running_loop().time() + seconds, True
        while more:
            message = await self._next(deadline - asyncio.get_running_loop().time())
            keep(message.get("body", b""))
            more = message.get("more_body", False)

    async def _next(self, seconds: float) -> Message:
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise Refusal(408, "the body came too slowly") from error
        if message["type"] == "http.disconnect":
            raise ClientLeft
        return message


@dataclass(frozen=True)
class Reply:
    """What is answered.

    Attributes
    ----------
    body
        Bytes, or a file at its start with its size.
    model
        Whose headers it carries.
    """

    status: int
    kind: str
    body: bytes | tuple[IO[bytes], int]
    model: ServedModel
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def refuse(cls, refusal: Refusal, model: ServedModel) -> Reply:
        """Say why a request is not answered as asked."""
        headers: list[tuple[bytes, bytes]] = []
        if refusal.retry_after_s is not None:
            headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
        if refusal.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return cls(refusal.status, "application/json", orjson.dumps(refusal.body), model, tuple(headers))

    async def send(self, send: Send, request: str, *, closing: bool) -> None:
        """Send it; `closing` tells the client to use another connection for its next request."""
        size = len(self.body) if isinstance(self.body, bytes) else self.body[1]
        headers = [
            (b"content-type", self.kind.encode()), (b"content-length", str(size).encode()),
            (b"x-request-id", request.encode()), *self.model.headers, *self.headers,
            *([(b"connection", b"close")] if closing else []),
        ]  # fmt: skip
        head = {"type": "http.response.start", "status": self.status, "headers": headers}
        if isinstance(self.body, bytes):
            gathered = _Gathered.of(send)
            await send(head)
            await send({"type": "http.response.body", "body": self.body})
            if gathered is not None:
                gathered.flush()
            return
        await send(head)
        with self.body[0] as file:
            while part := file.read(_CHUNK):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Gathered:
    """Stands in for the transport of an answer of uvicorn, which writes head and body one after the other.

    They leave in one call: a process that is killed between two has sent a head alone, and no proxy can ask again.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self.is_closing = transport.is_closing

    @classmethod
    def of(cls, send: Send) -> _Gathered | None:
        """Take the place of the transport behind `send`; None when another server is behind it."""
        answer = getattr(send, "__self__", None)
        if getattr(answer, "transport", None) is None:
            return None
        answer.transport = gathered = cls(answer.transport)  # type: ignore[union-attr]
        return gathered

    def write(self, part: bytes) -> None:
        self._parts.append(part)

    def flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()

    def close(self) -> None:
        self.flush()
        self._transport.close()

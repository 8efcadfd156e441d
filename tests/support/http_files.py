"""A real HTTP server of files that understands ranges and fails on demand."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one answer.

    Attributes
    ----------
    status
        Answer with this status and no file.
    cut_after
        Close the connection after so many bytes of the body.
    ignore_range
        Send the whole file whatever was asked for.
    shift
        Send a range that starts so many bytes later than asked for.
    pieces
        Send the body slowly, in so many pieces.
    hide_length
        Do not say how long the body is.
    """

    status: int = 0
    cut_after: int | None = None
    ignore_range: bool = False
    shift: int = 0
    pieces: int = 1
    hide_length: bool = False


@dataclass
class FileServer:
    """Files by path, the faults of the next answers (one an answer), and what was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    validator: Literal["etag", "weak etag", "date", "none"] = "etag"
    compresses: bool = False
    """Whether clients that accept gzip get it."""

    @property
    def ranges(self) -> list[str | None]:
        """The ranges that were asked for, in order; None for whole files."""
        return [asked for _, asked in self.asked]


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    """Start a server on a free port and stop it in the end."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, state: FileServer) -> None:
    state.asked.append((request.path, request.headers.get("Range")))
    fault = state.faults.pop(0) if state.faults else Fault()
    content = state.files.get(request.path.lstrip("/"))
    status = fault.status or (404 if content is None else 200)
    if status != 200 or content is None:
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    if state.compresses and "gzip" in request.headers.get("Accept-Encoding", ""):
        request.close_connection = True
        packed = gzip.compress(content)
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)
        return
    start = 0 if fault.ignore_range else _start(request, state, content)
    if start >= len(content) > 0:
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(content)}")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    _send(request, state, fault, content, start + fault.shift)


def _tags(state: FileServer, content: bytes) -> dict[str, str]:
    digest = hashlib.sha256(content).hexdigest()[:16]
    # A date that stands for the content: no two contents of a test share it.
    date = f"Mon, 01 Jan {2000 + int(digest[:2], 16)} 00:00:00 GMT"
    kinds = {
        "etag": {"ETag": f'"{digest}"'},
        "weak etag": {"ETag": f'W/"{digest}"'},
        "date": {"Last-Modified": date},
        "none": {},
    }
    return kinds[state.validator]


def _start(request: BaseHTTPRequestHandler, state: FileServer, content: bytes) -> int:
    asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
    if asked is None or (condition is not None and condition not in _tags(state, content).values()):
        return 0
    return int(asked.removeprefix("bytes=").rstrip("-"))


def _send(request: BaseHTTPRequestHandler, state: FileServer, fault: Fault, content: bytes, start: int) -> None:
    body = content[start:]
    request.send_response(206 if start else 200)
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    for name, value in _tags(state, content).items():
        request.send_header(name, value)
    if fault.hide_length:
        request.send_header("Connection", "close")
    else:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    sent = body if fault.cut_after is None else body[: fault.cut_after]
    size = max(1, -(-len(sent) // fault.pieces))
    for position in range(0, len(sent), size):
        request.wfile.write(sent[position : position + size])
        request.wfile.flush()
        if fault.pieces > 1:
            threading.Event().wait(0.02)
    if fault.cut_after is not None or fault.hide_length:
        request.close_connection = True

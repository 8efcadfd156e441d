"""A load generator in a process of its own: connections that are kept, each with one request at a time.

``python -m benchmarks.load PORT CONNECTIONS SECONDS FILE`` sends the bytes of FILE again and again and
prints a line of JSON.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast

import uvloop


class _Connection(asyncio.Protocol):
    """One client; it notes how long each answer took and which were not 200."""

    def __init__(self, request: bytes) -> None:
        self._request, self._seen, self._length = request, bytearray(), -1
        self.latencies: list[float] = []
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._length < 0:
            end = self._seen.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._seen[:end]).lower()
            self._length = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            self.errors += not head.startswith(b"http/1.1 200")
        if len(self._seen) >= self._length:
            self.latencies.append(time.perf_counter() - self._started)
            self._seen.clear()
            self._length = -1
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.errors += error is not None


async def _load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    clients = [_Connection(request) for _ in range(connections)]
    transports = [(await loop.create_connection(lambda c=c: c, "127.0.0.1", port))[0] for c in clients]
    await asyncio.sleep(seconds)
    for transport in transports:
        transport.abort()
    latencies = sorted(latency for client in clients for latency in client.latencies) or [float("nan")]
    return {
        "requests": len(latencies), "rate": len(latencies) / seconds, "errors": sum(c.errors for c in clients),
        "p50": latencies[len(latencies) // 2] * 1e3, "p99": latencies[int(len(latencies) * 0.99)] * 1e3,
    }  # fmt: skip


if __name__ == "__main__":
    _, port, connections, seconds, file = sys.argv
    print(json.dumps(uvloop.run(_load(int(port), int(connections), float(seconds), Path(file).read_bytes()))))

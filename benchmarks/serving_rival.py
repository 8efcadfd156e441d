"""The service that our own is measured against: FastAPI and ONNX Runtime, written by hand for speed.

Bodies are parsed by orjson, NumPy and Arrow, not by pydantic; keys are known by their hash; counters are those of
prometheus-client. Checks of events and the bundle are the same as ours.

``python -m benchmarks.serving_rival PACKAGE TRUSTED API_KEYS PORT``
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from cascada.registry.package import open_package
from serving.answers import Answer, answer_events
from serving.events import EventReader
from serving.keys import KeyRing

_JSON, _NPY, _ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"


def build(package: Path, trusted: Path, api_keys: Path) -> FastAPI:
    """Make the application."""
    app, opened, keys = FastAPI(), open_package(package, trusted=trusted), KeyRing(api_keys)
    reader, registry = EventReader(opened.bundle), CollectorRegistry()
    requests = Counter("requests", "Requests.", ("route",), registry=registry).labels("predict")
    seconds = Histogram("seconds", "Time.", ("route",), registry=registry).labels("predict")
    headers = {"X-Model-Version": str(opened.identity.version), "X-Run-ID": opened.identity.run_id}
    identity = opened.identity.model_dump()

    def enter(request: Request) -> None:
        if keys.find(request.headers.get("authorization", "").removeprefix("Bearer ")) is None:
            raise HTTPException(401)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        started = time.perf_counter()
        enter(request)
        body = await request.body()
        if request.headers.get("content-type") != _JSON or len(body) > 32_000_000:
            raise HTTPException(415)
        answer = answer_events(opened.bundle, reader.read(orjson.loads(body)["events"]))
        said = orjson.dumps({"predictions": answer.as_objects(), "model": identity})
        requests.inc()
        seconds.observe(time.perf_counter() - started)
        return Response(said, media_type=_JSON, headers=headers)

    @app.post("/predict/batch")
    async def predict_batch(request: Request) -> Response:
        started = time.perf_counter()
        enter(request)
        kind, body = request.headers.get("content-type"), await request.body()
        if kind == _NPY:
            array = np.load(io.BytesIO(body), allow_pickle=False)
            columns = {name: np.array(array[name], np.float64) for name in array.dtype.names}
        else:
            table = pa.ipc.open_stream(body).read_all()
            columns = {name: table[name].to_numpy() for name in table.column_names}
        said = _as_table(answer_events(opened.bundle, reader.read_table(columns, None)), kind)
        requests.inc()
        seconds.observe(time.perf_counter() - started)
        return Response(said, media_type=kind, headers=headers)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry))

    @app.get("/readyz")
    async def ready() -> Response:
        return Response("ready")

    return app


def _as_table(answer: Answer, kind: str | None) -> bytes:
    columns, file = answer.as_columns(), io.BytesIO()
    if kind == _NPY:
        array = np.zeros(answer.rows, [(name, values.dtype) for name, values in columns.items()])
        for name, values in columns.items():
            array[name] = values
        np.save(file, array)
    else:
        batch = pa.record_batch({name: pa.array(values) for name, values in columns.items()})
        with pa.ipc.new_stream(file, batch.schema) as writer:
            writer.write_batch(batch)
    return file.getvalue()


if __name__ == "__main__":
    _, package, trusted, api_keys, port = sys.argv
    app = build(Path(package), Path(trusted), Path(api_keys))
    uvicorn.run(app, port=int(port), access_log=False, log_level="warning")

"""The OpenAPI 3.1 document of the service, and a page that shows it without a network."""

from __future__ import annotations

import html
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema

from cascada.physics.columns import COLUMNS
from serving.model import ServedModel
from serving.schemas import EXAMPLES, EventError, EventPrediction, PredictionResponse, ShowerEvent, Station
from serving.settings import ServiceSettings
from serving.tables import JSON, NPY, TABLES

_TEXT = {
    400: "the body is not JSON", 401: "no valid API key", 403: "the key has not the scope", 404: "not found",
    408: "the body came too slowly", 413: "the body is too large", 415: "this content type is not taken",
    422: "no event can be answered; the error names field and allowed range", 429: "too many requests; see Retry-After",
    503: "overloaded or stopping; see Retry-After", 504: "it took too long",
}  # fmt: skip
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "object", "required": ["what"], "properties": {"what": {"type": "string"}}}},
}
_REQUEST_ID: dict[str, Any] = {
    "name": "X-Request-ID", "in": "header", "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "description": "id of the request, for /lineage; made when omitted", "example": "night-12.event-7",
}  # fmt: skip


def describe_service(model: ServedModel, settings: ServiceSettings) -> dict[str, Any]:
    """Write the document for the model that answers."""
    schemas = _schemas(model, settings)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": f"cascada: {model.package.identity.name}", "version": str(model.package.identity.version),
            "description": "Tells the primaries of air showers apart and scores how unlike hadrons they are.",
        },
        "paths": _paths(model),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }  # fmt: skip
    if settings.api_keys:
        document["security"] = [{"bearer": []}, {"header": []}]
    return document


def _schemas(model: ServedModel, settings: ServiceSettings) -> dict[str, Any]:
    wanted = [(each, "validation") for each in (ShowerEvent, Station, EventPrediction, EventError, PredictionResponse)]
    _, document = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = document["$defs"]
    event = schemas["ShowerEvent"]
    event["required"] = list(model.reader.names)
    for name in model.reader.names:
        event["properties"][name] |= {"type": "number"} | event["properties"][name].pop("anyOf")[0]
        event["properties"][name].pop("default", None)
    if model.reader.shape is not None:
        event["required"].append("stations")
        bins = schemas["Station"]["properties"]["trace_vem"]
        bins |= {"minItems": model.reader.shape.bins, "examples": [[0.5] * model.reader.shape.bins]}
        event["properties"]["stations"] |= event["properties"]["stations"].pop("anyOf")[0]
    schemas["PredictionRequest"] = {
        "type": "object", "required": ["events"], "additionalProperties": False,
        "properties": {
            "events": {
                "type": "array", "minItems": 1, "maxItems": settings.max_events,
                "items": {"$ref": "#/components/schemas/ShowerEvent"},
            }
        },
    }  # fmt: skip
    schemas["Error"] = _ERROR
    return schemas


def _paths(model: ServedModel) -> dict[str, Any]:
    answer = {JSON: {"schema": {"$ref": "#/components/schemas/PredictionResponse"}}}
    table = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    event = {name: EXAMPLES.get(name, COLUMNS[name].minimum) for name in model.reader.names}
    asked: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/PredictionRequest"}}
    if model.reader.shape is None:
        asked["example"] = {"events": [event]}
    names = {
        "name": "X-Columns", "in": "header", "schema": {"type": "string"}, "example": ",".join(model.reader.names),
        "description": f"names of the columns of a plain array, for {NPY}",
    }  # fmt: skip
    told = {JSON: {"schema": {"type": "object"}}}
    busy = (401, 403, 408, 413, 415, 422, 429, 503, 504)
    return {
        "/predict": {"post": _operation("Predict events", answer, (400, *busy), {JSON: asked})},
        "/predict/batch": {
            "post": _operation(
                "Predict a table; Accept chooses JSON or another format of tables",
                answer | dict.fromkeys(TABLES, table), busy, dict.fromkeys(TABLES, table), names,
            )
        },
        "/model": {"get": _operation("The model that answers", told, (401, 403, 422, 429))},
        "/lineage/{request_id}": {
            "get": _operation(
                "Where an answer came from", told, (401, 403, 404, 422, 429), None,
                {"name": "request_id", "in": "path", "required": True, "schema": _REQUEST_ID["schema"]},
            )
        },
        "/metrics": {
            "get": _operation("Counters", {"text/plain": {"schema": {"type": "string"}}}, (401, 403, 422, 429))
        },
        "/livez": {"get": _operation("Whether the process lives", {"text/plain": {}}, (422,)) | {"security": []}},
        "/readyz": {"get": _operation("Whether to send requests", {"text/plain": {}}, (422, 503)) | {"security": []}},
    }  # fmt: skip


def _operation(
    summary: str, answers: dict[str, Any], errors: tuple[int, ...], body: dict[str, Any] | None = None,
    *parameters: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    refused = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
    responses: dict[str, Any] = {"200": {"description": "the answer", "content": answers}}
    responses |= {str(status): {"description": _TEXT[status]} | refused for status in errors}
    operation: dict[str, Any] = {"summary": summary, "responses": responses, "parameters": [_REQUEST_ID, *parameters]}
    return operation | ({"requestBody": {"required": True, "content": body}} if body else {})


def show_page(document: dict[str, Any]) -> bytes:
    """Write a page of HTML: what may be asked, the fields of an event, and an example."""
    info, schemas = document["info"], document["components"]["schemas"]
    routes = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td><td>{html.escape(what['summary'])}</td></tr>"
        for path, methods in document["paths"].items()
        for method, what in methods.items()
    )
    event = schemas["ShowerEvent"]
    fields = "".join(_field_row(name, event["properties"][name]) for name in event["required"])
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]
    example = html.escape(orjson.dumps(body.get("example", {}), option=orjson.OPT_INDENT_2).decode())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(info["title"])}</title>
<style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td,th{{padding:.2rem .8rem .2rem 0;text-align:left}}pre{{background:#f4f4f4;padding:1rem;overflow:auto}}</style>
<h1>{html.escape(info["title"])}, version {html.escape(info["version"])}</h1><p>{html.escape(info["description"])}</p>
<h2>Routes</h2><table>{routes}</table><p>The whole contract: <a href="docs.json">docs.json</a> (OpenAPI 3.1).</p>
<h2>Fields of an event</h2><table><tr><th>field</th><th>lowest</th><th>highest</th><th>meaning and unit</th></tr>
{fields}</table><h2>Example: POST /predict</h2><pre>{example}</pre></html>""".encode()


def _field_row(name: str, field: dict[str, Any]) -> str:
    cells = (name, field.get("minimum", ""), field.get("maximum", ""), field.get("description", ""))
    return f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in cells)}</tr>"

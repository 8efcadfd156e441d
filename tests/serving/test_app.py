"""What the service answers: predictions bit by bit as offline, errors beside them, lineage, and the limits."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from bundles import observables
from services import EVENT, application, client, offline

from cascada.errors import ConfigError
from cascada.physics.columns import COLUMNS
from cascada.registry.bundle import Bundle
from serving.app import _ROUTES, Application
from serving.keys import add_key, revoke_key
from serving.tables import ARROW_FILE, ARROW_STREAM, JSON, NPY, PARQUET

_ALL = observables(800, seed=5)
_IN_RANGE = np.logical_and.reduce([(v >= COLUMNS[n].minimum) & (v <= COLUMNS[n].maximum) for n, v in _ALL.items()])
SHOWERS = {name: values[_IN_RANGE][:700] for name, values in _ALL.items()}


def ask(app: Application, method: str, path: str, **request: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        async with client(app) as http:
            return await http.request(method, path, **request)

    return asyncio.run(once())


def predict(app: Application, events: Any, **headers: str) -> httpx.Response:
    return ask(app, "POST", "/predict", json={"events": events}, headers=headers)


def rows(start: int, stop: int) -> list[dict[str, float]]:
    return [{name: float(values[i]) for name, values in SHOWERS.items()} for i in range(start, stop)]


def as_body(kind: str, table: pa.Table) -> bytes:
    body = io.BytesIO()
    if kind == PARQUET:
        pa.parquet.write_table(table, body, row_group_size=100)
    elif kind == NPY:
        columns = {name: table[name].to_numpy() for name in table.column_names}
        array = np.zeros(table.num_rows, [(name, values.dtype) for name, values in columns.items()])
        for name, values in columns.items():
            array[name] = values
        np.save(body, array)
    else:
        with (pa.ipc.new_stream if kind == ARROW_STREAM else pa.ipc.new_file)(body, table.schema) as writer:
            writer.write_table(table, max_chunksize=97)
    return body.getvalue()


def pickled() -> bytes:
    """An array of objects: NumPy reads those by pickle."""
    body = io.BytesIO()
    np.save(body, np.array([{"n_mu": 1}], object), allow_pickle=True)
    return body.getvalue()


def from_body(kind: str, body: bytes) -> dict[str, list[Any]]:
    if kind == NPY:
        array = np.load(io.BytesIO(body), allow_pickle=False)
        return {name: array[name].tolist() for name in array.dtype.names or ()}
    if kind == PARQUET:
        table = pa.parquet.read_table(io.BytesIO(body))
    else:
        table = (pa.ipc.open_stream if kind == ARROW_STREAM else pa.ipc.open_file)(body).read_all()
    return {name: table[name].to_pylist() for name in table.column_names}


def batch(app: Application, kind: str, body: bytes, **headers: str) -> httpx.Response:
    return ask(app, "POST", "/predict/batch", content=body, headers={"Content-Type": kind} | headers)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 350, 700])
def test_json_answers_are_the_offline_evaluation_bit_by_bit(app: Application, bundle: Bundle, size: int) -> None:
    expected = offline(bundle, SHOWERS)
    for start in range(0, 700, max(size, 70)):
        stop = min(start + size, 700)
        said = predict(app, rows(start, stop)).json()["predictions"]
        for name in ("anomaly_score", "p_value", "ln_mass", "ln_mass_sigma"):
            assert [one[name] for one in said] == expected[name][start:stop].tolist(), name
        shares = [list(one["probabilities"].values()) for one in said]
        assert shares == expected["probabilities"][start:stop].tolist()


@pytest.mark.parametrize("kind", [ARROW_STREAM, ARROW_FILE, PARQUET, NPY])
def test_tables_are_answered_in_their_format_bit_by_bit(app: Application, bundle: Bundle, kind: str) -> None:
    expected, body = offline(bundle, SHOWERS), as_body(kind, pa.table(SHOWERS))
    answer = batch(app, kind, body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind), answer.text
    said = from_body(kind, answer.content)
    for name in ("anomaly_score", "p_value", "ln_mass", "ln_mass_sigma"):
        assert said[name] == expected[name].tolist(), name
    for i, name in enumerate(bundle.spec.classes):
        assert said[f"probability_{name}"] == expected["probabilities"][:, i].tolist()
    assert batch(app, kind, body, Accept=JSON).json()["predictions"] == predict(app, rows(0, 700)).json()["predictions"]


@pytest.mark.parametrize("kind", [ARROW_STREAM, PARQUET, NPY])
def test_a_bad_row_has_its_error_in_its_place(app: Application, kind: str) -> None:
    spoiled = SHOWERS | {"n_mu": SHOWERS["n_mu"].copy()}
    spoiled["n_mu"][[3, 200]] = [np.nan, -1.0]
    said = from_body(kind, batch(app, kind, as_body(kind, pa.table(spoiled))).content)
    good = from_body(kind, batch(app, kind, as_body(kind, pa.table(SHOWERS))).content)
    none = b"" if kind == NPY else None
    assert [row for row, error in enumerate(said["error"]) if error != none] == [3, 200]
    assert "n_mu" in str(said["error"][3])
    kept = [row for row in range(700) if row not in {3, 200}]
    assert [said["anomaly_score"][row] for row in kept] == [good["anomaly_score"][row] for row in kept]


def test_a_plain_array_is_named_by_a_header(app: Application) -> None:
    body = io.BytesIO()
    np.save(body, np.stack(list(SHOWERS.values()), axis=1))
    answer = batch(app, NPY, body.getvalue(), **{"X-Columns": ",".join(SHOWERS), "Accept": JSON})
    assert answer.json()["predictions"] == predict(app, rows(0, 700)).json()["predictions"]
    assert "X-Columns" in batch(app, NPY, body.getvalue()).text


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (ARROW_STREAM, b"", "cannot be read"),
        (ARROW_STREAM, as_body(ARROW_STREAM, pa.table(SHOWERS))[:9000], "cannot be read"),
        (PARQUET, b"PAR1 and no more", "cannot be read"),
        (NPY, as_body(NPY, pa.table(SHOWERS))[:-8], "cannot be read"),
        (NPY, pickled(), "holds numbers"),
        (ARROW_STREAM, as_body(ARROW_STREAM, pa.table(SHOWERS).drop("n_mu")), "needs 'n_mu'"),
        (ARROW_STREAM, as_body(ARROW_STREAM, pa.table({"E": [1.0]})), "unknown column 'E'"),
        (ARROW_STREAM, as_body(ARROW_STREAM, pa.table({"n_mu": ["many"]})), "holds no numbers"),
        (PARQUET, as_body(PARQUET, pa.table(SHOWERS).slice(0, 0)), "no rows"),
        (PARQUET, as_body(PARQUET, pa.table({n: -v for n, v in SHOWERS.items()})), "not in its range"),
    ],
)
def test_a_table_that_is_not_valid_is_refused(app: Application, kind: str, body: bytes, told: str) -> None:
    answer = batch(app, kind, body)
    assert answer.status_code == 422
    assert told in answer.json()["error"]["what"]


@pytest.mark.parametrize("kind", [ARROW_STREAM, ARROW_FILE, PARQUET, NPY])
def test_a_damaged_table_is_never_a_fault_of_the_service(app: Application, kind: str) -> None:
    whole, rng = as_body(kind, pa.table(SHOWERS).slice(0, 40)), np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        assert batch(app, kind, bytes(damaged)).status_code in {200, 422}


def test_a_bad_event_has_its_error_beside_good_ones(app: Application) -> None:
    first, second, third = predict(app, [EVENT, EVENT | {"n_mu": 0}, EVENT]).json()["predictions"]
    assert first == third
    assert second["error"] == {"what": "n_mu is not in its range", "field": "n_mu", "allowed": "1 to 1e+12", "got": "0"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, "body"),
        (b"[" * 100_000, 400, "body"),
        (b"[]", 422, "events"),
        (b'{"events": {}}', 422, "events"),
        (b'{"events": [], "more": 1}', 422, "events"),
        (json.dumps({"events": [EVENT | {"n_mu": float("nan")}]}).encode(), 422, "n_mu"),
        (json.dumps({"events": [EVENT] * 10_001}).encode(), 422, "events"),
    ],
)
def test_a_wrong_request_is_refused_with_field_and_range(
    app: Application, body: bytes, status: int, field: str
) -> None:
    answer = ask(app, "POST", "/predict", content=body, headers={"Content-Type": JSON})
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert answer.json()["error"]["allowed"]


def test_every_answer_says_where_it_came_from(app: Application) -> None:
    given = predict(app, [EVENT, EVENT | {"n_mu": 0}], **{"X-Request-ID": "night-12"})
    made = predict(app, [])
    for answer in (given, made):
        assert answer.headers["x-model-version"] == "1"
        assert answer.headers["x-run-id"] == "0" * 32
        assert answer.headers["x-data-sha256"] == "1" * 64
        assert answer.headers["x-git-commit"] == "3" * 40
        assert answer.headers["x-verification"] == "none"
    assert given.headers["x-request-id"] == "night-12"
    found = ask(app, "GET", "/lineage/night-12").json()
    assert (found["events"], found["events_refused"], found["signed_by"]) == (2, 1, "signing")
    assert found["model"] == given.json()["model"]
    assert ask(app, "GET", f"/lineage/{made.headers['x-request-id']}").status_code == 404, "nothing was answered"


def test_the_oldest_lineage_is_forgotten(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, lineage_kept=2)
    for name in ("a", "b", "a", "c"):
        predict(app, [EVENT], **{"X-Request-ID": name})
    known = [ask(app, "GET", f"/lineage/{name}").status_code for name in "abc"]
    assert known == [200, 404, 200]


def test_the_model_is_told_with_units_and_domain(app: Application) -> None:
    told = ask(app, "GET", "/model").json()
    assert told["model"]["version"] == 1
    zenith = next(column for column in told["columns"] if column["name"] == "zenith_deg")
    assert (zenith["unit"], zenith["maximum"]) == ("deg", 60.001)
    assert told["domain"]["energy_eev"] == {"minimum": 1.0, "maximum": 100.0}


def test_the_contract_holds_sizes_ranges_and_units(app: Application) -> None:
    document = ask(app, "GET", "/docs.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["PredictionRequest"]["properties"]["events"]["maxItems"] == 10_000
    zenith = schemas["ShowerEvent"]["properties"]["zenith_deg"]
    assert (zenith["type"], zenith["maximum"], zenith["description"][-3:]) == ("number", 60.001, "deg")
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["example"]
    assert predict(app, example["events"]).status_code == 200
    assert set(document["paths"]) == set(_ROUTES) - {"/", "/docs.json"}
    for path, methods in document["paths"].items():
        (asked,) = methods.values()
        refused = ask(app, _ROUTES[path][1][0], path.replace("{request_id}", "x"), headers={"X-Request-ID": "a b"})
        assert str(refused.status_code) in asked["responses"], path


def test_the_page_needs_no_network(app: Application) -> None:
    page = ask(app, "GET", "/").text
    assert "zenith_deg" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_counters_tell_requests_and_events(app: Application) -> None:
    predict(app, [EVENT, EVENT | {"n_mu": 0}])
    predict(app, [])
    said = ask(app, "GET", "/metrics").text
    for line in (
        'cascada_requests_total{route="/predict",status="200"} 1.0',
        'cascada_requests_total{route="/predict",status="422"} 1.0',
        'cascada_events_total{outcome="refused"} 1.0',
        'cascada_request_seconds_count{route="/predict"} 2.0',
        'cascada_model_info{model="toy",run_id="00000000000000000000000000000000",version="1"} 1.0',
    ):
        assert line in said


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/json-patch+json"])
def test_only_known_content_types_are_taken(app: Application, kind: str) -> None:
    for path in ("/predict", "/predict/batch"):
        answer = ask(app, "POST", path, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415
        assert answer.json()["error"]["field"] == "Content-Type"


def test_sizes_are_limited(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, max_json_mb=0.001, max_table_mb=0.01, max_rows=10)
    assert predict(app, [EVENT] * 20).status_code == 413

    async def parts() -> Any:  # without a Content-Length
        for _ in range(100):
            yield b" " * 100

    told = ask(app, "POST", "/predict", content=parts(), headers={"Content-Type": JSON})
    assert told.status_code == 413
    assert batch(app, PARQUET, as_body(PARQUET, pa.table(SHOWERS))).status_code == 413
    small = as_body(PARQUET, pa.table(SHOWERS).slice(0, 11))
    assert batch(app, PARQUET, small).json()["error"]["allowed"] == "1 to 10"


def test_a_slow_body_is_refused(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, body_s=0.05)

    async def parts() -> Any:
        yield b"{"
        await asyncio.sleep(1)

    assert ask(app, "POST", "/predict", content=parts(), headers={"Content-Type": JSON}).status_code == 408


def test_beyond_the_rate_a_client_is_told_when_to_come_again(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, rate_per_s=0.5, burst=2)
    answers = [predict(app, [EVENT]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"


def test_more_requests_at_a_time_than_allowed_are_sent_away(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, max_requests=3)

    async def crowd() -> list[httpx.Response]:
        async with client(app) as http:
            return await asyncio.gather(*(http.post("/predict", json={"events": [EVENT]}) for _ in range(10)))

    answers = asyncio.run(crowd())
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [503] * 7
    assert predict(app, [EVENT]).status_code == 200, "and it goes on afterwards"
    assert next(a for a in answers if a.status_code == 503).headers["retry-after"] == "1"


def test_a_request_that_takes_too_long_is_given_up(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, answer_s=0.000001)
    assert predict(app, [EVENT] * 2000).status_code == 504


def test_keys_open_what_their_scopes_say(put: Callable[[int], Path], keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "api_keys.json"
    asks, reads = add_key(file, "analysis", ("predict",)), add_key(file, "prometheus", ("read",))
    app = application(put(1), keys, exposed=True, api_keys=file)

    def statuses(**headers: str) -> list[int]:
        return [predict(app, [EVENT], **headers).status_code, ask(app, "GET", "/metrics", headers=headers).status_code]

    assert statuses() == [401, 401]
    assert statuses(Authorization=f"Bearer {asks}") == [200, 403]
    assert statuses(**{"X-API-Key": reads}) == [403, 200]
    assert statuses(Authorization=f"Bearer {asks[:-1]}") == [401, 401]
    assert asks.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert ask(app, "GET", "/readyz").status_code == 200


def test_a_key_is_revoked_while_the_service_runs(
    put: Callable[[int], Path], keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.keys._LOOK_S", 0.0)
    file = tmp_path / "api_keys.json"
    old, new = add_key(file, "old", ("predict",)), add_key(file, "new", ("predict",))
    app = application(put(1), keys, api_keys=file)
    assert predict(app, [EVENT], **{"X-API-Key": old}).status_code == 200
    revoke_key(file, old.split("_")[1])
    assert predict(app, [EVENT], **{"X-API-Key": old}).status_code == 401
    file.write_text("{")
    assert predict(app, [EVENT], **{"X-API-Key": new}).status_code == 200, "an unreadable file changes nothing"


def test_what_other_machines_reach_needs_keys(put: Callable[[int], Path], keys: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no API keys"):
        application(put(1), keys, exposed=True)
    with pytest.raises(ConfigError, match="holds none"):
        application(tmp_path / "toy", keys, api_keys=tmp_path / "nothing.json")


def test_nothing_else_is_there(app: Application) -> None:
    assert ask(app, "GET", "/schema.json").status_code == 404
    assert ask(app, "GET", "/predict").status_code == 405

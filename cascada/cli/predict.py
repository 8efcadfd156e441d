"""`cascada predict`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from cascada.cli.context import enter
from cascada.cli.render import show_prediction, stderr, stdout
from cascada.errors import ConfigError, PlatformError, SourceError
from cascada.settings import Settings

_SHOWN = 10
_REQUEST_EVENTS = 10_000
_SUITE = "prediction_showers"
"""The suite that a batch must meet before its first shower is sent."""


def ask(settings: Settings, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask the running service for predictions.

    Raises
    ------
    PlatformError
        If no service answers.
    SourceError
        If it refuses the events, or any of them.
    """
    key = settings.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.post(f"{settings.service_url}/predict", json={"events": events}, headers=headers, timeout=60.0)
    except httpx.TransportError as error:
        raise PlatformError(
            "no service answers", where=settings.service_url, got=str(error), hint="start it with `cascada serve MODEL`"
        ) from error
    if answer.status_code != httpx.codes.OK:
        hint = "set CASCADA_API_KEY; make one with `cascada keys add NAME`" if answer.status_code == 401 else ""
        raise SourceError(
            "the service refused the events", where=str(answer.url), got=f"{answer.status_code}: {answer.text[:1000]}",
            hint=hint,
        )  # fmt: skip
    result: dict[str, Any] = answer.json()
    refused = [(i, said["error"]) for i, said in enumerate(result["predictions"]) if "error" in said]
    if refused:
        first, told = refused[0]
        raise SourceError(
            f"the service refused {len(refused)} of {len(events)} events; the first is number {first}: {told['what']}",
            where=told["field"], expected=told["allowed"], got=told["got"],
        )  # fmt: skip
    return result


def predict(
    events: Annotated[
        Path, typer.Argument(help="events, units in the names of their fields: a JSON list, or a Parquet or CSV table")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="write a Parquet table: the events with a prediction each")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the whole answer")] = False,
) -> None:
    """Ask the running service about the events of a file.

    Of a table the observables are sent, and nothing of a batch that does not meet the suite prediction_showers.
    """
    settings = enter()
    if out is not None and out.suffix != ".parquet":
        raise ConfigError("--out writes Parquet", expected="a name that ends in .parquet", got=str(out))
    listed = _read_json(events) if events.suffix == ".json" else _read_table(events, settings)
    answer = _ask_all(settings, listed)
    if out is not None:
        _write(listed, answer, out)
    if as_json:
        stdout.print_json(json.dumps(answer))
        return
    for event, prediction in zip(listed[:_SHOWN], answer["predictions"], strict=False):
        show_prediction(event, prediction, answer["model"])
    if len(listed) > _SHOWN:
        stderr.print(f"and {len(listed) - _SHOWN} more events; --out FILE.parquet writes all of them")


def _read_json(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise SourceError(
            "the events cannot be read", where=str(path), expected="a JSON list of events", got=str(error)
        ) from error
    return content if isinstance(content, list) else [content]


def _read_table(path: Path, settings: Settings) -> list[dict[str, Any]]:
    import polars as pl

    from cascada.data.validation import enforce, load_suite, validate
    from cascada.physics.columns import OBSERVABLES

    if path.suffix not in {".parquet", ".csv"}:
        raise ConfigError("this kind of file holds no events", where=str(path), expected="*.json, *.parquet or *.csv")
    try:
        frame = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError("the events cannot be read", where=str(path), got=str(error)) from error
    known = [name for name in frame.columns if name in OBSERVABLES]
    if not known:
        raise SourceError(
            "the table has no column that a model knows", where=str(path), expected="names such as energy_eev or n_mu",
            got=", ".join(frame.columns[:20]), hint="rename the columns: the service's page lists them with units",
        )  # fmt: skip
    table = frame.select(known).with_columns(pl.selectors.float().fill_nan(None))
    enforce(validate(table.lazy(), load_suite(settings.root / "expectations", _SUITE), {"": str(path)}))
    rows: list[dict[str, Any]] = table.to_dicts()
    return rows


def _ask_all(settings: Settings, events: list[dict[str, Any]]) -> dict[str, Any]:
    answers = [ask(settings, part) for part in _parts(events)]
    models = {json.dumps(answer["model"], sort_keys=True) for answer in answers}
    if len(models) > 1:
        raise PlatformError("the service changed its model while it answered", hint="ask again")
    return answers[0] | {"predictions": [prediction for answer in answers for prediction in answer["predictions"]]}


def _parts(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, max(len(events), 1), _REQUEST_EVENTS):
        yield events[start : start + _REQUEST_EVENTS]


def _write(events: list[dict[str, Any]], answer: dict[str, Any], out: Path) -> None:
    import polars as pl

    rows = [
        event
        | {"primary_pred": said["primary"]}
        | {name: said[name] for name in ("anomaly_score", "p_value", "ln_mass", "ln_mass_sigma", "in_domain")}
        | {f"probability_{name}": share for name, share in said["probabilities"].items()}
        for event, said in zip(events, answer["predictions"], strict=True)
    ]
    partial = out.with_name(f"{out.name}.writing")
    pl.from_dicts(rows, infer_schema_length=None).write_parquet(partial)
    partial.rename(out)
    stderr.print(f"{len(rows)} events with their predictions: {out}")

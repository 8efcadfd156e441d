"""Settings of the service, from environment variables ``CASCADA_SERVICE_*``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cascada.errors import ConfigError

PREFIX = "CASCADA_SERVICE_"
LOG = "CASCADA_SERVICE_LOG"
PLACES = {"served": "CASCADA_SERVED", "trusted": "CASCADA_TRUSTED_KEYS", "api_keys": "CASCADA_API_KEYS", "log": LOG}
"""Variables of paths; other parts of cascada set them, too."""


class ServiceSettings(BaseModel):
    """Limits and places; every field but the first four is a variable ``CASCADA_SERVICE_<NAME>``."""

    model_config = ConfigDict(frozen=True)

    served: Path | None = Field(
        None, description="CASCADA_SERVED: the deployment folder of a model; else what the Bento was built with"
    )
    trusted: Path | None = Field(None, description="CASCADA_TRUSTED_KEYS: folder of the public keys that may sign")
    api_keys: Path | None = Field(None, description="CASCADA_API_KEYS: file of API keys; with it, all need one")
    log: Path | None = Field(
        None, description="CASCADA_SERVICE_LOG: folder that predictions are kept in; else none are"
    )
    max_json_mb: float = Field(32.0, gt=0, description="largest JSON body, in 10^6 bytes")
    max_table_mb: float = Field(1024.0, gt=0, description="largest Arrow, Parquet or npy body, in 10^6 bytes")
    max_events: int = Field(10_000, ge=1, description="most events of a JSON request")
    max_rows: int = Field(5_000_000, ge=1, description="most rows of a table")
    max_requests: int = Field(256, ge=1, description="most requests at a time; 503 beyond")
    rate_per_s: float = Field(0.0, ge=0, description="requests a second of a key, or of an address without; 0: any")
    burst: int = Field(100, ge=1, description="requests that may come at once before the rate counts")
    body_s: float = Field(20.0, gt=0, description="time in which a body must arrive, s; 408 beyond")
    answer_s: float = Field(30.0, gt=0, description="time in which a JSON request must be answered, s; 504 beyond")
    table_s: float = Field(600.0, gt=0, description="the same for a table, s")
    lineage_kept: int = Field(10_000, ge=1, description="answers whose lineage is remembered")
    watch_s: float = Field(1.0, gt=0, description="how often the deployment folder is looked at, s")
    drain_s: float = Field(1.0, ge=0, description="time from SIGTERM to the end, in which /readyz says 503, s")
    log_s: float = Field(60.0, gt=0, description="a file of the prediction log holds at most so many seconds")
    log_rows: int = Field(
        100_000, ge=1, description="and about so many events; if twice as many wait, more are dropped"
    )
    log_max_mb: float = Field(
        1000.0, gt=0, description="size of the prediction log, in 10^6 bytes; the oldest files go"
    )
    shadow_events: int = Field(50_000, ge=1, description="events that wait for the shadow; more are dropped")


def read_settings(environment: Mapping[str, str] = os.environ) -> ServiceSettings:
    """Read the settings.

    Raises
    ------
    ConfigError
        If a value is not valid.
    """
    names = {name: PLACES.get(name, PREFIX + name.upper()) for name in ServiceSettings.model_fields}
    given = {name: environment[variable] for name, variable in names.items() if environment.get(variable)}
    try:
        return ServiceSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(
            f"{names[name]}: {first['msg']}", expected=ServiceSettings.model_fields[name].description or "",
            got=repr(first["input"]),
        ) from error  # fmt: skip

"""What the service takes and answers; names carry their units."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cascada.physics.columns import COLUMNS


def _observable(name: str, example: float, *, optional: bool = False) -> Any:
    column = COLUMNS[name]
    text = f"{column.description}, {column.unit}" if column.unit != "1" else column.description
    return Field(
        None if optional else ...,
        description=text,
        examples=[example],
        ge=column.minimum,
        le=column.maximum,
        allow_inf_nan=False,
    )


class ShowerEvent(BaseModel):
    """One shower, by its observables."""

    model_config = ConfigDict(extra="forbid")

    energy_eev: float = _observable("energy_eev", 10.0)
    zenith_deg: float = _observable("zenith_deg", 38.0)
    n_mu: float = _observable("n_mu", 5.5e7)
    n_em: float = _observable("n_em", 3.1e10)
    xmax_g_cm2: float | None = _observable("xmax_g_cm2", 750.0, optional=True)


class EventPrediction(BaseModel):
    """The answer for one shower."""

    primary: str = Field(description="most likely primary")
    probabilities: dict[str, float] = Field(description="per primary; they sum to one")
    anomaly_score: float = Field(description="mean squared reconstruction error; larger is stranger")
    p_value: float = Field(description="share of reference hadrons at least as strange")


class ModelIdentity(BaseModel):
    """Which model answered, and where it came from."""

    name: str
    version: int
    run_id: str
    data_sha256: str
    git_commit: str
    bundle_sha256: str


class PredictionResponse(BaseModel):
    """The answer to a request."""

    predictions: list[EventPrediction] = Field(description="one an event, in order")
    model: ModelIdentity

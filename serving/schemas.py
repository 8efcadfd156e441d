"""What the service takes and answers; names carry their units."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from cascada.physics.columns import COLUMNS, OBSERVABLES
from cascada.registry.package import ModelIdentity

EXAMPLES = {
    "energy_eev": 10.0, "zenith_deg": 38.0, "n_mu": 5.5e7, "n_em": 3.1e10, "xmax_g_cm2": 750.0,
    "energy_reco_eev": 10.0, "zenith_reco_deg": 38.0, "s38_vem": 48.0,
}  # fmt: skip
"""Values of an ordinary shower, for documentation and warming up."""

Vem = Annotated[float, Field(allow_inf_nan=False, le=1e6)]


class Station(BaseModel):
    """One station of an event."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    distance_m: float = Field(description="distance from the fitted axis, m", gt=0.0, le=1e5, examples=[1050.0])
    plane_azimuth_deg: float = Field(
        description="azimuth around the fitted axis in the shower plane, 0 where the shower comes from, deg",
        ge=-360.0, le=360.0, examples=[120.0],
    )  # fmt: skip
    time_ns: float = Field(
        description="start of the trace; from when does not matter, as long as it is the same in an event, ns",
        ge=-1e9, le=1e9, examples=[1234.0],
    )  # fmt: skip
    signal_vem: float = Field(description="whole signal, VEM", gt=0.0, le=1e6, examples=[38.0])
    trace_vem: list[Vem] = Field(
        description="signal per bin of 25 ns from the start of the trace, VEM; below zero counts as nothing",
        min_length=1, max_length=10_000, examples=[[0.4, 2.1, 1.3]],
    )  # fmt: skip


StationList = Annotated[list[Station], Field(min_length=1, max_length=2000)]


def _observable(name: str) -> Any:
    column = COLUMNS[name]
    text = f"{column.description}, {column.unit}" if column.unit != "1" else column.description
    return Field(
        None, description=text, examples=[EXAMPLES[name]] if name in EXAMPLES else None, ge=column.minimum,
        le=column.maximum, allow_inf_nan=False,
    )  # fmt: skip


_FIELDS: dict[str, Any] = {name: (float | None, _observable(name)) for name in OBSERVABLES}
_Observables: Any = create_model("_Observables", **_FIELDS)


class ShowerEvent(_Observables):  # the table of columns says which fields there are
    """One shower or event, by observables of the shower table; each model needs some of them and says which."""

    model_config = ConfigDict(extra="forbid")

    stations: StationList | None = Field(None, description="triggered stations, for models of traces")


class EventPrediction(BaseModel):
    """The answer for one shower or event."""

    primary: str = Field(description="most likely primary")
    probabilities: dict[str, float] = Field(description="per primary; they sum to one")
    anomaly_score: float = Field(description="larger is stranger; p_value says how strange")
    p_value: float = Field(description="share of reference showers at least as strange")
    ln_mass: float | None = Field(description="mean of ln A under the probabilities of the nuclei; null without any")
    ln_mass_sigma: float | None = Field(description="standard deviation of ln A under them")
    in_domain: bool = Field(description="whether every observable lies in the range that the model was fitted on")


class EventError(BaseModel):
    """What stands in the place of a prediction when an event is bad and others are good."""

    error: EventTrouble


class EventTrouble(BaseModel):
    """What is wrong with an event."""

    what: str = Field(description="one sentence")
    field: str = Field(description="name of the field, with dots inside of lists")
    allowed: str = Field(description="what may stand there, with its unit")
    got: str = Field(description="what stood there")


class PredictionResponse(BaseModel):
    """The answer to a request."""

    predictions: list[EventPrediction | EventError] = Field(description="one an event, in order")
    model: ModelIdentity

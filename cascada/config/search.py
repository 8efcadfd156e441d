"""The section of a search: which values of an experiment are tried, and which of them are the best."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from cascada.config.section import Section

METRICS: dict[str, Literal["min", "max"]] = {"log_loss": "min", "accuracy": "max", "anomaly_auc": "max"}
"""What trials can be ordered by, and whether the lowest or the highest value is the best."""


class Range(Section):
    """Numbers between two ends, which are among them."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = Field(False, description="every factor is as likely: for rates and weights that span powers of ten")
    integer: bool = Field(False, description="whole numbers alone")

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must lie below high, and {self.low:g} does not lie below {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must begin above 0, not at {self.low:g}")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("the ends of a range of integers must be integers")
        return self

    def probes(self) -> list[float | int]:
        """Take both ends and a number between them, no integer where there are others."""
        between = self.low + (self.high - self.low) / 3.141592653589793
        return [self.plain(value) for value in (self.low, between, self.high)]

    def plain(self, value: float) -> float | int:
        """Make an integer of a number in a range of integers."""
        return round(value) if self.integer else value


Choices = Annotated[tuple[JsonValue, ...], Field(min_length=1)]


def _kind(value: Any) -> str:
    return "choices" if isinstance(value, list | tuple) else "range"


Values = Annotated[Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")], Discriminator(_kind)]


class Search(Section):
    """A search over values of an experiment.

    Every trial is a fit of the experiment with other values, judged on the validation partition.
    """

    trials: int = Field(20, ge=1, le=10_000)
    parallel: int = Field(1, ge=1, le=256, description="trials at a time; one at a time propose the same again")
    metric: Literal["log_loss", "accuracy", "anomaly_auc"] = Field(
        "log_loss", description="of the validation partition: what the best trial is the best by"
    )
    early_stopping: bool = Field(
        False, description="end trials whose log loss after some epochs is among the worse ones (ASHA)"
    )
    space: dict[str, Values] = Field(
        min_length=1,
        description="dotted keys of `model`, `training` or `anomaly`: a list of choices, or {low, high, log, integer}",
    )

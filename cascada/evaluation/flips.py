"""Events about which two models disagree."""

from __future__ import annotations

import polars as pl
from pydantic import BaseModel, ConfigDict

from cascada.evaluation.predictions import Predictions
from cascada.evaluation.truth import Truth

EVENTS = "events.parquet"
"""File of a run with what the model said of every test shower."""


class Flip(BaseModel):
    """A shower to which two models give different primaries, as indices of classes."""

    model_config = ConfigDict(frozen=True)

    shower_id: int
    label: int
    before: int
    after: int
    probability: float

    @property
    def mended(self) -> bool:
        return self.after == self.label

    @property
    def broken(self) -> bool:
        return self.before == self.label


def judge_events(predictions: Predictions, truth: Truth, shower_id: pl.Series) -> pl.DataFrame:
    """Put what a model says beside the truth: ``shower_id, label, predicted, probability`` of the predicted class."""
    probabilities = predictions.probabilities
    return pl.DataFrame({
        "shower_id": shower_id, "label": truth.labels, "predicted": probabilities.argmax(axis=1),
        "probability": probabilities.max(axis=1),
    })  # fmt: skip


def find_flips(before: pl.DataFrame, after: pl.DataFrame) -> list[Flip]:
    """Find the showers whose predicted primary differs, the surest of the new predictions first.

    Parameters
    ----------
    before, after
        Tables of `judge_events` of the same showers.

    Examples
    --------
    >>> one = pl.DataFrame({"shower_id": [1, 2], "label": [0, 1], "predicted": [0, 0], "probability": [0.9, 0.6]})
    >>> other = one.with_columns(predicted=pl.Series([0, 1]))
    >>> [(flip.shower_id, flip.mended, flip.broken) for flip in find_flips(one, other)]
    [(2, True, False)]
    """
    both = after.join(before.select("shower_id", before="predicted"), on="shower_id", validate="1:1")
    differ = both.filter(pl.col("predicted") != pl.col("before")).sort(
        ["probability", "shower_id"], descending=[True, False]
    )
    rows = differ.select("shower_id", "label", "before", after="predicted", probability="probability")
    return [Flip.model_validate(row) for row in rows.iter_rows(named=True)]

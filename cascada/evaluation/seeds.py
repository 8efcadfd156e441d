"""What several seeds say: mean and spread of every metric over evaluations of the same experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from cascada.errors import ConfigError
from cascada.evaluation.metrics import ALL, Evaluation


class Spread(BaseModel):
    """A metric over seeds.

    Attributes
    ----------
    mean, deviation
        Over the seeds; the deviation with n - 1 in the denominator, 0 for one seed.
    least, most
        Lowest and highest value of a seed.
    seeds
        Evaluations that have the metric.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    region: str = ALL
    mean: float
    deviation: float
    least: float
    most: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f} ({self.seeds} seed{'s' * (self.seeds != 1)})"


def summarise_seeds(evaluations: Sequence[Evaluation]) -> tuple[Spread, ...]:
    """Summarise evaluations of one experiment with several seeds, metric by metric, in the order of the first.

    Raises
    ------
    ConfigError
        If there is none, or they do not tell the same primaries apart.
    """
    if not evaluations:
        raise ConfigError("there is no evaluation to summarise", expected="one a seed")
    classes = {evaluation.classes for evaluation in evaluations}
    if len(classes) > 1:
        told = "; ".join(", ".join(names) for names in sorted(classes))
        raise ConfigError("the evaluations tell different primaries apart", expected="one experiment", got=told)
    values: dict[tuple[str, str], list[float]] = {}
    for evaluation in evaluations:
        for metric in evaluation.metrics:
            values.setdefault((metric.name, metric.region), []).append(metric.value)
    return tuple(_spread(name, region, np.array(found)) for (name, region), found in values.items())


def _spread(name: str, region: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Spread:
    deviation = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Spread(
        name=name, region=region, mean=float(values.mean()), deviation=deviation, least=float(values.min()),
        most=float(values.max()), seeds=values.size,
    )  # fmt: skip

"""What is said about events, as JSON objects and as columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascada.evaluation.predictions import ln_mass_sigma, mean_ln_mass
from cascada.physics.primaries import PRIMARIES
from cascada.registry.bundle import Bundle
from serving.events import Events
from serving.refusals import Trouble

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """Predictions of the good events of a request, and what is wrong with the others.

    Attributes
    ----------
    probabilities
        Shape (good events, classes).
    anomaly_score, p_value, in_domain
        Shape (good events,).
    ln_mass, ln_mass_sigma
        The same; None when the model knows no nuclei.
    good
        Rows of the request that they belong to; None when these are all of them.
    troubles
        By row, of all other rows.
    """

    classes: tuple[str, ...]
    probabilities: Floats
    anomaly_score: Floats
    p_value: Floats
    ln_mass: Floats | None
    ln_mass_sigma: Floats | None
    in_domain: NDArray[np.bool_]
    good: NDArray[np.int64] | None
    troubles: dict[int, Trouble]

    @property
    def rows(self) -> int:
        """How many events were asked about."""
        return len(self.anomaly_score) + len(self.troubles)

    def as_objects(self) -> list[dict[str, Any]]:
        """List one object an event, in the order of the request; a bad event has its error in its place."""
        classes, nothing = self.classes, [None] * len(self.anomaly_score)
        said: list[dict[str, Any]] = [
            {
                "primary": classes[best], "probabilities": dict(zip(classes, shares, strict=True)),
                "anomaly_score": score, "p_value": p_value, "ln_mass": mass, "ln_mass_sigma": sigma,
                "in_domain": known,
            }
            for best, shares, score, p_value, mass, sigma, known in zip(
                self.probabilities.argmax(axis=1).tolist(), self.probabilities.tolist(), self.anomaly_score.tolist(),
                self.p_value.tolist(), nothing if self.ln_mass is None else self.ln_mass.tolist(),
                nothing if self.ln_mass_sigma is None else self.ln_mass_sigma.tolist(), self.in_domain.tolist(),
                strict=True,
            )
        ]  # fmt: skip
        if self.good is None:
            return said
        placed: list[dict[str, Any]] = [{}] * self.rows
        for row, one in zip(self.good.tolist(), said, strict=True):
            placed[row] = one
        for row, trouble in self.troubles.items():
            placed[row] = {"error": trouble.as_json()}
        return placed

    def as_columns(self) -> dict[str, NDArray[Any]]:
        """List the columns of a table of the good events."""
        none = np.full(len(self.anomaly_score), np.nan)
        return {
            "primary": np.array(self.classes)[self.probabilities.argmax(axis=1)],
            **{f"probability_{name}": self.probabilities[:, i] for i, name in enumerate(self.classes)},
            "anomaly_score": self.anomaly_score,
            "p_value": self.p_value,
            "ln_mass": none if self.ln_mass is None else self.ln_mass,
            "ln_mass_sigma": none if self.ln_mass_sigma is None else self.ln_mass_sigma,
            "in_domain": self.in_domain,
        }


def answer_events(bundle: Bundle, events: Events) -> Answer:
    """Predict the good events of a request."""
    said, classes = bundle.predict(events.columns, events.stations), bundle.spec.classes
    nuclei = any(PRIMARIES[name].is_nucleus for name in classes)
    return Answer(
        classes=classes, probabilities=said.probabilities, anomaly_score=said.anomaly_score, p_value=said.p_value,
        ln_mass=mean_ln_mass(said.probabilities, classes) if nuclei else None,
        ln_mass_sigma=ln_mass_sigma(said.probabilities, classes) if nuclei else None,
        in_domain=bundle.spec.domain.contains(events.columns), good=events.good, troubles=events.troubles,
    )  # fmt: skip

"""The BentoML service: a bundle behind HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import bentoml
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cascada.errors import ConfigError
from cascada.evaluation.predictions import Predictions, ln_mass_sigma, mean_ln_mass
from cascada.physics.footprint import ZENITH
from cascada.physics.primaries import PRIMARIES
from cascada.registry.package import open_package
from serving.inputs import columns_of, stations_of
from serving.schemas import EventPrediction, PredictionResponse, ShowerEvent

BAKED = Path(__file__).resolve().parents[1]
"""Root of the Bento's sources; the package that it was built with lies beside the code."""

TRUSTED = "CASCADA_TRUSTED_KEYS"

Events = Annotated[list[ShowerEvent], Field(min_length=1, max_length=10_000)]


@bentoml.service(name="cascada", workers=1, traffic={"timeout": 30})
class PrimaryService:
    """Tells the primaries of air showers apart and scores how unlike hadrons they are."""

    def __init__(self) -> None:
        served = open_package(BAKED, trusted=_trusted_keys())
        self._bundle, self._identity = served.bundle, served.identity

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    def predict(self, events: Events) -> PredictionResponse:
        """Predict the primary, the anomaly score and its p-value of each event."""
        observables, shape = columns_of(events, self._bundle.columns), self._bundle.spec.stations
        stations = None if shape is None else stations_of(events, observables[ZENITH], shape)
        answer = self._bundle.predict(observables, stations)
        inside = self._bundle.spec.domain.contains(observables)
        return PredictionResponse(predictions=self._per_event(answer, inside), model=self._identity)

    def _per_event(self, answer: Predictions, inside: NDArray[np.bool_]) -> list[EventPrediction]:
        classes = self._bundle.spec.classes
        masses = ln_masses(answer.probabilities, classes)
        return [
            EventPrediction(
                primary=classes[int(probabilities.argmax())],
                probabilities=dict(zip(classes, probabilities.tolist(), strict=True)),
                anomaly_score=float(score),
                p_value=float(p_value),
                ln_mass=mass[0],
                ln_mass_sigma=mass[1],
                in_domain=bool(known),
            )
            for probabilities, score, p_value, mass, known in zip(
                answer.probabilities, answer.anomaly_score, answer.p_value, masses, inside, strict=True
            )
        ]


def _trusted_keys() -> Path:
    """Find the keys whose models are served; not in the Bento: who alters a model could alter them, too."""
    folder = os.environ.get(TRUSTED)
    if not folder:
        raise ConfigError(
            "the service does not know whose models it may serve", expected=f"{TRUSTED}: a folder of public keys, *.pub"
        )
    return Path(folder)


def ln_masses(probabilities: NDArray[np.float64], classes: tuple[str, ...]) -> list[tuple[float | None, float | None]]:
    """Estimate ln A and its uncertainty of each event; None where the model knows no nuclei."""
    if not any(PRIMARIES[name].is_nucleus for name in classes):
        return [(None, None)] * len(probabilities)
    estimates = mean_ln_mass(probabilities, classes), ln_mass_sigma(probabilities, classes)
    return list(zip(*(values.tolist() for values in estimates), strict=True))

"""The domain of a model: closed ranges, every observable counts, nothing unknown is inside."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from cascada.evaluation.domain import Domain, fit_domain

TRAINED = {"energy_eev": np.array([1.0, 10.0, 100.0]), "zenith_deg": np.array([60.0, 0.0, np.nan])}


def test_the_ranges_are_those_of_the_training_showers() -> None:
    assert fit_domain(TRAINED).ranges == {"energy_eev": (1.0, 100.0), "zenith_deg": (0.0, 60.0)}


def test_inside_is_inside_of_every_range() -> None:
    asked = {
        "energy_eev": np.array([1.0, 100.0, 100.1, 50.0, np.nan, 50.0]),
        "zenith_deg": np.array([60.0, 0.0, 30.0, 60.1, 30.0, np.inf]),
        "n_mu": np.full(6, np.nan),
    }
    domain = fit_domain(TRAINED)
    assert domain.contains(asked).tolist() == [True, True, False, False, False, False]
    assert domain.contains({"energy_eev": np.empty(0), "zenith_deg": np.empty(0)}).shape == (0,)


def test_it_survives_json_and_is_never_empty() -> None:
    domain = fit_domain(TRAINED)
    assert Domain.model_validate_json(domain.model_dump_json()) == domain
    with pytest.raises(ValidationError, match="at least 1"):
        Domain(ranges={})

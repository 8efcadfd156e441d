"""Experiment files: what to train, on what, with which seeds.

An experiment is one YAML file. Defaults stand here, differences stand in the file; unknown keys are errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from cascada.config.baselines import Baselines
from cascada.config.catalog import find_entry, read_catalog
from cascada.config.dataset import Dataset
from cascada.config.models import Anomaly, Model
from cascada.config.reading import read_yaml, validate_section
from cascada.config.search import Search
from cascada.config.section import Section
from cascada.config.shifts import Shifts
from cascada.config.training import Training
from cascada.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]


class Split(Section):
    """Fractions of the groups (not of the rows) in each partition; the rest trains."""

    validation: Probability = 0.1
    calibration: Probability = 0.1
    test: Probability = 0.2

    @model_validator(mode="after")
    def _some_left_to_train(self) -> Self:
        if self.validation + self.calibration + self.test > 0.9:
            raise ValueError("validation + calibration + test must leave at least 0.1 of the groups for training")
        return self


Mode = Literal["disabled", "dry_run", "enabled"]


class Gate(Section):
    """What a model must reach before it becomes champion."""

    mode: Mode = Field(
        "enabled",
        description="enabled: the verdict moves aliases; dry_run: it is stored and moves none; disabled: nothing is "
        "judged, the version is registered and `cascada promote` may judge it later",
    )
    min_accuracy: Probability
    max_accuracy: Probability = Field(1.0, description="physics ceiling: an interval above it means a leak")
    min_anomaly_auc: Probability
    max_calibration_error: Probability = Field(
        0.1, description="expected calibration error (arXiv:1706.04599) that a model may have"
    )
    ceiling_tolerance: float = Field(
        0.35, ge=0, le=1, description="how much further apart than linear discriminants a model may tell two primaries"
    )
    min_reproducibility: int = Field(
        2, ge=0, le=3, description="level that every aspect of the run's manifest must reach, as `cascada score` says"
    )
    noise_seeds: int = Field(
        3, ge=2, le=30, description="trainings of the same recipe with other seeds that measure seed-to-seed noise"
    )
    non_inferiority_margin: Probability = Field(
        0.05,
        description="how much a challenger may lose against the champion: of accuracy in a protected slice (a bin of "
        "energy or of zenith angle, or a primary), and of the anomaly AUC",
    )
    max_latency_ms: float = Field(
        100.0, gt=0, description="99th percentile of the time that the bundle takes for one event on this machine"
    )


class Experiment(Dataset):
    """One experiment, whole."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$", description="also the name of the registered model")
    seed: int = Field(ge=0, description="root of every random stream of the run")
    split: Split = Split()
    features: tuple[str, ...] = Field(min_length=1, description="names from cascada.physics.observables")
    reference: tuple[str, ...] = Field(
        ("p", "He", "N", "Fe"), min_length=1, description="primaries that the anomaly score calls normal"
    )
    model: Model
    anomaly: Anomaly = Anomaly()
    training: Training = Training()
    baselines: Baselines = Baselines()
    shifts: Shifts = Shifts()
    gate: Gate
    search: Search | None = Field(
        None, exclude_if=lambda search: search is None, description="what `cascada tune` tries; no part of a training"
    )


def load_experiment(path: Path, overrides: Sequence[str] = (), *, catalog: Path | None = None) -> Experiment:
    """Read an experiment file.

    Parameters
    ----------
    path
        The YAML file. In the place of ``source`` it may name a data set of the catalogue, as ``dataset: NAME``; what
        else it says of source, repair and expectations stands above the catalogue.
    overrides
        Values on top of the file, as ``dotted.key=value`` with the value in YAML.
    catalog
        The catalogue; needed by files that name a data set.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or holds an unknown key or a value out of range.
    """
    data = read_yaml(path, "experiment file")
    if "dataset" in data:
        data = _with_dataset(data, str(data.pop("dataset")), catalog or path.parent / "catalog.yaml")
    for override in overrides:
        override_value(data, override)
    return validate_section(Experiment, data, str(path))


def _with_dataset(data: dict[str, Any], name: str, catalog: Path) -> dict[str, Any]:
    entry = find_entry(read_catalog(catalog), name).dataset.model_dump(mode="json")
    source = entry.pop("source") | data.pop("source", {})
    return entry | {"source": source} | data


def override_value(data: dict[str, Any], override: str) -> None:
    """Set ``dotted.key=value`` (the value in YAML) in plain data, in place.

    Raises
    ------
    ConfigError
        If the text has no ``=``, the value is not YAML, or the key goes below a value that holds no keys.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError("--set takes dotted.key=value", got=override)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that no calendar has is a ValueError
        raise ConfigError("the value of --set cannot be read as YAML", where=override, got=str(error)) from error
    put_value(data, key, value)


def put_value(data: dict[str, Any], key: str, value: Any) -> None:
    """Put a value into plain data at a dotted key, in place.

    Raises
    ------
    ConfigError
        If the key goes below a value that holds no keys.
    """
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError("a key goes below a value that holds no keys", where=key, got=f"{parent}={data!r}")
    data[last] = value

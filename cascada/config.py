"""Experiment files: what to train, on what, with which seeds.

An experiment is one YAML file. Defaults stand here, differences stand in the file; unknown keys are errors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cascada.errors import ConfigError, nearest

Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of an experiment: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatorSource(Section):
    """Showers from the parametric simulator (`cascada.physics.showers`)."""

    kind: Literal["simulator"]
    showers: int = Field(ge=1, le=1_000_000_000, description="number of showers over all primaries")
    primaries: tuple[str, ...] = Field(("photon", "p", "He", "N", "Fe"), min_length=2)
    hadronic_model: Literal["QGSJetII-04"] = "QGSJetII-04"
    lg_energy_ev_min: float = Field(18.0, ge=17, le=21, description="lg(E/eV), lower edge")
    lg_energy_ev_max: float = Field(20.5, ge=17, le=21, description="lg(E/eV), upper edge")
    zenith_deg_max: float = Field(60.0, gt=0, le=60)

    @model_validator(mode="after")
    def _energies_in_order(self) -> Self:
        if self.lg_energy_ev_min >= self.lg_energy_ev_max:
            raise ValueError("lg_energy_ev_min must be below lg_energy_ev_max")
        return self


class ColumnMap(Section):
    """Where a canonical column comes from in a text table."""

    column: int | str = Field(description="position (from 0) or, in a table with a header, the name")
    unit: str = Field("1", description="unit in the file; converted to the canonical unit")
    floor_divide: int = Field(1, ge=1, description="integer division of the raw value, to turn an id into a group")


class TextSource(Section):
    """Showers from text tables, one file a primary, through a column map."""

    kind: Literal["text"]
    origin: str = Field(description="where a user downloads the files")
    licence: str
    citation: str
    files: dict[str, str] = Field(min_length=1, description="primary -> file name inside the data folder")
    directory: Path | None = Field(None, description="data folder, relative to the project; --data overrides it")
    separator: Literal["whitespace", ",", ";", "\t"] = "whitespace"
    header: bool = Field(False, description="whether the first line holds column names")
    columns: dict[str, ColumnMap]


class Expectations(Section):
    """Names of the suites in `expectations/` at the two stage boundaries."""

    raw: str = "raw_showers"
    training: str = "training_showers"


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


class DeepAutoencoder(Section):
    """A deep autoencoder with a primary head on its latent space (`models.deep`)."""

    kind: Literal["deep"]
    hidden: tuple[int, ...] = Field((64, 64), min_length=1)
    latent: int = Field(2, ge=1)
    head_hidden: int = Field(64, ge=1)


class Training(Section):
    """How the model is fitted."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(5e-3, gt=0, description="peak of the one-cycle schedule")
    reconstruction_weight: float = Field(1.0, ge=0, description="weight of the reconstruction loss")
    threads: int = Field(2, ge=1, description="CPU threads; part of the experiment since sums depend on it")


class Gate(Section):
    """What a model must reach before it becomes champion."""

    min_accuracy: Probability
    max_accuracy: Probability = Field(1.0, description="physics ceiling: an interval above it means a leak")
    min_anomaly_auc: Probability
    non_inferiority_margin: Probability = Field(
        0.005, description="how much worse than the champion the lower bound of the accuracy difference may be"
    )


class Experiment(Section):
    """One experiment, whole."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$", description="also the name of the registered model")
    seed: int = Field(ge=0, description="root of every random stream of the run")
    source: Annotated[SimulatorSource | TextSource, Field(discriminator="kind")]
    repair: Literal["none", "difference_running_sums"] = "none"
    expectations: Expectations = Expectations()
    split: Split = Split()
    features: tuple[str, ...] = Field(min_length=1, description="names from cascada.physics.observables")
    reference: tuple[str, ...] = Field(
        ("p", "He", "N", "Fe"), description="primaries that the anomaly score calls normal"
    )
    model: DeepAutoencoder
    training: Training = Training()
    gate: Gate


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Values on top of the file, as ``dotted.key=value`` with the value in YAML.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or holds an unknown key or a value out of range.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("there is no such experiment file", where=str(path), hint=_others(path)) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("the experiment file cannot be read as YAML", where=str(path), got=str(error)) from error
    if not isinstance(data, dict):
        raise ConfigError("an experiment file holds keys and values", where=str(path), got=type(data).__name__)
    for override in overrides:
        _apply(data, override)
    try:
        return Experiment.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise _explain(error, path) from error


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError("--set takes dotted.key=value", got=override)
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError("--set goes below a value that holds no keys", where=key, got=f"{parent}={data!r}")
    data[last] = yaml.safe_load(text)


def _others(path: Path) -> str:
    names = sorted(str(p) for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return nearest(str(path), names) if names else f"no *.yaml in {path.parent}"


def _explain(error: ValidationError, path: Path) -> ConfigError:
    first, *more = error.errors()
    location = ".".join(str(part) for part in first["loc"])
    rest = f" ({len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
    if first["type"] == "extra_forbidden":
        hint = nearest(str(first["loc"][-1]), _keys(first["loc"][:-1]))
        return ConfigError(f"unknown key {location!r}{rest}", where=str(path), hint=hint)
    got = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
    return ConfigError(f"{location or 'experiment'}: {first['msg']}{rest}", where=str(path), got=got)


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """List the keys that are valid at a location of an experiment (pydantic's, with the tags of unions in it)."""
    sections: dict[tuple[str, ...], type[Section]] = {
        ("source", "simulator"): SimulatorSource, ("source", "text"): TextSource, ("split",): Split,
        ("expectations",): Expectations, ("model",): DeepAutoencoder, ("training",): Training, ("gate",): Gate,
    }  # fmt: skip
    if location[:3] == ("source", "text", "columns"):
        return list(ColumnMap.model_fields)
    return list(sections.get(tuple(str(part) for part in location), Experiment).model_fields)

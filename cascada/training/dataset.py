"""Arrays that a model is fitted and judged on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import Experiment, FileSource, SimulatorSource
from cascada.data.splits import Partition
from cascada.errors import ConfigError, InvalidDataError, nearest
from cascada.physics.observables import feature_matrix, required_columns
from cascada.physics.primaries import find_primary
from cascada.training.scaling import Scaling
from cascada.training.traces import StationTable, check_traces, take_stations


@dataclass(frozen=True)
class Sample:
    """One partition.

    Attributes
    ----------
    features
        Shape (n, features), float32, not yet standardised.
    labels
        Class indices, shape (n,), int64.
    groups
        Group of each row, shape (n,), int64: the unit of resampling.
    stations
        For models of traces, shape (n, stations, width), float32 (`cascada.physics.footprint`); else None.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    stations: NDArray[np.float32] | None = None

    @property
    def inputs(self) -> tuple[NDArray[np.float32], ...]:
        """What a model sees, in the order of its inputs: the features, and the stations where there are any."""
        return (self.features,) if self.stations is None else (self.features, self.stations)

    def standardised(self, scaling: Scaling) -> tuple[NDArray[np.float32], ...]:
        """Give the inputs with standardised features; stations have a fixed scale, inside the network."""
        return (scaling.apply(self.features), *self.inputs[1:])

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Sample:
        """Take some of the showers."""
        stations = None if self.stations is None else self.stations[rows]
        return Sample(self.features[rows], self.labels[rows], self.groups[rows], stations)

    def of_classes(self, chosen: tuple[bool, ...]) -> Sample:
        """Take the showers of the chosen classes, by index."""
        return self.take(np.asarray(chosen)[self.labels])


def check_names(experiment: Experiment) -> None:
    """Check that the features, primaries and traces that an experiment asks for exist, before anything is computed.

    Raises
    ------
    ConfigError
        If one does not, or every primary is a reference.
    """
    required_columns(experiment.features)
    check_traces(experiment)
    reference = {find_primary(name).name for name in experiment.reference}
    source = experiment.source
    if isinstance(source, SimulatorSource):
        named: Collection[str] = source.primaries
    elif isinstance(source, FileSource) and isinstance(source.files, dict):
        named = source.files
    else:
        return  # only the rows know which primaries they are
    present = {find_primary(name).name for name in named}
    for name in reference - present:
        raise ConfigError(f"reference: the source has no {name!r}", hint=nearest(name, present))
    if present == reference:
        raise ConfigError(
            "reference: every primary is called normal", hint="leave the anomalies out, for example photon"
        )


def observables(frame: pl.DataFrame, features: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Take the columns that features need, in float64.

    Raises
    ------
    ConfigError
        If the table lacks a column.
    """
    columns = required_columns(features)
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise ConfigError(
            f"the features need the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}, which the snapshot lacks",
            expected=", ".join(columns),
            got=", ".join(frame.columns),
            hint="map the column in `source`, or drop the feature",
        )
    return {name: frame[name].cast(pl.Float64).to_numpy() for name in columns}


def take_partition(
    frame: pl.DataFrame,
    manifest: pl.DataFrame,
    partition: Partition,
    *,
    features: tuple[str, ...],
    classes: tuple[str, ...],
    stations: StationTable | None = None,
) -> Sample:
    """Take the rows of a partition, with their features and class indices.

    Parameters
    ----------
    frame, manifest
        Snapshot and split, row by row the same showers.
    classes
        Primaries in the order of class indices.
    stations
        Table of the stations, for models of traces.

    Raises
    ------
    InvalidDataError
        If a feature is not finite for some showers, or their stations cannot be used.
    """
    rows = frame.filter(manifest["partition"] == partition)
    index = {name: position for position, name in enumerate(classes)}
    values = feature_matrix(observables(rows, features), features)
    _check_finite(values, features, partition)
    return Sample(
        features=values,
        labels=rows["primary"].replace_strict(index, return_dtype=pl.Int64).to_numpy(),
        groups=rows["group_id"].to_numpy(),
        stations=None if stations is None else take_stations(stations, rows),
    )


def _check_finite(values: NDArray[np.float32], features: tuple[str, ...], partition: Partition) -> None:
    bad = {name: int(count) for name, count in zip(features, (~np.isfinite(values)).sum(axis=0), strict=True) if count}
    if bad:
        raise InvalidDataError(
            f"features of the {partition} partition are not finite",
            expected=f"{values.shape[0]} finite values of each",
            got=", ".join(f"{name}: {count} are not" for name, count in bad.items()),
            hint="drop the feature, or let the training suite refuse showers without its columns",
        )

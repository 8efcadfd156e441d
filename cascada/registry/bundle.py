"""A model on disk without pickle, and the predictions it makes.

A bundle is a folder: ``model.onnx`` (standardisation, network and anomaly score in one graph), ``weights.safetensors``,
``reference_scores.npy`` and ``bundle.json``, which names classes, features, columns, lineage and the hash of every
other file. Evaluation and service predict through this module, so that what was judged is what is served.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cascada.errors import ArtifactError, ConfigError
from cascada.evaluation.domain import Domain
from cascada.evaluation.predictions import Predictions, conformal_p_value
from cascada.physics.footprint import ZENITH, StationShape
from cascada.physics.observables import feature_matrix, required_columns
from cascada.repro.fingerprint import file_sha256

SPEC, GRAPH, WEIGHTS, REFERENCE = "bundle.json", "model.onnx", "weights.safetensors", "reference_scores.npy"

INPUTS = ("features", "stations")
"""Inputs of a graph; models of traces alone have the second."""

OUTPUTS = ("probabilities", "anomaly_score", "latent")
"""Outputs of a graph; those of bundles of before lack the last."""

ASK_ROWS = 16_384
"""Showers that a graph is run on at a time: what it keeps of traces in between fills memory."""


class Lineage(BaseModel):
    """Where a bundle came from."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    run_id: str
    data_sha256: str
    split_sha256: str
    git_commit: str
    git_dirty: bool
    data_valid: bool


class ReferenceQuantiles(BaseModel):
    """Distributions of some quantities of the reference showers, the same that p-values are ranked in.

    Attributes
    ----------
    showers
        How many there are.
    quantiles
        By quantity: the values at 0, 1, …, 100 per cent, each one that a shower has.
    """

    model_config = ConfigDict(frozen=True)

    showers: int
    quantiles: dict[str, tuple[float, ...]]


class BundleSpec(BaseModel):
    """The contents of ``bundle.json``.

    Attributes
    ----------
    classes
        Primaries in the order of the probabilities.
    reference
        Primaries that the anomaly score calls normal.
    features
        Names in `cascada.physics.observables`, in the order of the graph's input.
    model, scaling, temperature
        Spec of the networks, standardisation and divisor of the logits, as they were fitted.
    domain
        Ranges of the observables that the networks were fitted on.
    stations
        What a model of traces sees of the stations of an event; None for the others.
    feature_reference
        What inputs are compared with (`cascada.monitoring`); None in bundles of before.
    latent_reference
        The same for the latent coordinates; None in bundles of before and of models of traces, as no stations are kept
        of what they are asked.
    files
        SHA-256 of every other file.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    classes: tuple[str, ...]
    reference: tuple[str, ...]
    features: tuple[str, ...]
    model: dict[str, Any]
    temperature: float
    scaling: dict[str, Any]
    domain: Domain
    stations: StationShape | None = None
    feature_reference: ReferenceQuantiles | None = None
    latent_reference: ReferenceQuantiles | None = None
    lineage: Lineage
    files: dict[str, str]

    @field_validator("files")
    @classmethod
    def _all_listed(cls, files: dict[str, str]) -> dict[str, str]:
        """A file that is opened must be one that is checked."""
        lacking = sorted({GRAPH, WEIGHTS, REFERENCE} - files.keys())
        if lacking:
            raise ValueError(f"no hash of {', '.join(lacking)}")
        return files


class Graph:
    """An ONNX graph from raw inputs to probabilities, anomaly scores and latent coordinates, on one CPU thread."""

    def __init__(self, path: Path) -> None:
        # ONNX Runtime calls home unless told not to before its first import; a Bento is also run without our settings.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen classes of its own
            raise ArtifactError("the graph of a bundle cannot be loaded", where=str(path), got=str(error)) from error

    def run(self, *inputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute probabilities (n, classes) and anomaly scores (n,) of the `INPUTS` of n showers, in their order."""
        probabilities, score = self._run(OUTPUTS[:2], inputs)
        return probabilities, score

    def encode(self, *inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the latent coordinates (n, coordinates) of the `INPUTS` of n showers, in their order."""
        (latent,) = self._run(OUTPUTS[2:], inputs)
        return latent

    def _run(self, outputs: Sequence[str], inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
        parts = [
            self._session.run(outputs, {name: x[a : a + ASK_ROWS] for name, x in zip(INPUTS, inputs, strict=False)})
            for a in range(0, max(len(inputs[0]), 1), ASK_ROWS)
        ]
        return [np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True)]


class Bundle:
    """A bundle, opened and checked.

    Parameters
    ----------
    folder
        The bundle's folder.

    Raises
    ------
    ArtifactError
        If ``bundle.json`` is not valid, or a file is missing or differs from the hash in it.

    Attributes
    ----------
    columns
        Columns of the shower table that predictions need.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec, self.columns = _read_spec(folder)
        for name, expected in self.spec.files.items():
            _check_file(folder / name, expected)
        self.sha256 = file_sha256(folder / SPEC)
        self._graph = Graph(folder / GRAPH)
        self._reference = np.load(folder / REFERENCE, allow_pickle=False)

    @property
    def reference_showers(self) -> int:
        """How many showers p-values are ranked in."""
        return len(self._reference)

    def predict(
        self, observables: Mapping[str, NDArray[np.float64]], stations: NDArray[np.float32] | None = None
    ) -> Predictions:
        """Predict n showers.

        Parameters
        ----------
        observables
            The columns named in ``columns``, each of shape (n,) in canonical units.
        stations
            For a model of traces, shape (n, stations, width): see `cascada.physics.footprint.station_array`.

        Raises
        ------
        ConfigError
            If a model of traces gets no stations or stations of another shape, or another model gets any.
        """
        probabilities, score = self._graph.run(*self._inputs(observables, stations))
        return Predictions(probabilities, score, conformal_p_value(score, self._reference))

    def encode(
        self, observables: Mapping[str, NDArray[np.float64]], stations: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """Compute the latent coordinates of n showers, shape (n, coordinates).

        Of an ensemble they are those of its first network; bundles without a `latent_reference` may have none. The
        arguments are those of `predict`.
        """
        return self._graph.encode(*self._inputs(observables, stations))

    def _inputs(
        self, observables: Mapping[str, NDArray[np.float64]], stations: NDArray[np.float32] | None
    ) -> list[NDArray[np.float32]]:
        features = feature_matrix(observables, self.spec.features)
        return [features, *self._check_stations(len(features), stations)]

    def _check_stations(self, n: int, stations: NDArray[np.float32] | None) -> list[NDArray[np.float32]]:
        seen = self.spec.stations
        expected = None if seen is None else (n, seen.stations, seen.width)
        if (got := None if stations is None else stations.shape) != expected:
            raise ConfigError(
                "these are not the stations that the model sees", where=str(self.folder),
                expected=f"shape {expected}" if expected else "no stations", got=f"shape {got}" if got else "none",
            )  # fmt: skip
        return [] if stations is None else [stations]


def _read_spec(folder: Path) -> tuple[BundleSpec, tuple[str, ...]]:
    """Read the spec, and find the columns that its features need."""
    try:
        spec = BundleSpec.model_validate_json((folder / SPEC).read_bytes())
        delays = set() if spec.stations is None else {ZENITH}
        return spec, tuple(sorted(delays.union(required_columns(spec.features))))
    except FileNotFoundError as error:
        raise ArtifactError("this folder holds no bundle", where=str(folder), expected=SPEC) from error
    except (ValidationError, ConfigError) as error:  # ConfigError: a feature that this version does not know
        raise ArtifactError("the bundle's spec is not valid", where=str(folder / SPEC), got=str(error)) from error


def _check_file(path: Path, expected: str) -> None:
    if not path.exists():
        raise ArtifactError("a file of the bundle is missing", where=str(path))
    found = file_sha256(path)
    if found != expected:
        raise ArtifactError(
            "a file of the bundle was altered", where=str(path), expected=f"sha256 {expected}", got=found,
            hint="fetch the bundle again from the registry",
        )  # fmt: skip

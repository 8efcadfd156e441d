"""Writing bundles: the only place that turns a torch network into files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from cascada.errors import ArtifactError
from cascada.evaluation.domain import Domain
from cascada.physics.footprint import StationShape
from cascada.registry.bundle import (
    GRAPH,
    INPUTS,
    OUTPUTS,
    REFERENCE,
    SPEC,
    WEIGHTS,
    Bundle,
    BundleSpec,
    Graph,
    Lineage,
    ReferenceQuantiles,
)
from cascada.repro.fingerprint import file_sha256
from cascada.training.scaling import Scaling


class Member(NamedTuple):
    """A fitted network and what turns its answer into an anomaly score."""

    network: nn.Module
    score: nn.Module


class Inference(nn.Module):
    """Standardisation, networks, mean of their softmax and of their anomaly scores, latent space of the first."""

    mean: Tensor
    scale: Tensor

    def __init__(self, members: Sequence[Member], scaling: Scaling, temperature: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList([member.network for member in members])
        self.scores = nn.ModuleList([member.score for member in members])
        self.temperature = temperature
        self.register_buffer("mean", torch.tensor(scaling.mean))
        self.register_buffer("scale", torch.tensor(scaling.scale))

    def forward(self, features: Tensor, stations: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Answer raw inputs: probabilities (n, classes), anomaly scores (n,), latent coordinates (n, latent)."""
        x = (features - self.mean) / self.scale
        said = [network(x) if stations is None else network(x, stations) for network in self.networks]
        probabilities = torch.stack([torch.softmax(one.logits / self.temperature, dim=1) for one in said])
        scores = torch.stack([score(one) for score, one in zip(self.scores, said, strict=True)])
        return probabilities.mean(dim=0), scores.mean(dim=0), said[0].latent


def write_bundle(
    members: Sequence[Member], *, scaling: Scaling, temperature: float, calibration: Sequence[NDArray[np.float32]],
    classes: tuple[str, ...], reference: tuple[str, ...], features: tuple[str, ...], model: dict[str, object],
    domain: Domain, lineage: Lineage, folder: Path, stations: StationShape | None = None,
) -> Bundle:  # fmt: skip
    """Write a bundle and open it.

    Parameters
    ----------
    members
        Networks whose answers are averaged.
    temperature
        Divides the logits (`cascada.training.calibration`).
    calibration
        Raw inputs of m reference showers that no network was fitted on, the distribution that p-values are ranked in:
        features, shape (m, features), and for models of traces the stations.
    model
        Sections of the experiment that say how the networks were built.
    domain
        Ranges of the observables that the networks were fitted on.
    folder
        New or empty folder.
    stations
        What models of traces see of the stations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inference = Inference(members, scaling, temperature).eval()
    _export_graph(inference, [torch.zeros(2, *values.shape[1:]) for values in calibration], folder / GRAPH)
    save_file({name: value.contiguous() for name, value in inference.state_dict().items()}, folder / WEIGHTS)
    graph = Graph(folder / GRAPH)
    _, scores = graph.run(*calibration)
    np.save(folder / REFERENCE, np.sort(scores), allow_pickle=False)
    spec = BundleSpec(
        classes=classes, reference=reference, features=features, model=model, temperature=temperature,
        scaling=scaling.model_dump(mode="json"), lineage=lineage, domain=domain, stations=stations,
        feature_reference=measure_reference(calibration[0], features),
        latent_reference=None if stations else measure_latents(graph.encode(*calibration)),
        files={name: file_sha256(folder / name) for name in (GRAPH, WEIGHTS, REFERENCE)},
    )  # fmt: skip
    (folder / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Bundle(folder)


def measure_reference(values: NDArray[np.floating], names: Sequence[str]) -> ReferenceQuantiles:
    """Measure the distribution of quantities, shape (showers, number of names), that later ones are compared with."""
    steps = np.quantile(values, np.linspace(0.0, 1.0, 101), axis=0, method="inverted_cdf")
    quantiles = {name: tuple(map(float, steps[:, i])) for i, name in enumerate(names)}
    return ReferenceQuantiles(showers=len(values), quantiles=quantiles)


def measure_latents(latent: NDArray[np.float64]) -> ReferenceQuantiles:
    """Measure the distribution of latent coordinates, shape (showers, coordinates): `latent 1` and so on."""
    return measure_reference(latent, [f"latent {i + 1}" for i in range(latent.shape[1])])


def _export_graph(module: nn.Module, examples: Sequence[Tensor], path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, tuple(examples), dynamo=True, verbose=False, input_names=INPUTS[: len(examples)],
            output_names=OUTPUTS,
            dynamic_shapes=[{0: torch.export.Dim("n")}] * len(examples),
        )  # fmt: skip
    if program is None:
        raise ArtifactError("torch exported no ONNX graph", where=str(path))
    program.model.metadata_props.clear()
    for node in program.model.graph:  # the exporter notes source paths of this machine on every node
        node.metadata_props.clear()
    program.save(str(path))

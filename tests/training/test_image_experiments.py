"""The features of the image experiments on the open data: finite, and worth what the field gets from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from open_data import open_data_section
from projects import REPOSITORY

from cascada.config import Baselines, Experiment, load_experiment
from cascada.data.sources import read_source
from cascada.data.splits import assign
from cascada.evaluation.separation import roc_auc
from cascada.physics.columns import COLUMNS
from cascada.training.baselines import fit_anomaly, fit_supervised
from cascada.training.dataset import Sample, take_partition
from cascada.training.scaling import fit_scaling

FOLDERS = {"magic": "magic", "fact": "fact_mc_gamma_proton"}


def experiment(name: str) -> Experiment:
    catalog = REPOSITORY / "data" / "catalog.yaml"
    return load_experiment(REPOSITORY / "flows" / "experiments" / f"{name}.yaml", catalog=catalog)


def partitions(name: str, shared_data: Path, chosen: Experiment) -> tuple[tuple[str, ...], Sample, Sample]:
    """Training and test partition of the images that repeat no other, gammas first."""
    table = read_source(
        open_data_section(name), directory=shared_data / FOLDERS[name], seed=1, threads=1
    ).frame.collect()
    physics = [column for column in table.columns if COLUMNS[column].role == "observable"]
    frame = table.unique(subset=physics, keep="first", maintain_order=True)
    classes = ("photon", "hadron" if name == "magic" else "p")
    manifest = assign(frame, chosen.split, chosen.seed)
    train = take_partition(frame, manifest, "train", features=chosen.features, classes=classes)
    return classes, train, take_partition(frame, manifest, "test", features=chosen.features, classes=classes)


@pytest.mark.parametrize(("name", "least", "most"), [("magic", 0.92, 0.96), ("fact", 0.88, 0.96)])
def test_boosted_trees_tell_gammas_from_hadrons(shared_data: Path, name: str, least: float, most: float) -> None:
    chosen = experiment(name)
    classes, train, test = partitions(name, shared_data, chosen)
    scaling = fit_scaling(train.features, chosen.features)
    small = Baselines.model_validate({"lightgbm": {"trees": 100}})
    model = fit_supervised("lightgbm", train, scaling=scaling, classes=classes, seed=1, threads=1, baselines=small)
    auc = roc_auc(model.predict(test.features)[:, 0], test.labels == 0, np.ones(test.labels.size))
    assert least < auc < most


@pytest.mark.parametrize(("name", "least"), [("magic", 0.80), ("fact", 0.75)])
def test_a_gaussian_of_gammas_alone_finds_hadrons(shared_data: Path, name: str, least: float) -> None:
    chosen = experiment(name)
    _, train, test = partitions(name, shared_data, chosen)
    scaling = fit_scaling(train.features, chosen.features)
    model = fit_anomaly("gaussian_mixture", train.features[train.labels == 0], scaling=scaling, seed=1, threads=1)
    auc = roc_auc(model.score(test.features), test.labels == 1, np.ones(test.labels.size))
    assert least < auc < 0.96


def test_the_truth_of_fact_is_no_feature(shared_data: Path) -> None:
    table = read_source(open_data_section("fact"), directory=shared_data / FOLDERS["fact"], seed=1, threads=1).frame
    truth = [name for name in table.collect_schema().names() if COLUMNS[name].role == "truth"]
    assert set(truth) == {"energy_true_eev", "zenith_true_deg", "impact_true_m"}
    assert not set(truth) & set(experiment("fact").features)
    assert table.collect().height == 2000

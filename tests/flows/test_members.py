"""A model fitted whole: what it refuses, and that a fit killed half way goes on to the same end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import CLASSES, fit_toy, toy, toy_experiment

from cascada.config import Experiment
from cascada.errors import CascadaError, ConfigError, InvalidDataError
from cascada.training.course import Course
from cascada.training.dataset import Sample
from cascada.training.fit import CHECKPOINT
from flows.members import FittedModel, ask, fit_model


def take(sample: Sample, rows: np.ndarray[Any, Any]) -> Sample:
    return Sample(sample.features[rows], sample.labels[rows], sample.groups[rows])


def refused(
    experiment: Experiment, folder: Path, *, classes: tuple[str, ...] = CLASSES, **change: Callable[[Sample], Sample]
) -> CascadaError:
    """Fit with partitions changed by a test, and return the error."""
    samples = {"train": toy(90, seed=1), "validation": toy(30, seed=2), "calibration": toy(30, seed=3)}
    samples = {name: change.get(name, lambda same: same)(sample) for name, sample in samples.items()}
    with pytest.raises(CascadaError) as caught:
        fit_model(experiment, **samples, classes=classes, folder=folder)
    return caught.value


def test_a_class_missing_in_the_training_partition_is_named(tmp_path: Path) -> None:
    error = refused(toy_experiment(), tmp_path, train=lambda sample: take(sample, sample.labels != 1))
    assert isinstance(error, InvalidDataError)
    assert error.what == "the training partition lacks p"
    assert error.got == "photon: 30, p: 0, Fe: 30"


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    def only(sample: Sample) -> Sample:
        chosen = take(sample, sample.labels == 1)
        return Sample(chosen.features, np.zeros_like(chosen.labels), chosen.groups)

    error = refused(toy_experiment(), tmp_path, classes=("p",), train=only, validation=only, calibration=only)
    assert error.what == "the training partition has one class only: p"


@pytest.mark.parametrize("name", ["validation", "calibration"])
def test_a_partition_without_showers_is_named(tmp_path: Path, name: str) -> None:
    error = refused(toy_experiment(), tmp_path, **{name: lambda sample: take(sample, sample.labels < 0)})
    assert name in error.what
    assert "split" in error.hint


def test_a_calibration_partition_of_anomalies_alone_is_refused(tmp_path: Path) -> None:
    error = refused(toy_experiment(), tmp_path, calibration=lambda sample: take(sample, sample.labels == 0))
    assert error.what == "the calibration partition has no showers of the reference primaries"


def test_a_constant_feature_is_refused_by_name(tmp_path: Path) -> None:
    def flat(sample: Sample) -> Sample:
        features = sample.features.copy()
        features[:, 1] = 7.0
        return Sample(features, sample.labels, sample.groups)

    assert "'muon_residual' is constant" in refused(toy_experiment(), tmp_path, train=flat).what


@pytest.mark.parametrize("name", ["validation", "calibration"])
def test_a_feature_that_standardisation_makes_infinite_is_refused_by_name(tmp_path: Path, name: str) -> None:
    def huge(sample: Sample) -> Sample:
        features = sample.features.copy()
        features[3, 2] = 3e38
        return Sample(features, sample.labels, sample.groups)

    with np.errstate(over="ignore"):
        error = refused(toy_experiment(), tmp_path, **{name: huge})
    assert error.what == "feature 'em_residual' is not finite after standardisation"
    assert name in error.where


@pytest.mark.parametrize(("option", "told"), [({"head": "two_step"}, "head"), ({"reconstruction_weight": 0.0}, "0")])
def test_a_model_without_a_head_cannot_be_fitted_by_its_head(tmp_path: Path, option: dict[str, Any], told: str) -> None:
    error = refused(toy_experiment("per_class", **option), tmp_path)
    assert isinstance(error, ConfigError)
    assert told in error.what


def test_answers_do_not_depend_on_the_parts_that_they_are_asked_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fitted = fit_toy(toy_experiment(epochs=1), tmp_path)
    sample = toy(100, seed=5)
    whole = ask(fitted.members[0].network, fitted.scaling, sample)
    monkeypatch.setattr("flows.members.ASK_ROWS", 7)
    parts = ask(fitted.members[0].network, fitted.scaling, sample)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, parts, strict=True))


def test_members_differ_and_their_early_ends_are_told_by_number(tmp_path: Path) -> None:
    fitted = fit_toy(toy_experiment(members=2, epochs=30, patience=1, learning_rate=0.1), tmp_path)
    one, other = (member.network.state_dict() for member in fitted.members)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    assert [told.partition(":")[0] for told in fitted.stopped] == ["member 0", "member 1"]


def test_of_classes_takes_the_chosen_ones() -> None:
    sample = toy(9, seed=1)
    chosen = sample.of_classes((False, True, False))
    assert chosen.groups.tolist() == [1, 4, 7]
    assert np.array_equal(chosen.features, sample.features[1::3])


EPOCHS = 30
"""Of fits that are killed: more than they get done."""

KILLED = {
    "dropout": (toy_experiment("deep", epochs=EPOCHS), 0, 0),
    "denoising": (toy_experiment("simple", epochs=EPOCHS), 0, 0),
    "variational, second member": (toy_experiment("variational", epochs=EPOCHS // 3, members=2), 1, 0),
    "two steps, second step": (toy_experiment("deep", epochs=EPOCHS // 3, head="two_step"), 0, 1),
    "patience": (toy_experiment("deep", epochs=EPOCHS, patience=EPOCHS - 1), 0, 0),
}
"""Experiments, and the member and stage in which their fit is killed."""


def kill_half_way(experiment: Experiment, folder: Path, *, member: int, stage: int) -> Course:
    """Fit in a process of its own, kill it in the middle of an epoch of a stage of a member; return the checkpoint."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            fit_toy(experiment, folder)
        finally:
            os._exit(1)
    checkpoint = folder / f"member-{member}" / CHECKPOINT
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if checkpoint.exists():
            course = Course.load(checkpoint)
            if course.stage == stage and course.epoch >= 2:
                break
        time.sleep(0.002)
    time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended before it was killed"
    return Course.load(checkpoint)


def states(fitted: FittedModel) -> list[dict[str, torch.Tensor]]:
    return [member.network.state_dict() for member in fitted.members]


@pytest.mark.parametrize("case", KILLED)
def test_a_fit_that_was_killed_goes_on_to_the_same_end(tmp_path: Path, case: str) -> None:
    experiment, member, stage = KILLED[case]
    torch.set_num_threads(1)
    left = kill_half_way(experiment, tmp_path / "killed", member=member, stage=stage)
    assert (left.stage, len(left.history) >= 2) == (stage, True)
    assert left.epoch < experiment.training.epochs
    resumed = fit_toy(experiment, tmp_path / "killed", resume=True)
    whole = fit_toy(experiment, tmp_path / "whole")
    assert resumed.history == whole.history
    assert (resumed.temperature, resumed.stopped) == (whole.temperature, whole.stopped)
    for one, other in zip(states(resumed), states(whole), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in other)


def test_without_resume_a_fit_begins_at_the_beginning(tmp_path: Path) -> None:
    first, again = (fit_toy(toy_experiment(), tmp_path) for _ in range(2))
    assert again.history == first.history
    assert len(again.history) == 4


def test_a_finished_fit_is_not_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit_toy(toy_experiment(), tmp_path)
    monkeypatch.setattr("cascada.training.fit._run_trainer", None)
    again = fit_toy(toy_experiment(), tmp_path, resume=True)
    assert again.history == first.history
    assert all(torch.equal(states(again)[0][name], value) for name, value in states(first)[0].items())

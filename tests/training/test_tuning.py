"""Searches with a real Ray, over real fits of toy showers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from objectives import die, visible_gpu
from toys import CLASSES, toy, toy_experiment

from cascada.config import METRICS, Search
from cascada.errors import ConfigError, PlatformError
from cascada.training.dataset import Sample
from cascada.training.tuning import Resources, Tried, find_best, identify, search
from flows.trials import Trials, fit_trial

pytestmark = pytest.mark.slow

SPACE: dict[str, Any] = {
    "training.learning_rate": {"low": 1e-4, "high": 0.1, "log": True},
    "model.latent": {"low": 1, "high": 3, "integer": True},
    "model.hidden": [[4], [16, 8]],
    "anomaly.components": [2, 64],  # 64 need more showers than there are: the trial fails
}


def trials(**training: Any) -> Trials:
    experiment = toy_experiment(score="density", **training)
    samples = (blurred(600, seed=1), blurred(150, seed=2), blurred(90, seed=3))
    return Trials(experiment, *samples, classes=CLASSES, metric="log_loss")


def blurred(rows: int, *, seed: int) -> Sample:
    """Toys that overlap: a model can be better or worse."""
    sample = toy(rows, seed=seed)
    noise = np.random.default_rng(seed + 100).standard_normal(sample.features.shape)
    return replace(sample, features=sample.features + (noise * [4.0, 400.0, 0.04]).astype(np.float32))


def run(config: Search, *, known: dict[str, float] | None = None, epochs: int = 2) -> list[Tried]:
    told: list[Tried] = []
    found = search(
        fit_trial, trials(epochs=epochs), config, seed=5, resources=Resources(epochs=epochs), known=known,
        on_trial=told.append,
    )  # fmt: skip
    assert sorted(told, key=lambda one: one.number) == found
    return found


@pytest.fixture(scope="module")
def tried() -> list[Tried]:
    return run(Search(trials=12, space=SPACE))


def test_trials_lie_in_the_space(tried: list[Tried]) -> None:
    assert [one.number for one in tried] == list(range(1, 13))
    for one in tried:
        assert list(one.parameters) == list(SPACE)
        assert 1e-4 <= float(str(one.parameters["training.learning_rate"])) <= 0.1
        assert one.parameters["model.latent"] in (1, 2, 3)
        assert one.parameters["model.hidden"] in ([4], [16, 8])


def test_a_trial_that_fails_is_told_and_ends_nothing(tried: list[Tried]) -> None:
    failed = {one.number: one for one in tried if one.state == "failed"}
    assert failed.keys() == {one.number for one in tried if one.parameters["anomaly.components"] == 64}
    assert 0 < len(failed) < 12
    for one in failed.values():
        assert one.value is None
        assert one.error == "InvalidDataError: too few reference showers for the density of the anomaly score"


def test_a_value_is_that_of_the_fit_itself(tried: list[Tried]) -> None:
    """Whichever process computes it, after whatever else."""
    for one in [one for one in tried if one.state == "finished"][-2:]:
        assert fit_trial(one.parameters, trials(epochs=2), None) == one.value


def test_the_same_seed_searches_the_same(tried: list[Tried]) -> None:
    again = run(Search(trials=12, space=SPACE))
    assert [one.model_copy(update={"seconds": 0, "cpu_seconds": 0}) for one in again] == [
        one.model_copy(update={"seconds": 0, "cpu_seconds": 0}) for one in tried
    ]


def test_what_is_known_is_not_tried_again(tried: list[Tried]) -> None:
    known = {identify(one.parameters): 0.25 for one in tried[:4] if one.state == "finished"}
    assert known
    again = run(Search(trials=4, space=SPACE), known=known)
    assert [one.parameters for one in again] == [one.parameters for one in tried[:4]]
    assert [one.value for one in again] == [0.25 if one.state == "finished" else None for one in tried[:4]]


def test_bad_trials_end_early_and_two_at_a_time(tried: list[Tried]) -> None:
    space = SPACE | {"anomaly.components": [2], "training.learning_rate": [1e-6, 0.02]}
    found = run(Search(trials=12, parallel=2, early_stopping=True, space=space), epochs=8)
    states = {one.state for one in found}
    assert states == {"finished", "stopped"}
    for one in found:
        if one.parameters["training.learning_rate"] == 0.02 and one.state == "finished":
            assert fit_trial(one.parameters, trials(epochs=8), None) == one.value, "whatever runs beside it"
            break
    assert find_best(found, "log_loss").parameters["training.learning_rate"] == 0.02


def test_a_process_that_dies_fails_its_trial_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_log: Path
) -> None:
    support, watch = Path(__file__).parents[1] / "support", network_log.parent
    monkeypatch.setenv("PYTHONPATH", f"{watch}{os.pathsep}{support}")  # of Ray's processes
    monkeypatch.setenv("NETWORK_WATCH", str(network_log))
    found = search(
        die, None, Search(trials=4, space={"x": [1, 2]}), seed=5, resources=Resources(), on_trial=lambda _: None
    )
    assert {(one.parameters["x"], one.state) for one in found} == {(1, "finished"), (2, "failed")}
    assert {one.error for one in found} == {
        "", "its process ended: The actor is dead because its worker process has died",
    }  # fmt: skip
    assert capsys.readouterr().out == "", "a command prints JSON there"
    assert network_log.read_text() == ""


def test_trials_at_a_time_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
    config, resources = Search(trials=2, parallel=2, space={"x": [1]}), Resources(gpus=1)
    found = search(visible_gpu, None, config, seed=5, resources=resources, on_trial=lambda _: None)
    assert [one.value for one in found] == [0.0, 0.0]


def test_a_ray_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    with pytest.raises(PlatformError, match="Ray does not start") as refused:
        search(die, None, Search(trials=1, space={"x": [1]}), seed=5, resources=Resources(), on_trial=lambda _: None)
    assert "AF_UNIX path length" in refused.value.got
    assert list(deep.iterdir()) == []


def test_the_best_is_the_first_of_the_best_that_finished() -> None:
    def one(number: int, state: Any, value: float | None) -> Tried:
        return Tried(number=number, parameters={}, state=state, value=value, seconds=1.0, error="E: no")

    found = [one(1, "finished", 0.5), one(2, "failed", None), one(3, "stopped", 0.1), one(4, "finished", 0.5)]
    assert {find_best(found, metric).number for metric in METRICS} == {1}
    found.append(one(5, "finished", 0.4))
    assert find_best(found, "log_loss").number == 5
    assert find_best(found, "accuracy").number == 1
    with pytest.raises(ConfigError, match="all 1 trials failed") as refused:
        find_best(found[1:2], "accuracy")
    assert refused.value.got == "E: no"

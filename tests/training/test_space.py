"""What a search may propose: refused, with the key, before anything is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import DEMO, REPOSITORY, TOY_EXPERIMENT

from cascada.config import Experiment, load_experiment
from cascada.errors import ConfigError
from cascada.training.space import require_search, with_values, without_search

RATE = {"training.learning_rate": {"low": "1e-4", "high": "1e-1", "log": True}}


def load(folder: Path, space: dict[str, Any], *overrides: str, **search: Any) -> Experiment:
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY_EXPERIMENT | {"search": {"space": space} | search}, sort_keys=False))
    return load_experiment(path, overrides)


def test_a_valid_space_passes(tmp_path: Path) -> None:
    space = RATE | {
        "model.latent": {"low": 1, "high": 8, "integer": True}, "model.hidden": [[32], [64, 64]],
        "anomaly": [{"score": "reconstruction"}, {"score": "density", "components": 4}],
    }  # fmt: skip
    search = require_search(load(tmp_path, space, trials=7))
    assert (search.trials, search.parallel, search.metric, search.early_stopping) == (7, 1, "log_loss", False)
    assert list(search.space) == list(space)


@pytest.mark.parametrize(
    ("space", "named", "told"),
    [
        ({}, "search.space", "at least 1"),
        ({"model.latent": []}, "search.space.model.latent", "at least 1"),
        ({"model.latent": {"low": 4, "high": 2}}, "search.space.model.latent", "4 does not lie below 2"),
        ({"model.latent": {"low": 4, "high": 4}}, "search.space.model.latent", "4 does not lie below 4"),
        ({"training.weight_decay": {"low": 0, "high": 1, "log": True}}, "training.weight_decay", "begin above 0"),
        ({"model.latent": {"low": 1, "high": 2.5, "integer": True}}, "model.latent", "must be integers"),
        ({"model.latent": {"low": 1, "hgih": 2}}, "search.space.model.latent.range.high", "Field required"),
        ({"model.latent": {"low": 1, "high": float("inf")}}, "search.space.model.latent", "finite"),
        ({"model.latent": 3}, "search.space.model.latent", "should be an object"),
    ],
)  # fmt: skip
def test_a_space_that_says_nothing_sensible_is_refused(
    tmp_path: Path, space: dict[str, Any], named: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, space)
    assert named in refused.value.what
    assert told in refused.value.what


def test_an_unknown_word_in_a_range_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'search.space.model.latent.range.logg'") as refused:
        load(tmp_path, {"model.latent": {"low": 1, "high": 2, "logg": True}})
    assert refused.value.hint == "did you mean log?"


@pytest.mark.parametrize(
    ("space", "told", "hint"),
    [
        ({"model.latents": [2]}, "model.latents: the experiment has no such key", "did you mean model.latent"),
        ({"qqq": [2]}, "qqq: the experiment has no such key", "valid names: anomaly, anomaly.components"),
        ({"seed": [1, 2]}, "seed: a search does not change it", "judged alike"),
        ({"split.test": [0.1]}, "split.test: a search does not change it", "judged alike"),
        ({"model": [{"kind": "deep"}], "model.latent": [2]}, "model.latent lies in model", "leave one out"),
        ({"model.latent": [2, 0]}, "model.deep.latent: Input should be greater than or equal to 1", ""),
        ({"model.latent": {"low": 0, "high": 4, "integer": True}}, "model.deep.latent: Input should be greater", ""),
        ({"model.latent": {"low": 1, "high": 4}}, "latent: Input should be a valid integer", "integer: true"),
        ({"training.learning_rate": {"low": -1, "high": 1}}, "training.learning_rate: Input should be greater", ""),
        ({"training.head": ["joint", "both"]}, "training.head: Input should be 'joint' or 'two_step'", ""),
        ({"model": [{"kind": "simple", "hidden": [3]}]}, "unknown key 'model.simple.hidden'", "did you mean head"),
    ],
)  # fmt: skip
def test_what_would_make_no_experiment_is_refused(tmp_path: Path, space: dict[str, Any], told: str, hint: str) -> None:
    experiment = load(tmp_path, RATE | space)
    with pytest.raises(ConfigError) as refused:
        require_search(experiment)
    assert told in refused.value.what
    assert hint in refused.value.hint
    assert "search.space" in refused.value.where
    assert next(iter(space)) in f"{refused.value.what} {refused.value.where}"


def test_what_changes_the_shared_data_is_refused(tmp_path: Path) -> None:
    experiment = load(tmp_path, {"model.bins": [60, 120]}, "model={kind: trace}")
    with pytest.raises(ConfigError, match=r"^model.bins: trials share the data"):
        require_search(experiment)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["search.metric=accuracy"], "which says little of accuracy"),
        (["search.space={training.epochs: [4, 8]}"], "training.epochs: fits of different lengths"),
        (["training.head=two_step"], "needs a head that is fitted from the first epoch on"),
        (["search.space={model: [{kind: deep}, {kind: per_class}]}"], "needs a head"),
    ],
)
def test_early_stopping_needs_a_loss_that_epochs_share(tmp_path: Path, changes: list[str], told: str) -> None:
    require_search(load(tmp_path, RATE, early_stopping=True))
    experiment = load(tmp_path, RATE, *changes, early_stopping=True)
    with pytest.raises(ConfigError, match=told):
        require_search(experiment)


def test_without_a_section_nothing_is_searched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="says nothing of a search") as refused:
        require_search(without_search(load(tmp_path, RATE)))
    assert refused.value.where == "toy"


def test_values_are_put_in_their_place_and_nothing_else_changes(tmp_path: Path) -> None:
    experiment = load(tmp_path, RATE)
    other = with_values(experiment, {"model.hidden": [8], "training.learning_rate": 0.02, "model.latent": 5})
    assert (other.model.latent, other.training.learning_rate) == (5, 0.02)
    back = with_values(other, {"model.hidden": [64, 64], "training.learning_rate": 5e-3, "model.latent": 2})
    assert back == without_search(experiment)


def test_the_space_of_the_page_and_that_of_the_demo_are_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "tuning.md").read_text(), flags=re.DOTALL)
    section = json.dumps(yaml.safe_load(block)["search"])
    shown = require_search(load_experiment(REPOSITORY / DEMO, [f"search={section}"]))
    assert require_search(load_experiment(REPOSITORY / DEMO)).space.items() <= shown.space.items()


def test_an_experiment_without_a_search_is_written_as_ever(tmp_path: Path) -> None:
    """The key of every cached result is made of it."""
    experiment = load(tmp_path, RATE)
    assert "search" not in without_search(experiment).model_dump(mode="json")
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment

"""Experiment files: what is read, what is refused, and whether the refusal helps."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import REPOSITORY, TOY_EXPERIMENT

from cascada.config import Experiment, SimulatorSource, TextSource, load_experiment
from cascada.config.catalog import find_entry, read_catalog
from cascada.errors import ConfigError
from cascada.training.dataset import check_names

SHIPPED = sorted((REPOSITORY / "flows/experiments").glob("*.yaml"))
CATALOG = REPOSITORY / "data" / "catalog.yaml"

TEXT: dict[str, Any] = {
    "kind": "text", "origin": "zenodo.org/17", "licence": "CC0", "citation": "Doe 2020",
    "files": {"p": "p.txt", "photon": "photon.txt"}, "columns": {"shower_id": {"column": 0}},
}  # fmt: skip


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The toy experiment with values put at dotted keys."""
    data = copy.deepcopy(TOY_EXPERIMENT)
    for key, value in changes:
        *parents, last = key.split(".")
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = copy.deepcopy(value)
    return data


def write(folder: Path, data: object) -> Path:
    path = folder / "toy.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def refusal(path: Path, *overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, overrides)
    return caught.value


def test_defaults_stand_in_the_code(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, TOY_EXPERIMENT))
    assert isinstance(experiment.source, SimulatorSource)
    assert experiment.source.primaries == ("photon", "p", "He", "N", "Fe")
    assert experiment.reference == ("p", "He", "N", "Fe")
    assert (experiment.split.validation, experiment.split.calibration, experiment.split.test) == (0.1, 0.1, 0.2)
    assert experiment.repair == "none"


def test_an_experiment_survives_the_round_trip(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, changed(("source", TEXT), ("split.test", 0.3))))
    assert isinstance(experiment.source, TextSource)
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    assert load_experiment(write(tmp_path, json.dumps(experiment.model_dump(mode="json")))) == experiment


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_experiments_of_the_repository_load(path: Path) -> None:
    experiment = load_experiment(path, catalog=CATALOG)
    assert experiment.name == path.stem
    check_names(experiment)


def test_the_repository_brings_its_experiments() -> None:
    assert [path.stem for path in SHIPPED] == ["composition", "demo", "fact", "magic", "traces"]


@pytest.mark.parametrize(
    ("key", "value", "named", "hint"),
    [
        ("trainin", {}, "'trainin'", "did you mean training?"),
        ("qqq", 1, "'qqq'", "valid names: anomaly, baselines, expectations"),
        ("training.epoch", 3, "'training.epoch'", "did you mean epochs?"),
        ("split.tests", 0.1, "'split.tests'", "did you mean test?"),
        ("model.latents", 3, "'model.deep.latents'", "did you mean latent?"),
        ("gate.min_acuracy", 0.1, "'gate.min_acuracy'", "did you mean min_accuracy"),
        ("expectations.raws", "x", "'expectations.raws'", "did you mean raw"),
        ("source.shower", 10, "'source.simulator.shower'", "did you mean showers?"),
        ("source", TEXT | {"license": "CC0"}, "'source.text.license'", "did you mean licence?"),
        (
            "source", TEXT | {"columns": {"shower_id": {"colum": 0, "column": 0}}},
            "'source.text.columns.shower_id.colum'", "did you mean column?",
        ),
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest(tmp_path: Path, key: str, value: object, named: str, hint: str) -> None:
    path = write(tmp_path, changed((key, value)))
    error = refusal(path)
    assert error.what == f"unknown key {named}"
    assert error.where == str(path)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("seed", "tomorrow", "seed:"),
        ("seed", -1, "seed:"),
        ("seed", 1.5, "seed:"),
        ("name", "My Model", "name:"),
        ("features", [], "features:"),
        ("reference", [], "reference:"),  # the decoder is fitted on it, p-values are ranks in it
        ("features", "lg_energy", "features:"),
        ("training.epochs", 0, "training.epochs:"),
        ("training.learning_rate", "fast", "training.learning_rate:"),
        ("split.test", 1.5, "split.test:"),
        ("model.hidden", [], "model.deep.hidden:"),
        ("model.kind", "shallow", "model:"),
        ("gate.min_accuracy", float("nan"), "gate.min_accuracy:"),
        ("source.kind", "oracle", "source:"),
        ("source.showers", 0, "source.simulator.showers:"),
        ("source.zenith_deg_max", 75, "source.simulator.zenith_deg_max:"),
        ("source.hadronic_model", "EPOS-LCH", "source.simulator.hadronic_model:"),
        ("source", TEXT | {"columns": {"n_mu": {"column": 1, "floor_divide": 0}}}, "columns.n_mu.floor_divide:"),
    ],
)
def test_a_wrong_value_names_its_key(tmp_path: Path, key: str, value: object, named: str) -> None:
    path = write(tmp_path, changed((key, value)))
    error = refusal(path)
    assert named in error.what
    assert error.where == str(path)
    assert error.got


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([("source.lg_energy_ev_min", 19.5), ("source.lg_energy_ev_max", 19.5)], "must be below lg_energy_ev_max"),
        ([("split.test", 0.5), ("split.validation", 0.5)], "at least 0.1 of the groups for training"),
    ],
)
def test_values_that_contradict_each_other(tmp_path: Path, changes: list[tuple[str, Any]], words: str) -> None:
    assert words in refusal(write(tmp_path, changed(*changes))).what


def test_a_missing_key_and_how_many_problems_more(tmp_path: Path) -> None:
    path = write(tmp_path, {name: value for name, value in TOY_EXPERIMENT.items() if name not in {"seed", "gate"}})
    error = refusal(path)
    assert error.what.startswith("seed: ")
    assert "(1 more problem)" in error.what
    assert error.got == "nothing"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seed=8", 8),
        ("training.epochs=3", 3),
        ("source.primaries=[photon, p]", ("photon", "p")),
        ("model.hidden=[8, 4]", (8, 4)),
        ("gate.max_accuracy=8e-1", 0.8),
    ],
)
def test_overrides_stand_above_the_file(tmp_path: Path, override: str, value: object) -> None:
    found: object = load_experiment(write(tmp_path, TOY_EXPERIMENT), [override])
    for name in override.partition("=")[0].split("."):
        found = getattr(found, name)
    assert found == value


def test_the_last_override_wins(tmp_path: Path) -> None:
    assert load_experiment(write(tmp_path, TOY_EXPERIMENT), ["seed=8", "seed=9"]).seed == 9


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed", "--set takes dotted.key=value"),
        ("=3", "--set takes dotted.key=value"),
        ("seed.root=3", "seed=7"),
        ("features.0=lg_energy", "features=['lg_energy'"),
        ("training.epoch=3", "did you mean epochs?"),
        ("seed=", "seed: "),
    ],
)
def test_a_malformed_override(tmp_path: Path, override: str, told: str) -> None:
    assert told in str(refusal(write(tmp_path, TOY_EXPERIMENT), override))


@pytest.mark.parametrize("override", ["features=[lg_energy", "name='toy", "name=\x00", "seed=2020-13-45"])
def test_an_override_that_is_no_yaml(tmp_path: Path, override: str) -> None:
    error = refusal(write(tmp_path, TOY_EXPERIMENT), override)
    assert error.what == "the value of --set cannot be read as YAML"
    assert error.where == override
    assert error.got


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, TOY_EXPERIMENT)
    error = refusal(tmp_path / "toi.yaml")
    assert error.where == str(tmp_path / "toi.yaml")
    assert error.hint == f"did you mean {path}?"
    assert "no *.yaml" in refusal(tmp_path / "nowhere/toy.yaml").hint


@pytest.mark.parametrize("text", ["name: [demo\n", "name: 'demo\n", "\tname: demo\n"])
def test_what_is_no_yaml(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    error = refusal(path)
    assert "cannot be read as YAML" in error.what
    assert (error.where, "line" in error.got) == (str(path), True)


@pytest.mark.parametrize(("text", "got"), [("- name: toy\n", "list"), ("demo\n", "str"), ("", "NoneType")])
def test_what_holds_no_keys(tmp_path: Path, text: str, got: str) -> None:
    error = refusal(write(tmp_path, text))
    assert "keys and values" in error.what
    assert error.got == got


@pytest.mark.parametrize(
    ("changes", "named", "hint"),
    [
        ([("features", ["lg_energi"])], "unknown feature 'lg_energi'", "lg_energy"),
        ([("reference", ["p", "Fee"])], "unknown primary 'Fee'", "Fe"),
        ([("source.primaries", ["photon", "p"]), ("reference", ["p", "Fe"])], "the source has no 'Fe'", "photon"),
        ([("source.primaries", ["photon", "proton"])], "unknown primary 'proton'", "photon"),
        ([("source", TEXT), ("reference", ["p", "He"])], "the source has no 'He'", "p, photon"),
        ([("source", TEXT), ("reference", ["photon", "p"])], "every primary is called normal", "photon"),
        ([("reference", ["photon", "p", "He", "N", "Fe"])], "every primary is called normal", "photon"),
    ],
)
def test_names_are_checked_before_anything_is_computed(
    tmp_path: Path, changes: list[tuple[str, Any]], named: str, hint: str
) -> None:
    experiment = load_experiment(write(tmp_path, changed(*changes)))
    with pytest.raises(ConfigError) as caught:
        check_names(experiment)
    assert named in caught.value.what
    assert hint in caught.value.hint


def test_text_sources_may_leave_primaries_out(tmp_path: Path) -> None:
    check_names(load_experiment(write(tmp_path, changed(("source", TEXT), ("reference", ["p"])))))


def test_a_data_set_of_the_catalogue_brings_source_repair_and_suites(tmp_path: Path) -> None:
    named = {key: value for key, value in TOY_EXPERIMENT.items() if key != "source"} | {"dataset": "composition"}
    experiment = load_experiment(write(tmp_path, named), catalog=CATALOG)
    entry = find_entry(read_catalog(CATALOG), "composition").dataset
    assert (experiment.source, experiment.repair, experiment.expectations) == (
        entry.source, entry.repair, entry.expectations,
    )  # fmt: skip
    mine = named | {"repair": "none", "source": {"directory": "elsewhere"}}
    changed_entry = load_experiment(write(tmp_path, mine), ["source.separator=;"], catalog=CATALOG)
    assert isinstance(changed_entry.source, TextSource)
    assert (changed_entry.repair, str(changed_entry.source.directory)) == ("none", "elsewhere")
    assert changed_entry.source.separator == ";"


def test_an_unknown_data_set_names_the_nearest(tmp_path: Path) -> None:
    named = {key: value for key, value in TOY_EXPERIMENT.items() if key != "source"} | {"dataset": "compositon"}
    with pytest.raises(ConfigError, match="'compositon'") as caught:
        load_experiment(write(tmp_path, named), catalog=CATALOG)
    assert "did you mean composition" in caught.value.hint

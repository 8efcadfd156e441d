"""Roll back, list, show and compare: in a real MLflow store, with real bundles of an untrained network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from registered import FAILED, PASSED, Registry, toy_project
from typer.testing import CliRunner, Result

from cascada.cli.main import app
from cascada.errors import ArtifactError, ConfigError
from cascada.registry import promotion
from cascada.registry.deployment import current, history
from cascada.registry.package import open_package
from cascada.registry.promotion import Decision
from cascada.tracking import models
from cascada.tracking.models import CHALLENGER, CHAMPION, ModelVersion
from flows.deployment import deploy_champion

NAMES = count()
SHIFTER = Decision(by="shifter", reason="a storm")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with toy_project(tmp_path_factory.mktemp("project")) as made:
        yield made


@pytest.fixture
def served(registry: Registry) -> tuple[str, Path]:
    """A model with two champions after one another, the second one served; and its folder."""
    return two_champions(registry)


@pytest.fixture(scope="module")
def standing(registry: Registry) -> tuple[str, Path]:
    """Such a model with a challenger, for tests that change nothing."""
    name, folder = two_champions(registry)
    promotion.promote(registry.register(name, right=600), FAILED)
    return name, folder


def two_champions(registry: Registry) -> tuple[str, Path]:
    name = f"toy-{next(NAMES)}"
    for right in (700, 750):
        crown(registry.register(name, right=right))
    return name, registry.root / ".cascada" / "served" / name


def crown(version: ModelVersion) -> None:
    deploy_champion(promotion.promote(version, PASSED))


def cascada(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refused(*arguments: str) -> str:
    """What a command says that is refused."""
    error = cascada(*arguments).exception
    assert isinstance(error, ArtifactError | ConfigError), error
    return str(error)


def serves(folder: Path) -> int:
    found = current(folder)
    assert found is not None
    return open_package(found, trusted=folder.parents[1] / "keys").identity.version


def champion(name: str) -> int | None:
    version = models.find_alias(name, CHAMPION)
    return version and version.version


def test_a_rollback_moves_alias_and_deployment_and_tells_why(served: tuple[str, Path]) -> None:
    name, folder = served
    assert (champion(name), serves(folder)) == (2, 2)
    answer = cascada("rollback", name, "--reason", "it calls thunder photons")
    assert answer.exit_code == 0, answer.output
    assert f"{name} version 1 is champion again, in the place of version 2" in answer.output
    assert (champion(name), serves(folder)) == (1, 1)
    last = history(folder)[-1]
    assert (last.before, last.after) == (2, 1)
    assert last.reason.endswith(": it calls thunder photons")
    assert "it calls thunder photons" in models.get_version(name, 2).tags["rolled_back"]


def test_what_was_rolled_back_from_is_not_rolled_back_to_unless_named(served: tuple[str, Path]) -> None:
    name, folder = served
    cascada("rollback", name, "--reason", "one")
    told = refused("rollback", name, "--reason", "two")
    assert "nothing to roll" in told
    assert "champions in the history: 1, 2" in told
    assert (champion(name), serves(folder)) == (1, 1)
    assert cascada("rollback", name, "--reason", "three", "--to", "2").exit_code == 0
    assert (champion(name), serves(folder)) == (2, 2)
    assert models.get_version(name, 2).tags["rolled_back"] == ""


def test_a_rollback_of_three_goes_to_the_one_before(registry: Registry, served: tuple[str, Path]) -> None:
    name, folder = served
    crown(registry.register(name, right=760))
    found = json.loads(cascada("rollback", name, "--reason", "x", "--json").output)
    assert (found["version"], found["before"], found["champion"], found["answered"]) == (2, 3, True, False)
    assert [change["after"] for change in found["history"]] == [1, 2, 3, 2]
    assert json.loads(cascada("rollback", name, "--reason", "y", "--json").output)["version"] == 1
    assert serves(folder) == 1


def test_a_later_verdict_against_another_champion_does_not_bar_the_way_back(served: tuple[str, Path]) -> None:
    name, folder = served
    promotion.record_verdict(models.get_version(name, 1), FAILED)
    assert cascada("rollback", name, "--reason", "x").exit_code == 0
    found = current(folder)
    assert found is not None
    assert open_package(found, trusted=folder.parents[1] / "keys").identity.verdict == "passed"


def test_who_was_never_champion_is_not_rolled_back_to(standing: tuple[str, Path]) -> None:
    name, folder = standing
    told = refused("rollback", name, "--reason", "x", "--to", "3")
    assert "version 3 was never champion" in told
    assert f"cascada promote {name}@3" in told
    assert (champion(name), serves(folder)) == (2, 2)


def test_an_altered_bundle_is_not_rolled_back_to(registry: Registry, served: tuple[str, Path]) -> None:
    name, folder = served
    run = models.get_version(name, 1).run_id
    spec = registry.root / ".cascada" / "mlartifacts" / run / "artifacts" / "bundle" / "bundle.json"
    spec.write_text(spec.read_text() + "\n")
    assert "not the one that was judged" in refused("rollback", name, "--reason", "x")
    assert (champion(name), serves(folder)) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rollback", "{name}", "--reason", " "), "rollback needs a reason"),
        (("promote", "{name}@1", "--force"), "--force needs a reason"),
        (("rollback", "{name}", "--reason", "x", "--to", "2"), "version 2 is champion already"),
        (("rollback", "{name}", "--reason", "x", "--to", "9"), "has the number '9'"),
        (("rollback", "{name}", "--reason", "x", "--to", "0"), "has the number '0'"),
        (("rollback", "nothing", "--reason", "x"), "no version of the model 'nothing'"),
        (("promote", "{name}@winner"), "has the alias 'winner'"),
        (("models", "show", "{name}@9"), "has the number '9'"),
        (("models", "diff", "{name}@1", "other@1"), "no version of the model 'other'"),
    ],
)
def test_refusals(standing: tuple[str, Path], arguments: tuple[str, ...], told: str) -> None:
    name, folder = standing
    assert told in refused(*(one.format(name=name) for one in arguments))
    assert (champion(name), serves(folder)) == (2, 2)


def test_force_is_loud_and_never_for_invalid_data(registry: Registry, served: tuple[str, Path]) -> None:
    name, folder = served
    tainted = registry.register(name, right=800, data_valid=False)
    with pytest.raises(ArtifactError, match="never promoted"):
        promotion.force(tainted, FAILED, SHIFTER)
    assert champion(name) == 2
    forced = promotion.force(registry.register(name, right=650), FAILED, SHIFTER)
    deploy_champion(forced)
    assert champion(name) == 4 == serves(folder)
    assert (forced.tags["forced_by"], forced.tags["forced_reason"]) == ("shifter", "a storm")
    found = current(folder)
    assert found is not None
    assert open_package(found, trusted=folder.parents[1] / "keys").identity.verdict == "forced"
    listed = {v["version"]: v for v in json.loads(cascada("models", "ls", "--json").output) if v["name"] == name}
    assert listed[4]["note"] == "forced by shifter: a storm"
    assert (listed[4]["served"], listed[2]["served"]) == (True, False)
    assert listed[2]["note"] == "former champion"


def test_a_champion_is_not_judged_again(standing: tuple[str, Path]) -> None:
    name, folder = standing
    answer = cascada("promote", f"{name}@champion")
    assert answer.exit_code == 0, answer.output
    assert f"{name} version 2 is champion" in answer.output
    assert len(history(folder)) == 2


def test_show_tells_verdict_lineage_and_history(standing: tuple[str, Path]) -> None:
    name, _ = standing
    answer = cascada("models", "show", f"{name}@challenger")
    assert answer.exit_code == 0, answer.output
    for told in (f"{name} version 3", "3 of 1, 2, 3", "0.850 [0.840, 0.860]", "none; `cascada verify`", "lowest level"):
        assert told in answer.output
    found = json.loads(cascada("models", "show", name, "--json").output)
    version = models.get_version(name, 2)
    assert (found["listed"]["version"], found["listed"]["run_id"]) == (2, version.run_id)
    assert found["manifest_sha256"] == version.tags["manifest_sha256"]
    assert [check["name"] for check in found["verdict"]["checks"]] == ["accuracy"]
    assert [change["after"] for change in found["history"]] == [1, 2]


def test_a_verdict_that_was_altered_is_told(registry: Registry, served: tuple[str, Path]) -> None:
    name, _ = served
    version = models.get_version(name, 2)
    folder = registry.root / ".cascada" / "mlartifacts" / version.run_id / "artifacts" / "verdicts"
    path = folder / f"{version.tags['verdict_sha256']}.json"
    path.write_text(path.read_text().replace("0.750", "0.990"))
    assert "the verdict on a version was altered" in refused("models", "show", name)


def test_two_versions_side_by_side(standing: tuple[str, Path]) -> None:
    name, _ = standing
    answer = cascada("models", "diff", name, f"{name}@{CHALLENGER}")
    assert answer.exit_code == 0, answer.output
    assert "The specs of the bundles are equal." in answer.output
    found = json.loads(cascada("models", "diff", name, f"{name}@3", "--json").output)
    assert {pair["name"]: (pair["one"] is None, pair["other"]["passed"]) for pair in found["checks"]} == {
        "accuracy": (False, True), "anomaly AUC": (True, False),
    }  # fmt: skip
    (accuracy,) = found["metrics"]
    assert (accuracy["one"]["value"], accuracy["other"]["value"], accuracy["one"]["n"]) == (0.75, 0.6, 1000)
    assert found["same_showers"]
    assert [c["key"] for c in found["runs"]["aspects"]["training"]] == ["parameters.epochs"]

"""A job is a plain function, and a recorded run where it is the script."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from repositories import repository, write

from cascada import job
from cascada.errors import ConfigError
from cascada.jobs.execute import execute
from cascada.jobs.parameters import bind_parameters, to_json
from cascada.repro.record import RunRecord, list_records

JOB = """
from cascada import job
import random

@job
def train(epochs: int = 3, rate: float = 0.1, model: dict = {"layers": 2, "drop": 0.5}):
    print("training", epochs, rate, model)
    return {"loss": rate / epochs, "luck": random.random()}

if __name__ == "__main__":
    print(sorted(train(epochs=4)))
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The copies into MLflow run beside the tests and fail at once: they have tests of their own.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.delenv("CASCADA_ROOT", raising=False)
    return repository(tmp_path / "work", {"train.py": JOB})


def run(work: Path, script: str = JOB, **options: Any) -> RunRecord:
    write(work, "train.py", script)
    number = len(list(work.glob(".cascada/runs/run*")))
    return execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / f"run{number}", **options)


def python(work: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=work, capture_output=True, text=True, check=False)


def only_record(work: Path) -> RunRecord:
    (record,) = list_records(work / ".cascada")
    return record


def test_imported_it_is_the_plain_function(work: Path) -> None:
    answer = python(work, "-c", "import train; print(train.train(epochs=1, rate='no check'[:0] or 2.0)['loss'])")
    assert answer.stdout.splitlines()[-1] == "2.0"
    assert not (work / ".cascada").exists()


def test_here_it_is_the_plain_function_too() -> None:
    @job
    def double(x: int) -> int:
        """Say twice."""
        return 2 * x

    assert double("ab") == "abab"  # type: ignore[comparison-overlap, arg-type]
    assert (double.__name__, double.__doc__) == ("double", "Say twice.")


def test_a_script_that_python_runs_is_recorded(work: Path) -> None:
    answer = python(work, "train.py")
    assert answer.stdout == "training 4 0.1 {'layers': 2, 'drop': 0.5}\n['loss', 'luck']\n", answer.stderr
    record = only_record(work)
    manifest = record.manifest
    assert (manifest.kind, manifest.status, manifest.exit_code) == ("job", "finished", 0)
    assert manifest.command == ("train.py",)
    assert manifest.training["parameters"] == {"epochs": 4, "rate": 0.1, "model": {"layers": 2, "drop": 0.5}}
    assert manifest.assessment["metrics"]["loss"] == 0.025
    assert record.log.read_text() == "training 4 0.1 {'layers': 2, 'drop': 0.5}\n"
    assert manifest.randomness["flags"]["PYTHONHASHSEED"] == "random"


def test_a_run_by_python_and_its_replay_agree(work: Path) -> None:
    python(work, "train.py")
    first = only_record(work).manifest
    again = run(work, seed=first.randomness["root_seed"]).manifest
    assert again.kind == "job"
    assert again.assessment["metrics_sha256"] == first.assessment["metrics_sha256"]


def test_a_failing_job_is_recorded_and_raises(work: Path) -> None:
    write(work, "train.py", JOB.replace("rate / epochs", "rate / 0"))
    answer = python(work, "train.py")
    assert answer.returncode == 1
    assert "ZeroDivisionError" in answer.stderr
    manifest = only_record(work).manifest
    assert (manifest.status, manifest.exit_code) == ("failed", 1)
    assert manifest.error.startswith("ZeroDivisionError")


def test_the_command_line_goes_over_the_file_over_the_call_over_the_default(work: Path) -> None:
    record = run(work, parameters={"rate": 0.5, "epochs": 5}, overrides=("epochs=10", "model.layers=7"))
    expected = {"epochs": 10, "rate": 0.5, "model": {"layers": 7, "drop": 0.5}}
    assert record.manifest.training["parameters"] == expected
    assert record.manifest.assessment["metrics"]["loss"] == 0.05
    assert record.manifest.training["given"] == {"rate": 0.5, "epochs": 5}
    assert record.manifest.training["overrides"] == ["epochs=10", "model.layers=7"]


def test_an_unknown_parameter_fails_the_run_with_the_nearest(work: Path) -> None:
    record = run(work, overrides=("epoch=10",))
    assert (record.manifest.status, record.manifest.exit_code) == ("failed", 2)
    assert "no parameter 'epoch'" in record.log.read_text()
    assert "did you mean epochs?" in record.log.read_text()
    assert "Traceback" not in record.log.read_text()


def test_artifacts_are_kept(work: Path) -> None:
    script = """
from pathlib import Path
from cascada import job
@job(name="analysis", data=["numbers.txt"])
def analyse(path: Path = Path("numbers.txt")):
    Path("plot.txt").write_text("drawn")
    return {"mean": 2}, {"plot.txt": Path("plot.txt"), "table": {"rows": [1, 2]}}
analyse()
"""
    write(work, "numbers.txt", "1 2 3")
    record = run(work, script)
    assert record.manifest.status == "finished", record.log.read_text()
    assert (record.outputs / "plot.txt").read_text() == "drawn"
    assert json.loads((record.outputs / "table.json").read_text()) == {"rows": [1, 2]}
    assert set(record.manifest.assessment["outputs"]) == {"plot.txt", "table.json"}
    assert record.manifest.dataset["inputs"][0]["path"] == "numbers.txt"
    assert record.manifest.training["parameters"] == {"path": "numbers.txt"}


@pytest.mark.parametrize(
    ("returned", "words"),
    [("42", "metrics"), ("{'loss': 'high'}", "metrics"), ("({'loss': 1}, {'f': object()})", "artifact f"),
     ("({}, {'../../manifest.json': {}})", "artifact ../../manifest.json")],
)  # fmt: skip
def test_what_cannot_be_recorded_fails_the_run(work: Path, returned: str, words: str) -> None:
    record = run(work, f"from cascada import job\n@job\ndef f():\n    return {returned}\nf()\n")
    assert record.manifest.status == "failed"
    assert f"the {words} that the job returned cannot be recorded" in record.manifest.error


def test_a_job_in_a_job_is_a_plain_call(work: Path) -> None:
    script = """
from cascada import job
@job
def inner(depth: int = 1):
    return {"inner": depth}
@job
def outer(width: int = 2):
    return {"outer": inner(depth=5)["inner"] + width}
outer()
"""
    manifest = run(work, script).manifest
    assert manifest.training["parameters"] == {"width": 2}
    assert manifest.assessment["metrics"] == {"outer": 7.0}


def test_arguments_without_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="'rest' has none"):

        @job
        def train(*rest: int) -> None: ...


@dataclass(frozen=True)
class Network:
    layers: int = 2
    activation: Literal["relu", "tanh"] = "relu"


def fit(epochs: int, network: Network = Network(), rate: float = 0.1) -> None: ...


def bound(*arguments: Any, given: dict[str, Any] | None = None, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    return bind_parameters(fit, arguments, {}, given=given or {}, overrides=overrides)


def test_parameters_get_their_declared_types() -> None:
    values = bound(given={"epochs": "3", "network": {"layers": 4}}, overrides=("network.activation=tanh", "rate=1"))
    assert values == {"epochs": 3, "network": Network(4, "tanh"), "rate": 1.0}
    assert to_json(values) == {"epochs": 3, "network": {"layers": 4, "activation": "tanh"}, "rate": 1.0}
    assert bound(7)["network"] == Network()


@pytest.mark.parametrize(
    ("given", "overrides", "words"),
    [
        ({}, (), "parameter epochs: Field required"), ({"epochs": "many"}, (), "parameter epochs: .* integer"),
        ({"epochs": 1}, ("network.activation=elu",), "parameter network.activation"),
        ({"epochs": 1}, ("rate",), "--set takes"), ({"epochs": 1}, ("rate=[",), "cannot be read as YAML"),
        ({"epochs": 1}, ("rate.deep=1",), "reaches into float"), ({"epoch": 1}, (), "no parameter 'epoch'"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(given: dict[str, Any], overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bound(given=given, overrides=overrides)


def test_parameters_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(ConfigError, match="parameter model cannot be recorded") as caught:
        to_json({"model": object()})
    assert caught.value.got == "object"

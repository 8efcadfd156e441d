"""A notebook runs as it is, seeded and watched, and is kept as it came out."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from repositories import repository

from cascada.jobs.execute import execute
from cascada.repro.record import RunRecord
from cascada.repro.seeds import library_seeds


def notebook(*cells: str) -> str:
    listed = [
        {"cell_type": "code", "execution_count": None, "id": f"c{i}", "metadata": {}, "outputs": [], "source": cell}
        for i, cell in enumerate(cells)
    ]
    return json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def run(tmp_path: Path, *cells: str, **options: Any) -> RunRecord:
    root = repository(
        tmp_path / "work", {"deep/analysis.ipynb": notebook(*cells), "deep/helper.py": "WORD = 'found'\n"}
    )
    arguments = options.pop("arguments", ())
    folder = root / ".cascada" / "runs" / "a"
    return execute("deep/analysis.ipynb", arguments, cwd=root, record_folder=folder, **options)


def outputs(record: RunRecord) -> list[Any]:
    kept = json.loads((record.outputs / "analysis.ipynb").read_text())
    return [output for cell in kept["cells"] for output in cell["outputs"]]


def shown(output: Any) -> str:
    return "".join(output["data"]["text/plain"])


def test_a_notebook_is_executed_and_kept(tmp_path: Path) -> None:
    record = run(
        tmp_path, "import sys, helper, random\nprint(helper.WORD, sys.argv)", "random.random()", "%pwd",
        "from sklearn.metrics import accuracy_score\naccuracy_score([1, 0], [1, 1])", arguments=("--fast",), seed=5,
    )  # fmt: skip
    manifest = record.manifest
    assert (manifest.kind, manifest.status, manifest.exit_code) == ("notebook", "finished", 0), record.log.read_text()
    assert record.log.read_text() == "found ['deep/analysis.ipynb', '--fast']\n"
    _, number, folder, score = outputs(record)
    expected = random.Random(library_seeds(5)["python"]).random()  # noqa: S311 - what the notebook is to print
    assert float(shown(number)) == expected
    assert shown(folder) == repr(str((tmp_path / "work" / "deep").resolve()))
    assert float(shown(score)) == 0.5
    assert manifest.assessment["metrics"] == {"accuracy_score": 0.5}
    assert list(manifest.assessment["outputs"]) == ["analysis.ipynb"]
    assert "scikit-learn" in manifest.software.imported
    assert (tmp_path / "work/deep/analysis.ipynb").read_text() == notebook(
        "import sys, helper, random\nprint(helper.WORD, sys.argv)", "random.random()", "%pwd",
        "from sklearn.metrics import accuracy_score\naccuracy_score([1, 0], [1, 1])",
    )  # fmt: skip


def test_two_executions_are_the_same_bytes(tmp_path: Path) -> None:
    cells = ("import random, numpy as np", "print(random.random(), np.random.default_rng().random(), hash('word'))")
    first, second = (run(tmp_path / name, *cells).outputs / "analysis.ipynb" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_a_failing_cell_fails_the_run_and_what_came_before_is_kept(tmp_path: Path) -> None:
    record = run(tmp_path, "print('before')", "1 / 0", "print('after')")
    manifest = record.manifest
    assert (manifest.status, manifest.exit_code) == ("failed", 1)
    assert manifest.error == "ZeroDivisionError: division by zero"
    kinds = [output["output_type"] for output in outputs(record)]
    assert kinds == ["stream", "error"]


def test_a_kernel_that_dies_fails_the_run(tmp_path: Path) -> None:
    record = run(tmp_path, "import os\nos._exit(1)")
    assert record.manifest.status == "failed"
    assert "died" in record.manifest.error.lower()


def test_secrets_do_not_reach_the_kept_notebook(tmp_path: Path) -> None:
    record = run(
        tmp_path, "import os\nprint(os.environ['SOME_API_KEY'])", environment={"SOME_API_KEY": "correct-horse"}
    )
    assert "".join(outputs(record)[0]["text"]) == "***\n"
    assert all(b"correct-horse" not in p.read_bytes() for p in record.folder.rglob("*") if p.is_file())


def test_a_timeout_ends_the_kernel_too(tmp_path: Path) -> None:
    import psutil

    cell = "import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    record = run(tmp_path, cell, timeout_s=8)
    assert record.manifest.exit_code == 124
    pid = int((tmp_path / "work" / "deep" / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_file_itself_is_left_as_it_was(tmp_path: Path) -> None:
    record = run(tmp_path, "1 + 1")
    assert not record.manifest.code.dirty

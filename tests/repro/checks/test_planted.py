"""Every check that a program makes: a project that meets it, and the same project with a defect planted."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from repositories import git, repository, write

from cascada.repro.checks.checklist import FAMILIES
from cascada.repro.checks.evidence import CHECKS, Evidence
from cascada.repro.compare import Comparison, Verdict
from cascada.repro.environment import CodeState, Hardware, Software
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.specification import BY_HAND, load_specification
from cascada.repro.verification import ASPECTS, AspectCheck, Verification

CROISSANT = {
    "name": "table", "license": "https://creativecommons.org/licenses/by/4.0/",
    "distribution": [{"@type": "cr:FileObject", "name": "train.csv", "sha256": "a" * 64}],
}  # fmt: skip
FILES = {
    "train.py": "import sys\nseed = int(sys.argv[1])\n",
    "LICENSE": "MIT\n",
    "CITATION.cff": "cff-version: 1.2.0\nmessage: cite\ntitle: t\nauthors: [{name: a}]\ndoi: 10.5281/zenodo.1\n",
    "README.md": "# T\n```sh\npython train.py 1\n```\n",
    "requirements.txt": f"numpy=={importlib.metadata.version('numpy')}\n",
    "Makefile": "all:\n\tpython train.py 1\n",
    "tests/test_train.py": "def test_it():\n    pass\n",
    ".github/workflows/ci.yml": "on: push\n",
    "data/README.md": "From https://example.org/table, licence CC BY 4.0.\n",
    "data/croissant.json": json.dumps(CROISSANT),
    "data/train.csv": "x,y\n1,2\n3,4\n",
    "data/test.csv": "x,y\n5,6\n7,8\n",
}
HARDWARE = Hardware(machine="x86_64", processor="Cray-1", cores=1, memory_gib=0.1, gpus=(), flags=("vector",))
SOFTWARE = Software(
    python="3.11.7", system="Linux", packages={"numpy": "2"}, lock_sha256="a" * 64, image="name@sha256:1"
)


def as_read(root: Path, name: str) -> dict[str, Any]:
    path = root / name
    return {"path": name, "sha256": file_sha256(path) if path.exists() else "0" * 64, "bytes": 9, "files": 1}


def manifest_of(root: Path, **changes: Any) -> Manifest:
    inputs = [as_read(root, f"data/{part}.csv") for part in ("train", "test")]
    told = {
        "status": "finished", "started": "2026-01-01T00:00:00", "ended": "2026-01-01T00:01:00",
        "command": ("train.py",),
        "dataset": {"inputs": inputs}, "preprocessing": {}, "partitions": {},
        "training": {"parameters": {"rate": 1}, "parameters_sha256": "d" * 64, "code_sha256": "e" * 64},
        "code": CodeState(commit=git(root, "rev-parse", "HEAD").strip(), dirty=False, changes=(), changes_sha256=""),
        "assessment": {"metrics": {"loss": 0.5, "loss_low": 0.4, "loss_high": 0.6}, "metrics_sha256": "f" * 64},
        "randomness": {"root_seed": 1, "seeds": {"numpy": 2}, "flags": {"PYTHONHASHSEED": "1"}},
        "software": SOFTWARE, "hardware": HARDWARE,
    }  # fmt: skip
    return Manifest(run_id="one", experiment="train", kind="script", **(told | changes))


def verification(verdict: Verdict = Verdict.IDENTICAL) -> Verification:
    same = tuple(AspectCheck(aspect=aspect, outcome="same", detail="") for aspect in ASPECTS)
    return Verification(
        run_id="one", manifest_sha256="", level="replay", started="2026-01-02T03:04:05+00:00", ended="",
        comparison=Comparison(verdict=verdict, reasons=()), aspects=same,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A project that meets every requirement that a program judges; for looking only."""
    folder = tmp_path_factory.mktemp("whole")
    root = repository(folder / "work", FILES)
    git(folder, "init", "--quiet", "--bare", "remote")
    git(root, "remote", "add", "origin", str(folder / "remote"))
    git(root, "push", "--quiet", "origin", "HEAD")
    runs = [
        manifest_of(root, randomness={"root_seed": n, "seeds": {"numpy": n}, "flags": {"A": "1"}}) for n in (1, 2, 3)
    ]
    return Evidence(root, runs[0], (verification(),), tuple(runs))


Defect = Callable[[Evidence], Evidence]


def told(**changes: Any) -> Defect:
    """Change what the manifest says; nothing else is known of other runs."""

    def plant(evidence: Evidence) -> Evidence:
        manifest = manifest_of(evidence.root, **changes)
        return dataclasses.replace(evidence, manifest=manifest, siblings=(manifest,))

    return plant


def without(name: str) -> Defect:
    """Take a file out of the repository."""

    def plant(evidence: Evidence) -> Evidence:
        git(evidence.root, "rm", "--quiet", name)
        return evidence

    return plant


def having(name: str, text: str) -> Defect:
    """Put a file into the repository."""

    def plant(evidence: Evidence) -> Evidence:
        write(evidence.root, name, text)
        git(evidence.root, "add", "--all")
        return evidence

    return plant


def read_anew(name: str, text: str) -> Defect:
    """Put a file into the repository before the run reads it."""
    return lambda evidence: told()(having(name, text)(evidence))


def no_git(evidence: Evidence) -> Evidence:
    (evidence.root / ".git").rename(evidence.root / "gone")
    return evidence


def unpushed(evidence: Evidence) -> Evidence:
    git(evidence.root, "commit", "--quiet", "--allow-empty", "--message", "new")
    return evidence


def never_replayed(evidence: Evidence) -> Evidence:
    return dataclasses.replace(evidence, verifications=())


def diverged(evidence: Evidence) -> Evidence:
    return dataclasses.replace(evidence, verifications=(verification(Verdict.DIVERGED),))


UNHASHED = json.dumps(CROISSANT).replace("sha256", "size")
GONE = CodeState(commit="0" * 40, dirty=False, changes=(), changes_sha256="")
BARE = SOFTWARE.model_copy(update={"image": ""})

OF_RUNS: list[tuple[str, Defect, str]] = [
    ("inputs_hashed", told(dataset={"inputs": []}), "no input data declared"),
    ("inputs_unchanged", told(dataset={"changed_during_run": ["x.csv"]}), "x.csv changed"),
    ("preprocessing_code", told(training={}), "no hash"),
    ("partitions_hashed", told(dataset={"inputs": [{"path": "all.csv", "sha256": "a"}]}), "no partition"),
    ("partitions_disjoint", told(partitions={"rows": {"train": 8, "test": 4}}, dataset={"rows_kept": 10}), "12 rows"),
    ("code_kept", told(code=GONE), "not in the repository"),
    ("code_kept", told(code=GONE.model_copy(update={"omitted": {"big.py": "too large"}})), "not"),
    ("parameters_hashed", told(training={"code_sha256": "e"}), "without a hash"),
    ("runtime_recorded", told(ended="", status="running"), "no end"),
    ("results_hashed", told(assessment={}), "no metric"),
    ("results_hashed", told(status="failed"), "the run is failed"),
    ("uncertainty_told", told(assessment={"metrics": {"loss": 1.0, "loss_low": 0.5}}), "1 of 2 metrics"),
    ("uncertainty_told", told(assessment={"metrics": [{"name": "loss", "value": 1.0}]}), "1 of 1 metrics"),
    ("uncertainty_told", told(assessment={}), "no metric"),
    ("several_seeds", told(), "1 of 3 seeds"),
    ("seeds_recorded", told(randomness={}), "no seed"),
    ("determinism_kept", told(randomness={"root_seed": 1}), "no determinism flags"),
    ("packages_recorded", told(software=SOFTWARE.model_copy(update={"lock_sha256": ""})), "Python 3.11.7"),
    ("container_recorded", told(software=BARE), "no container"),
    ("container_recorded", told(software=BARE.model_copy(update={"container": "docker"})), "docker without an image"),
    ("hardware_recorded", told(hardware=HARDWARE.model_copy(update={"flags": ()})), "Cray-1"),
    ("run_verified", never_replayed, "never repeated"),
    ("run_verified", diverged, "DIVERGED"),
]  # fmt: skip

OF_FILES: list[tuple[str, Defect, str]] = [
    ("data_origin", having("data/README.md", "Some numbers.\n"), "no page"),
    ("data_origin", having("data/README.md", "See https://example.org.\n"), "no page"),
    ("data_croissant", without("data/croissant.json"), "no croissant.json"),
    ("data_croissant", having("data/croissant.json", '{"name": "x"}'), "lacks license, distribution"),
    ("data_croissant", having("data/croissant.json", "{"), "lacks valid JSON"),
    ("data_croissant", having("data/croissant.json", UNHASHED), "hash of train.csv"),
    ("downloads_pinned", having("a.py", "import requests\nrequests.get('https://a.org/x')\n"), "D402 a.py:2"),
    ("no_leakage", having("a.py", "X = s.fit_transform(X)\na, b = train_test_split(X)\n"), "D501 a.py:1"),
    ("no_leakage", having("a.py", "def f(:\n"), "a.py:1 cannot be parsed"),
    ("partitions_disjoint", read_anew("data/test.csv", "x,y\n1,2\n9,9\n"), "1 rows are in test and in train"),
    ("seeds_settable", having("a.py", "import random\nr = random.Random()\n"), "D102 a.py:2"),
    ("determinism_kept", having("a.py", "import torch\ntorch.use_deterministic_algorithms(False)\n"), "D302 a.py:2"),
    ("order_fixed", having("a.py", "import os\nx = list(os.listdir('.'))\n"), "D201 a.py:2"),
    ("lock_file", having("requirements.txt", "numpy>=1\n"), "no file in git"),
    ("lock_file", without("requirements.txt"), "no file in git"),
    ("environment_as_locked", having("requirements.txt", "numpy==1.0\n"), "P102 requirements.txt"),
    ("tests_present", without("tests/test_train.py"), "none"),
    ("ci_present", without(".github/workflows/ci.yml"), "none"),
    ("no_machine_names", having("a.py", "p = '/home/ana/x.csv'\n"), "D401 a.py:1"),
    ("git_commit", no_git, "not a git repository"),
    ("tree_complete", having("new.py", ""), "P302"),
    ("licence", without("LICENSE"), "no LICENSE"),
    ("licence", having("LICENSE", ""), "no LICENSE"),
    ("citation", without("CITATION.cff"), "no CITATION.cff"),
    ("citation", having("CITATION.cff", "title: x\n"), "lacks cff-version, message, authors"),
    ("citation", having("CITATION.cff", "title: [\n"), "lacks"),
    ("readme_command", without("README.md"), "no README"),
    ("readme_command", having("README.md", "Run python train.py.\n"), "no command in a block"),
    ("one_command", without("Makefile"), "none"),
    ("commit_pushed", unpushed, "no branch of a remote"),
    ("archived", having("CITATION.cff", "title: x\n"), "no DOI"),
    ("no_pickle", having("a.py", "import pickle\nm = pickle.load(f)\n"), "D404 a.py:2"),
    ("no_pickle", having("model.pkl", ""), "model.pkl is in git"),
]  # fmt: skip


@pytest.fixture
def copy(whole: Evidence, tmp_path: Path) -> Evidence:
    """The same project, to be spoilt."""
    root = shutil.copytree(whole.root, tmp_path / "work", ignore=shutil.ignore_patterns("hooks", "logs"))
    return Evidence(root, whole.manifest, whole.verifications, whole.siblings)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_whole_project_passes(whole: Evidence, name: str) -> None:
    outcome = CHECKS[name](whole)
    assert outcome.status == "pass", outcome
    assert outcome.detail
    assert not outcome.next_step


def named(defects: list[tuple[str, Defect, str]]) -> list[str]:
    return [f"{name}-{told}" for name, _, told in defects]


@pytest.mark.parametrize(("name", "plant", "told"), OF_RUNS, ids=named(OF_RUNS))
def test_a_defect_of_the_run_is_found(whole: Evidence, name: str, plant: Defect, told: str) -> None:
    assert_found(name, plant(whole), told)


@pytest.mark.parametrize(("name", "plant", "told"), OF_FILES, ids=named(OF_FILES))
def test_a_defect_of_the_files_is_found(copy: Evidence, name: str, plant: Defect, told: str) -> None:
    assert_found(name, plant(copy), told)


def assert_found(name: str, evidence: Evidence, told: str) -> None:
    outcome = CHECKS[name](evidence)
    assert outcome.status == "fail", outcome
    assert told in outcome.detail
    assert outcome.next_step


def test_every_check_has_a_defect_and_a_requirement() -> None:
    asked = {one.check for one in load_specification().requirements} - {BY_HAND}
    assert asked == CHECKS.keys() == {name for name, _, _ in (*OF_RUNS, *OF_FILES)}
    assert len(FAMILIES) == 4


def test_without_a_run_what_needs_one_fails(whole: Evidence) -> None:
    outcome = CHECKS["seeds_recorded"](Evidence(whole.root))
    assert (outcome.status, outcome.detail) == ("fail", "no run is recorded")


def test_partitions_in_parquet(copy: Evidence) -> None:
    for part, values in (("train", [1, 2]), ("test", [2, 3])):
        pl.DataFrame({"x": values}).write_parquet(copy.root / f"{part}.parquet")
    inputs = [as_read(copy.root, f"{part}.parquet") for part in ("train", "test")]
    outcome = CHECKS["partitions_disjoint"](told(dataset={"inputs": inputs})(copy))
    assert outcome.detail == "1 rows are in test and in train"


def test_every_file_of_a_partition_is_read(copy: Evidence) -> None:
    for name, rows in (("train_a", "x\n1\n"), ("train_b", "x\n3\n"), ("test", "x\n1\n")):
        (copy.root / f"{name}.csv").write_text(rows)
    inputs = [as_read(copy.root, f"{name}.csv") for name in ("train_a", "train_b", "test")]
    outcome = CHECKS["partitions_disjoint"](told(dataset={"inputs": inputs})(copy))
    assert outcome.detail == "1 rows are in test and in train"
    (copy.root / "train_a.csv").write_text("x\n5\n")
    outcome = CHECKS["partitions_disjoint"](told(dataset={"inputs": inputs})(copy))
    assert (outcome.status, outcome.detail) == ("by hand", "train_a.csv is not what the run read")


def test_partitions_that_no_program_can_judge(whole: Evidence) -> None:
    outcome = CHECKS["partitions_disjoint"](told(dataset={"inputs": [{"path": "all.h5", "sha256": "a"}]})(whole))
    assert outcome.status == "by hand"


def test_three_seeds_are_an_uncertainty(whole: Evidence) -> None:
    runs = [
        manifest_of(whole.root, assessment={"metrics": {"loss": n}}, randomness={"root_seed": n}) for n in (1, 2, 3)
    ]  # fmt: skip
    assert CHECKS["uncertainty_told"](Evidence(whole.root, runs[0], (), tuple(runs))).status == "pass"
    runs[2] = runs[2].model_copy(update={"command": ("train.py", "--other")})
    assert CHECKS["uncertainty_told"](Evidence(whole.root, runs[0], (), tuple(runs))).status == "fail"

"""Verdicts on real runs of a real script in a real repository, with what goes wrong planted one at a time."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repositories import git, repository

from cascada.errors import ArtifactError
from cascada.jobs.execute import execute
from cascada.jobs.verify import Request, verify
from cascada.repro.compare import Tolerance, Verdict
from cascada.repro.record import RunRecord
from cascada.repro.signing import own_key
from cascada.repro.verification import Verification, read_verifications, signature_of, store_verification
from cascada.settings import Settings

pytestmark = pytest.mark.slow

# What happens beside the script decides how it ends: the file `beside` lies outside of the repository.
SCRIPT = """
import json, sys, time
import numpy as np
from pathlib import Path
from cascada.jobs.active import log_metrics
from reading import read
if Path("result.txt").exists():
    raise RuntimeError("an earlier run was here")
beside = json.loads(Path(sys.argv[1]).read_text())
if beside.get("hang"):
    time.sleep(600)
if beside.get("crash"):
    raise RuntimeError("the disk of another machine")
noise = np.random.normal(10.0, 1.0)
log_metrics({"mean": float(np.mean(read())), "noise": noise + beside.get("offset", 0.0)})
Path("result.txt").write_text(f"{noise}\\n")
"""
READING = "import numpy\ndef read(): return numpy.loadtxt('data/values.txt')\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a changed script, an untracked module, ignored data and one finished run."""
    home = tmp_path_factory.mktemp("recorded")
    root = home / "work"
    (root / "data").mkdir(parents=True)
    (root / "data" / "values.txt").write_text("1\n2\n3.5\n")
    (root / "train.py").write_text("print('an older state')\n")
    (root / ".gitignore").write_text("data/\n.cascada/\n__pycache__/\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    (root / "train.py").write_text(SCRIPT)
    (root / "reading.py").write_text(READING)
    (home / "beside.json").write_text("{}")
    made = execute(
        "train.py", [str(home / "beside.json")], cwd=root, record_folder=root / ".cascada" / "runs" / "one",
        data=[Path("data/values.txt")], outputs=[Path("result.txt")], seed=7,
    )  # fmt: skip
    assert made.manifest.status == "finished", made.log.read_text()
    assert set(made.manifest.assessment["metrics"]) == {"mean", "noise"}
    return home


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    """A copy of the repository, with its run, for one test."""
    return Path(shutil.copytree(recorded / "work", tmp_path / "work", symlinks=True))


@pytest.fixture
def beside(recorded: Path) -> Callable[..., None]:
    """Change what lies beside the repository, until the next test."""
    path = recorded / "beside.json"
    path.write_text("{}")

    def change(**values: Any) -> None:
        path.write_text(json.dumps(values))

    return change


def record_of(root: Path) -> RunRecord:
    return RunRecord(root / ".cascada" / "runs" / "one")


def check(root: Path, **request: Any) -> Verification:
    return verify(record_of(root), Request(**request), Settings(root=root))


def rewrite(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest behind everybody's back."""
    path = record_of(root).folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def outcomes(found: Verification) -> dict[str, str]:
    return {one.aspect: one.outcome for one in found.aspects}


def test_a_dirty_tree_comes_out_identical(root: Path, beside: Callable[..., None]) -> None:
    git(root, "checkout", "train.py")
    (root / "reading.py").write_text("raise SystemExit('not the recorded one')\n")
    before = git(root, "status", "--porcelain", "--ignored")
    found = check(root)
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert found.comparison.reasons == ("2 metrics bit-equal, 1 output file with equal hash",)
    assert {aspect for aspect, outcome in outcomes(found).items() if outcome == "same"} == {
        "dataset", "training", "assessment", "randomness", "software", "hardware",
    }  # fmt: skip
    assert git(root, "status", "--porcelain", "--ignored") == before, "the work tree is as it was"


def test_hashes_alone_run_nothing(root: Path, beside: Callable[..., None]) -> None:
    beside(crash=True)
    found = check(root, level="hashes")
    assert found.verdict is Verdict.IDENTICAL
    assert "nothing was run" in found.comparison.reasons[0]
    assert not found.verified("training"), "only a replay verifies"


def test_rewritten_history(root: Path) -> None:
    git(root, "stash", "--include-untracked")
    git(root, "stash", "drop")
    git(root, "commit", "--quiet", "--amend", "--message", "another start")
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "--quiet", "--prune=now")
    for level in ("hashes", "replay"):
        found = check(root, level=level)
        assert found.verdict is Verdict.UNVERIFIABLE
        assert "is not in the repository" in found.comparison.reasons[0]
        assert "git fetch --all" in found.comparison.reasons[0]


def test_changes_that_are_not_all_there(root: Path) -> None:
    rewrite(root, lambda manifest: manifest["code"].update(changes_sha256="0" * 64))
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "the restored code is not the recorded one" in found.comparison.reasons[0]


def test_data_that_git_has(tmp_path: Path) -> None:
    script = "from pathlib import Path\nPath('sum.txt').write_text(str(sum(map(float, open('values.txt')))))\n"
    root = repository(tmp_path / "work", {"add.py": script, "values.txt": "1\n2\n"})
    folder = root / ".cascada" / "runs" / "one"
    execute("add.py", cwd=root, record_folder=folder, data=[Path("values.txt")], outputs=[Path("sum.txt")])
    (root / "values.txt").write_text("1\n3\n")
    git(root, "commit", "--quiet", "--all", "--message", "other values")
    found = check(root)
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert outcomes(found)["dataset"] == "same"


def test_data_that_are_gone_and_found_again(root: Path, beside: Callable[..., None], tmp_path: Path) -> None:
    moved = shutil.move(root / "data" / "values.txt", tmp_path / "elsewhere.txt")
    for level in ("hashes", "replay"):
        found = check(root, level=level)
        assert found.verdict is Verdict.UNVERIFIABLE
        assert "data/values.txt is gone" in found.comparison.reasons[0]
        assert "--data" in found.comparison.reasons[0]
    assert check(root, data=Path(moved)).verdict is Verdict.IDENTICAL


def test_a_changed_byte_of_the_data(root: Path, beside: Callable[..., None]) -> None:
    (root / "data" / "values.txt").write_text("1\n2\n3.6\n")
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "data/values.txt has other content than the run read (8 bytes then, 8 now)" in found.comparison.reasons[0]
    assert check(root, level="hashes").verdict is Verdict.DIVERGED


def other_package(root: Path) -> None:
    """Let the run have had a package, and its lock say so."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["software"]["packages"] = dict(sorted((manifest["software"]["packages"] | {"toy": "1.0"}).items()))
        lock = "".join(f"{name}=={version}\n" for name, version in manifest["software"]["packages"].items())
        (record_of(root).folder / "lock.txt").write_text(lock)
        manifest["software"]["lock_sha256"] = hashlib.sha256(lock.encode()).hexdigest()

    rewrite(root, change)


def test_a_package_that_cannot_be_had(
    root: Path, beside: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other_package(root)
    for name, value in (("UV_OFFLINE", "1"), ("UV_NO_INDEX", "1"), ("UV_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "toy 1.0 → not installed" in found.comparison.reasons[0]
    assert "--allow-environment-change" in found.comparison.reasons[0]
    allowed = check(root, allow_environment_change=True)
    assert allowed.verdict is Verdict.EQUIVALENT, "the results are identical, the environment is not"
    assert outcomes(allowed)["software"] == "different"
    assert any("toy 1.0" in reason for reason in allowed.comparison.reasons)
    assert check(root, level="hashes").verdict is Verdict.DIVERGED


def test_another_processor_is_told(root: Path, beside: Callable[..., None]) -> None:
    rewrite(root, lambda manifest: manifest["hardware"].update(processor="Cray-1", flags=["vector"]))
    found = check(root)
    assert found.verdict is Verdict.IDENTICAL
    assert "another machine: processor Cray-1 →" in found.comparison.reasons[-1]
    assert outcomes(found)["hardware"] == "different"
    assert not found.verified("hardware")


def test_a_script_that_crashes(root: Path, beside: Callable[..., None]) -> None:
    beside(crash=True)
    found = check(root)
    assert found.verdict is Verdict.DIVERGED
    told = "the recorded run finished, the replay failed: RuntimeError: the disk of another machine"
    assert found.comparison.reasons[0] == told
    assert "the disk of another machine" in found.comparison.reasons[1], "the end of what it printed"


def test_a_script_that_never_ends(root: Path, beside: Callable[..., None]) -> None:
    beside(hang=True)
    found = check(root, timeout_s=2.0)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "did not end within 2 s" in found.comparison.reasons[0]
    assert "--timeout" in found.comparison.reasons[0]


def test_a_metric_that_is_off(root: Path, beside: Callable[..., None]) -> None:
    beside(offset=1e-6)
    found = check(root)
    assert found.verdict is Verdict.DIVERGED
    assert found.comparison.reasons[0].startswith("noise: ")
    assert check(root, tolerance=Tolerance(relative=1e-6)).verdict is Verdict.EQUIVALENT
    ignored = check(root, ignore=("noi*",))
    assert ignored.verdict is Verdict.IDENTICAL
    assert ignored.comparison.reasons[-1] == "left out, as asked: noise"


def test_other_seeds_decide(root: Path, beside: Callable[..., None]) -> None:
    beside(offset=0.01)
    found = check(root, seeds=3)
    assert found.verdict is Verdict.CONSISTENT, found.comparison.reasons
    (noise,) = [one for one in found.comparison.spread if one.name == "noise"]
    assert len(set(noise.values)) == 3
    assert noise.low < noise.original < noise.high


def test_an_altered_metric(root: Path, beside: Callable[..., None]) -> None:
    rewrite(root, lambda manifest: manifest["assessment"]["metrics"].update(mean=99.0))
    for level in ("hashes", "replay"):
        found = check(root, level=level)
        assert found.verdict is Verdict.DIVERGED
        assert (
            found.comparison.reasons[0] == "the record was altered: manifest.json and metrics.jsonl hold other metrics"
        )


def test_a_manifest_that_the_registry_does_not_know(root: Path) -> None:
    found = verify(record_of(root), Request(level="hashes"), Settings(root=root), registered_sha256="0" * 64)
    assert found.verdict is Verdict.DIVERGED
    assert "not the one that the registry of models names" in found.comparison.reasons[0]


def test_a_metric_altered_with_care(root: Path, beside: Callable[..., None]) -> None:
    """Every hash of the record agrees with itself: only the replay tells."""
    from cascada.repro.record import summarise_metrics

    lines = (record_of(root).folder / "metrics.jsonl").read_text().splitlines()
    changed = [json.dumps(json.loads(line) | ({"value": 99.0} if '"mean"' in line else {})) for line in lines]
    (record_of(root).folder / "metrics.jsonl").write_text("\n".join(changed) + "\n")
    rewrite(root, lambda manifest: manifest["assessment"].update(summarise_metrics(record_of(root))))
    assert check(root, level="hashes").verdict is Verdict.IDENTICAL
    found = check(root)
    assert found.verdict is Verdict.DIVERGED
    assert found.comparison.reasons[0].startswith("mean: 99.0 became 2.16666")


@pytest.mark.parametrize(
    ("name", "verdict", "told"),
    [
        ("code/changes.diff", Verdict.UNVERIFIABLE, "missing or altered"),
        ("code/untracked.tar.gz", Verdict.UNVERIFIABLE, "recorded untracked files"),
        ("lock.txt", Verdict.UNVERIFIABLE, "lock.txt does not have the hash"),
        ("outputs/result.txt", Verdict.DIVERGED, "the kept copy of result.txt is not what the run wrote"),
    ],
)
def test_an_altered_file_of_the_record(root: Path, name: str, verdict: Verdict, told: str) -> None:
    path = record_of(root).folder / name
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"x" + content[middle + 1 :])
    found = check(root, level="hashes")
    assert found.verdict is verdict, found.comparison.reasons
    assert told in " ".join(found.comparison.reasons)


def test_a_manifest_that_is_none(root: Path) -> None:
    (record_of(root).folder / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not a manifest"):
        check(root)


def test_a_run_that_was_killed_has_no_result(root: Path) -> None:
    rewrite(root, lambda manifest: manifest.update(status="killed", exit_code=137))
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "did not end by itself (killed)" in found.comparison.reasons[0]


def test_a_verification_is_kept_and_read(root: Path) -> None:
    found = check(root, level="hashes")
    folder, keys = record_of(root).folder, root / ".cascada" / "keys"
    path = store_verification(found, folder, key=own_key(keys))
    assert read_verifications(folder, trusted=keys) == (found,)
    assert read_verifications(folder, trusted=root) == (), "signed by a stranger"
    path.write_text(path.read_text().replace("IDENTICAL", "EQUIVALENT"))
    assert read_verifications(folder, trusted=keys) == (), "altered"
    signature_of(path).unlink()
    assert read_verifications(folder, trusted=keys) == (), "unsigned"


JOB = """
from pathlib import Path
from cascada import job

@job(data=["table.txt"])
def fit(rate: float = 0.1, power: int = 1):
    values = [float(line) for line in Path("table.txt").read_text().split()]
    return {"loss": rate * sum(values) ** power}, {"table": Path("table.txt")}

if __name__ == "__main__":
    fit()
"""


def test_a_job_with_parameters_and_data_of_its_own(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"fit.py": JOB})
    (root / "table.txt").write_text("1\n2\n")
    folder = root / ".cascada" / "runs" / "one"
    made = execute(
        "fit.py", cwd=root, record_folder=folder, parameters={"rate": 0.25}, overrides=("power=3",), seed=3
    )  # fmt: skip
    manifest = made.manifest
    assert (manifest.kind, manifest.assessment["metrics"]) == ("job", {"loss": 0.25 * 27}), made.log.read_text()
    (root / "table.txt").unlink()
    found = check(root)
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert {a for a, outcome in outcomes(found).items() if outcome == "different"} == set(), found.aspects


def test_secret_arguments_cannot_be_replayed(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"ask.py": "open('out.txt', 'w').write('1')\n"})
    folder = root / ".cascada" / "runs" / "one"
    execute("ask.py", ["--password", "hunter22"], cwd=root, record_folder=folder, outputs=[Path("out.txt")])
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "an argument of the run was a secret" in found.comparison.reasons[0]


def test_the_path_variable_of_the_run_is_set_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"lib/words.py": "WORD = 'then'\n", "say.py": "import words\nprint(words.WORD)\n"}
    root = repository(tmp_path / "work", files)
    with monkeypatch.context() as then:
        then.setenv("PYTHONPATH", str(root / "lib"))
        made = execute("say.py", cwd=root, record_folder=root / ".cascada" / "runs" / "one")
    assert made.log.read_text() == "then\n"
    (root / "lib" / "words.py").write_text("WORD = 'now'\n")
    found = check(root)
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert "what it printed is equal to the byte" in found.comparison.reasons[0]


def test_submodules_are_not_kept(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"say.py": "print(1)\n", ".gitmodules": ""})
    execute("say.py", cwd=root, record_folder=root / ".cascada" / "runs" / "one")
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "submodules" in found.comparison.reasons[0]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("{kind: text, directory: tables}", "the data of the experiment are gone: no folder"),
        ("{kind: text}", "does not say where its data are"),
        ("", "did not keep its experiment"),
    ],
)
def test_an_experiment_without_its_data(root: Path, source: str, told: str) -> None:
    rewrite(root, lambda manifest: manifest.update(kind="experiment"))
    if source:
        (record_of(root).folder / "experiment.yaml").write_text(f"name: x\nsource: {source}\n")
    found = check(root)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert told in found.comparison.reasons[0]


@pytest.mark.parametrize(
    ("text", "level", "verdict", "told"),
    [
        ("1 2", "hashes", Verdict.IDENTICAL, "dataset, training"),
        ("1 3", "hashes", Verdict.DIVERGED, "1 of 1 input files in"),
        ("1 3", "replay", Verdict.UNVERIFIABLE, "have other content than the run read: p.txt"),
        ("", "replay", Verdict.UNVERIFIABLE, "are gone: p.txt"),
    ],
)
def test_the_files_of_an_experiment(root: Path, text: str, level: str, verdict: Verdict, told: str) -> None:
    origin = {"sha256": {"p.txt": hashlib.sha256(b"1 2").hexdigest()}}
    plain = {"kind": "experiment", "dataset": {"origin": origin}, "assessment": {}}
    rewrite(root, lambda manifest: manifest.update(plain))
    (record_of(root).folder / "experiment.yaml").write_text("source: {kind: text, directory: tables}\n")
    (root / "tables" / "deep").mkdir(parents=True)
    if text:
        (root / "tables" / "deep" / "p.txt").write_text(text)
    found = check(root, level=level)
    assert found.verdict is verdict, found.comparison.reasons
    assert told in found.comparison.reasons[0]

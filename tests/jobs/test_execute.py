"""A script runs as it is, and its record is complete however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from repositories import git, repository, write

from cascada.errors import ArtifactError, ConfigError, PlatformError, SourceError
from cascada.jobs.execute import execute
from cascada.repro.record import RunRecord
from cascada.repro.seeds import library_seeds

RANDOM = """
import os, random
import numpy as np
print(random.random(), np.random.rand(), np.random.default_rng().random(), np.random.default_rng(1).random())
print(hash("word"))
"""

_SUPERVISE = """
import sys
from pathlib import Path
from cascada.jobs.execute import execute
work, folder = map(Path, sys.argv[1:])
sys.exit(execute("train.py", cwd=work, record_folder=folder).manifest.exit_code)
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"train.py": "print('trained')\n"})


def run(work: Path, script: str = "", arguments: tuple[str, ...] = (), **options: Any) -> RunRecord:
    if script:
        write(work, "train.py", script)
    names = (work / ".cascada" / "runs").glob("*") if (work / ".cascada" / "runs").exists() else ()
    folder = work / ".cascada" / "runs" / f"run{len(list(names))}"
    return execute("train.py", arguments, cwd=work, record_folder=folder, **options)


def test_a_script_is_run_as_python_runs_it(work: Path) -> None:
    script = """
import sys, json, helper
print(json.dumps([__name__, __file__, sys.argv, sys.path[0], helper.WORD, sys.modules["__main__"].__file__]))
"""
    write(work, "helper.py", "WORD = 'found'")
    record = run(work, script, ("--epochs", "3", "--", "-x"))
    expected = ["__main__", "train.py", ["train.py", "--epochs", "3", "--", "-x"], str(work), "found", "train.py"]
    assert json.loads(record.log.read_text()) == expected
    assert record.manifest.command == ("train.py", "--epochs", "3", "--", "-x")
    assert (record.manifest.status, record.manifest.exit_code, record.manifest.error) == ("finished", 0, "")


def test_the_record_holds_code_software_and_hardware(work: Path) -> None:
    script = "import yaml, torch_is_not_imported_here"
    write(work, "torch_is_not_imported_here.py", "")
    record = run(work, script)
    manifest = record.manifest
    assert manifest.code.commit == git(work, "rev-parse", "HEAD").strip()
    assert set(manifest.code.untracked) == {"torch_is_not_imported_here.py"}
    assert b"+import yaml" in (record.code / "changes.diff").read_bytes()
    assert manifest.training["code_sha256"] == hashlib.sha256(script.encode()).hexdigest()
    assert manifest.software.imported["PyYAML"] == manifest.software.packages["PyYAML"]
    assert "torch" not in manifest.software.imported
    assert f"PyYAML=={manifest.software.packages['PyYAML']}\n" in (record.folder / "lock.txt").read_text()
    assert manifest.started < manifest.ended
    assert manifest.hardware.flags


def test_all_randomness_comes_from_the_seed(work: Path) -> None:
    first, again, other = (run(work, RANDOM, seed=seed).log.read_text() for seed in (1, 1, 2))
    assert first == again
    numbers = [line.split() for line in (first, other)]
    assert [a == b for a, b in zip(*numbers, strict=True)] == [False, False, False, True, False]


def test_generators_without_a_seed_differ_from_each_other(work: Path) -> None:
    script = "import numpy as np\nprint(*(np.random.default_rng().random() for _ in range(3)))"
    assert len(set(run(work, script).log.read_text().split())) == 3


def test_torch_is_seeded_when_it_is_imported(work: Path) -> None:
    script = """
import torch
torch.set_num_threads(1)
print(torch.initial_seed(), torch.are_deterministic_algorithms_enabled())
"""
    record = run(work, script, seed=5)
    assert record.log.read_text() == f"{library_seeds(5)['torch']} True\n"
    assert record.manifest.hardware.threads["torch"] == 1


def test_the_users_own_hash_seed_stays(work: Path) -> None:
    record = run(work, "import os\nprint(os.environ['PYTHONHASHSEED'])", environment={"PYTHONHASHSEED": "7"})
    assert record.log.read_text() == "7\n"
    assert record.manifest.randomness["flags"]["PYTHONHASHSEED"] == "7"


def test_an_exception_is_shown_from_the_script_on(work: Path) -> None:
    record = run(work, "def f():\n    raise ValueError('bad luck')\nprint('before')\nf()\n")
    manifest = record.manifest
    assert (manifest.status, manifest.exit_code, manifest.error) == ("failed", 1, "ValueError: bad luck")
    assert "cascada" not in record.log.read_text()
    assert record.log.read_text().startswith("before\nTraceback")


@pytest.mark.parametrize(
    ("script", "code", "error"),
    [
        ("import sys\nsys.exit(3)", 3, "exit code 3"), ("import sys\nsys.exit('no data')", 1, "no data"),
        ("import os\nos._exit(7)", 7, "exit code 7"), ("def broken(:", 1, "SyntaxError"),
    ],
)  # fmt: skip
def test_exit_codes_are_kept(work: Path, script: str, code: int, error: str) -> None:
    manifest = run(work, script).manifest
    assert (manifest.status, manifest.exit_code) == ("failed", code)
    assert error in manifest.error


def test_a_killed_script_leaves_a_complete_record(work: Path) -> None:
    script = """
import os, signal
from cascada import log_metrics
for step in range(1000):
    log_metrics({"loss": 1 / (step + 1)}, step)
print("about to die")
os.kill(os.getpid(), signal.SIGKILL)
"""
    record = run(work, script)
    manifest = record.manifest
    assert (manifest.status, manifest.exit_code, manifest.error) == ("killed", 137, "killed by SIGKILL")
    assert manifest.assessment["metrics"] == {"loss": 1 / 1000}
    assert len(list(record.metrics())) == 1000
    assert record.log.read_text() == "about to die\n"


def test_a_timeout_ends_all_that_the_script_started(work: Path) -> None:
    script = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
    record = run(work, script, timeout_s=1.5)
    assert (record.manifest.status, record.manifest.exit_code) == ("killed", 124)
    assert record.manifest.error == "timeout after 1.5 s"
    _await_end(int(record.log.read_text()))


def test_a_script_that_ignores_the_polite_signal_is_killed(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cascada.jobs.supervise._GRACE_S", 0.3)
    script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
    assert run(work, script, timeout_s=1).manifest.exit_code == 124


def test_a_forked_process_writes_into_the_same_run(work: Path) -> None:
    script = """
import os
from cascada import log_metrics
for number in range(4):
    if os.fork() == 0:
        for step in range(500):
            log_metrics({f"loss{number}": step}, step)
        raise SystemExit(0)
log_metrics({"parent": 1})
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""
    record = run(work, script)
    assert (record.manifest.status, record.manifest.error) == ("finished", "")
    assert record.manifest.assessment["metrics"] == {"parent": 1.0} | {f"loss{n}": 499.0 for n in range(4)}
    assert len(list(record.metrics())) == 2001


def test_a_forked_process_that_fails_later_does_not_speak_for_the_run(work: Path) -> None:
    script = """
import os, time
if os.fork() == 0:
    time.sleep(1)
    raise ValueError("of the fork")
"""
    record = run(work, script)
    assert "of the fork" in record.log.read_text()
    assert (record.manifest.status, record.manifest.error) == ("finished", "")


def test_what_a_script_leaves_running_is_stopped(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cascada.jobs.supervise._GRACE_S", 0.3)
    script = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
"""
    record = run(work, script)
    assert record.manifest.status == "finished"
    assert "left behind" in record.manifest.error
    _await_end(int(record.log.read_text()))


def test_a_process_that_ends_soon_after_is_waited_for(work: Path) -> None:
    script = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5); print('late')"])
print("early", flush=True)
"""
    record = run(work, script)
    assert record.log.read_text() == "early\nlate\n"
    assert record.manifest.error == ""


def test_the_manifest_is_there_before_the_script_starts(work: Path) -> None:
    script = """
import json, os, pathlib
folder = pathlib.Path(json.loads(os.environ["CASCADA_RUN"])["folder"])
manifest = json.loads((folder / "manifest.json").read_text())
print(manifest["status"], manifest["process"]["pid"] == os.getppid(), manifest["command"])
"""
    assert run(work, script).log.read_text() == "running True ['train.py']\n"


def test_a_killed_supervisor_leaves_an_interrupted_run_and_no_process(work: Path) -> None:
    write(work, "train.py", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    folder = work / ".cascada" / "runs" / "a"
    supervisor = subprocess.Popen([sys.executable, "-c", _SUPERVISE, str(work), str(folder)])
    child = _await_pid(folder / "output.log")
    assert RunRecord(folder).state == "running"
    supervisor.kill()
    supervisor.wait()
    assert RunRecord(folder).manifest.status == "running"
    assert RunRecord(folder).state == "interrupted"
    _await_end(child)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_supervisor_ends_the_script_first(work: Path, number: int, code: int) -> None:
    write(work, "train.py", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    folder = work / ".cascada" / "runs" / "a"
    supervisor = subprocess.Popen([sys.executable, "-c", _SUPERVISE, str(work), str(folder)])
    child = _await_pid(folder / "output.log")
    supervisor.send_signal(number)
    assert supervisor.wait(20) == code
    assert not psutil.pid_exists(child)
    assert (RunRecord(folder).manifest.status, RunRecord(folder).manifest.exit_code) == ("killed", code)


def _await_pid(log: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if log.exists() and log.read_text().endswith("\n"):
            return int(log.read_text())
        time.sleep(0.02)
    raise AssertionError("the script never started")


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the script outlived its supervisor"
        time.sleep(0.05)


def test_data_are_hashed_in_full(work: Path, tmp_path: Path) -> None:
    write(work, "data/a.txt", "1")
    write(work, "data/deep/b.txt", "22")
    outside = write(tmp_path, "outside.bin", "333")
    folder, file = run(work, data=(Path("data"), outside)).manifest.dataset["inputs"]
    assert (folder["path"], folder["bytes"], folder["files"]) == ("data", 3, 2)
    assert file == {"path": str(outside), "sha256": hashlib.sha256(b"333").hexdigest(), "bytes": 3, "files": 1}
    write(work, "data/deep/b.txt", "23")
    assert run(work, data=(Path("data"),)).manifest.dataset["inputs"][0]["sha256"] != folder["sha256"]


def test_data_that_the_run_itself_changes_are_named(work: Path) -> None:
    write(work, "data/a.txt", "1")
    write(work, "data/b.txt", "1")
    script = """
from pathlib import Path
Path("data/b.txt").write_text("2")
Path("data/c.txt").write_text("3")
"""
    dataset = run(work, script, data=(Path("data"),)).manifest.dataset
    assert dataset["changed_during_run"] == ["data/b.txt", "data/c.txt"]
    assert "changed_during_run" not in run(work, "pass", data=(Path("data"),)).manifest.dataset


@pytest.mark.parametrize(("name", "words"), [("dat.csv", "no such data"), ("empty", "is empty")])
def test_missing_data_are_refused_and_nothing_is_recorded(work: Path, name: str, words: str) -> None:
    write(work, "data.csv", "1")
    (work / "empty").mkdir()
    with pytest.raises(SourceError, match=words) as caught:
        run(work, data=(Path(name),))
    assert name == "empty" or "did you mean data.csv" in caught.value.hint
    assert not list((work / ".cascada" / "runs").glob("*"))


def test_only_new_and_changed_outputs_are_kept(work: Path) -> None:
    write(work, "out/old.txt", "old")
    write(work, "out/changed.txt", "before")
    script = """
from pathlib import Path
Path("out/changed.txt").write_text("after!")
Path("out/deep").mkdir()
Path("out/deep/new.txt").write_text("new")
Path("elsewhere.txt").write_text("not asked for")
"""
    record = run(work, script, outputs=(Path("out"),))
    kept = {str(p.relative_to(record.outputs)): p.read_text() for p in record.outputs.rglob("*.txt")}
    assert kept == {"out/changed.txt": "after!", "out/deep/new.txt": "new"}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in kept.items()}
    assert record.manifest.assessment["outputs"] == hashes


def test_secrets_reach_no_file_of_the_record(work: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from cascada import log_metrics
from cascada.jobs.active import current
print("key", os.environ["SERVICE_API_KEY"])
print("in", end="", flush=True)
print("word" + sys.argv[2] + "word", file=sys.stderr)
current().log_params({"password": "short", "url": "https://me:" + sys.argv[2] + "@host", "rate": 0.1})
Path("out").mkdir()
Path("out/secret.txt").write_text("x" + os.environ["SERVICE_API_KEY"])
Path("out/plain.txt").write_text("plain")
raise ValueError(os.environ["SERVICE_API_KEY"])
"""
    secrets = ("correct-horse-battery", "staple-and-more")
    record = run(
        work, script, ("--password", secrets[1]), environment={"SERVICE_API_KEY": secrets[0]}, outputs=(Path("out"),)
    )
    for path in record.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [secret for secret in secrets if secret.encode() in content], path
    manifest = record.manifest
    assert manifest.command == ("train.py", "--password", "***")
    assert manifest.training["parameters"] == {"password": "***", "url": "https://me:***@host", "rate": 0.1}
    assert manifest.error == "ValueError: ***"
    assert manifest.assessment["omitted"] == {"out/secret.txt": "holds a password, key or token"}
    assert list(manifest.assessment["outputs"]) == ["out/plain.txt"]


def test_ten_thousand_metrics_are_all_there(work: Path) -> None:
    script = """
from cascada import log_metrics
for step in range(10_000):
    log_metrics({"loss": step * 0.5, "lr": float("nan")}, step)
"""
    record = run(work, script)
    points = [point for point in record.metrics() if point.name == "loss"]
    assert [(p.step, p.value) for p in points] == [(s, s * 0.5) for s in range(10_000)]
    assert record.manifest.assessment["metrics"] == {"loss": 4999.5, "lr": "nan"}


def test_a_script_that_git_does_not_see_is_refused(work: Path, tmp_path: Path) -> None:
    write(work, ".gitignore", ".cascada/\nscratch/\n")
    write(work, "scratch/train.py", "")
    write(tmp_path, "outside.py", "")
    for name in ("scratch/train.py", "../outside.py"):
        with pytest.raises(ConfigError, match="git does not see the script"):
            execute(name, cwd=work, record_folder=work / ".cascada" / "runs" / "a")


def test_a_missing_script_is_refused_with_the_nearest(work: Path) -> None:
    with pytest.raises(ConfigError, match=r"no script 'trian.py'") as caught:
        execute("trian.py", cwd=work, record_folder=work / ".cascada" / "runs" / "a")
    assert caught.value.hint == "did you mean train.py?"


def test_without_a_commit_nothing_is_recorded(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "train.py", "")
    with pytest.raises(PlatformError) as caught:
        execute("train.py", cwd=tmp_path, record_folder=tmp_path / "a")
    assert "git commit" in caught.value.hint
    assert not (tmp_path / "a").exists()


def test_a_record_is_never_overwritten(work: Path) -> None:
    record = run(work)
    before = (record.folder / "manifest.json").read_bytes()
    with pytest.raises(ArtifactError, match="holds a record already"):
        execute("train.py", cwd=work, record_folder=record.folder)
    assert (record.folder / "manifest.json").read_bytes() == before


def test_a_run_from_a_folder_below_the_root(work: Path) -> None:
    write(work, "deep/er/train.py", "import os; print(os.getcwd())")
    record = execute("train.py", cwd=work / "deep" / "er", record_folder=work / ".cascada" / "runs" / "a")
    assert record.manifest.working_dir == "deep/er"
    assert record.log.read_text().strip() == os.fspath((work / "deep" / "er").resolve())

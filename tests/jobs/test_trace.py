"""What makes trainings part, planted one at a time in real runs, is called by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repositories import git, repository, write

from cascada.jobs.execute import execute
from cascada.jobs.preconditions import altered_claims
from cascada.jobs.probe import probe
from cascada.jobs.verify import Request, verify
from cascada.repro.causes import TraceDiff, diff_traces
from cascada.repro.compare import Verdict
from cascada.repro.record import RunRecord
from cascada.repro.trace import read_trace
from cascada.settings import Settings

pytestmark = pytest.mark.slow

# What is planted comes by a file beside the repository, so that no argument and no line of code tells it.
SCRIPT = """
import json
import os
import subprocess
import sys
from pathlib import Path
import numpy as np, torch, scaling
from torch.utils.data import DataLoader, TensorDataset
beside = json.loads(Path("../beside.json").read_text())
torch.set_num_threads(beside.get("threads", 1))
if "seed" in beside:
    torch.manual_seed(beside["seed"])
table = torch.from_numpy(np.load("table.npy"))
net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 64))
adam = torch.optim.Adam(net.parameters(), lr=beside.get("rate", 0.01))
rows = TensorDataset(table[:beside.get("rows", 4096)])
order = None if beside.get("sorted") else torch.Generator().manual_seed(5)
workers = beside.get("workers", 0)
loader = DataLoader(rows, batch_size=1024, shuffle=order is not None, generator=order, num_workers=workers)
for epoch in range(2):
    for (x,) in loader:
        adam.zero_grad()
        loss = scaling.FACTOR * (net(x) - x).square().mean()
        loss.backward()
        adam.step()
    with torch.no_grad():
        for (x,) in DataLoader(rows, batch_size=512):
            net(x)
"""
STEPS = 8


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    home = tmp_path_factory.mktemp("trace")
    (home / "beside.json").write_text("{}")
    for version, factor in (("1.0", 0.5), ("1.1", 0.25)):
        write(home / version, "scaling.py", f"FACTOR = {factor}\n")
        write(home / version, f"scaling-{version}.dist-info/METADATA", f"Name: scaling\nVersion: {version}\n\n")
        write(home / version, f"scaling-{version}.dist-info/RECORD", "scaling.py,,\n")
    root = repository(home / "work", {"train.py": SCRIPT, ".gitignore": "*.npy\n.cascada/\n"})
    np.save(root / "table.npy", np.random.default_rng(1).normal(size=(4096, 64)).astype(np.float32))
    return root


def run(
    work: Path,
    name: str,
    *,
    seed: int = 1,
    version: str = "1.0",
    every: int = 4,
    script: str = "train.py",
    **beside: Any,
) -> RunRecord:
    (work.parent / "beside.json").write_text(json.dumps(beside))
    record = execute(
        script, cwd=work, record_folder=work / ".cascada" / "runs" / name, seed=seed, data=[Path("table.npy")],
        trace_every=every, environment={"PYTHONPATH": str(work.parent / version), "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert record.manifest.status == "finished", record.log.read_text()
    assert "not recorded" not in record.log.read_text()
    return record


@pytest.fixture(scope="module")
def first(work: Path) -> RunRecord:
    return run(work, "first")


def parted(one: RunRecord, other: RunRecord) -> TraceDiff:
    return diff_traces(one.folder, other.folder, (one.manifest, other.manifest))


def test_two_equal_runs_leave_equal_traces_workers_or_not(work: Path, first: RunRecord) -> None:
    again = run(work, "again", workers=2)
    assert str(parted(first, again)) == f"the traces are equal over {STEPS} steps"
    assert (first.folder / "trace.jsonl").read_bytes() == (again.folder / "trace.jsonl").read_bytes()
    trace, told = read_trace(first.folder), first.manifest.assessment["trace"]
    assert (trace.every, told["every"], told["steps"]) == (4, 4, STEPS)
    assert [rows for rows, _ in trace.passes] == [4096, 4096], "validation without gradients is no pass of the training"
    assert ["gradients" in step for step in trace.steps] == [True, False, False, False] * 2
    assert list(trace.steps[0]["initial"]) == [f"Sequential.{n}.{kind}" for n in (0, 2) for kind in ("weight", "bias")]
    losses = [point.value for point in first.metrics() if point.name == "loss"]
    assert [float.fromhex(step["loss"][0]) for step in trace.steps] == losses


def test_an_altered_trace_is_told(work: Path) -> None:
    record = run(work, "altered")
    assert altered_claims(record, record.manifest) == []
    with (record.folder / "trace.jsonl").open("a") as file:
        file.write("{}\n")
    assert altered_claims(record, record.manifest) == [
        "the record was altered: trace.jsonl does not have the hash that the manifest gives"
    ]


@pytest.mark.parametrize(
    ("planted", "cause", "part"),
    [
        ({"seed": 2}, "seed", "initial"),
        ({"sorted": True}, "data order", "ids"),
        ({"rows": 3072}, "other samples", "ids"),
        ({"threads": 2}, "thread count", "loss"),
        ({"rate": 0.02}, "parameters", "weights"),
    ],
)
def test_a_planted_cause_is_named(work: Path, first: RunRecord, planted: dict[str, Any], cause: str, part: str) -> None:
    found = parted(first, run(work, f"planted-{cause}".replace(" ", "-"), **planted))
    assert found.divergence is not None, "the machine computes the same bits"
    assert found.causes[0].name == cause, found
    assert found.divergence.differs(part), found
    assert found.divergence.step == 0 or cause == "thread count", "whether a sum rounds otherwise is chance"


def test_another_root_seed_is_named(work: Path, first: RunRecord) -> None:
    found = parted(first, run(work, "root-seed", seed=2))
    assert (found.causes[0].name, found.causes[0].evidence) == ("seed", "root_seed 1 → 2")
    assert found.divergence is not None
    assert found.divergence.generators == ("python", "numpy", "torch")
    assert len(found.divergence.layers) == 4


def test_a_changed_package_is_named(work: Path, first: RunRecord) -> None:
    found = parted(first, run(work, "package", version="1.1"))
    assert (found.causes[0].name, found.causes[0].evidence) == ("package", "scaling 1.0 → 1.1")
    assert found.divergence is not None
    assert (found.divergence.step, found.divergence.part) == (0, "loss")


def test_a_byte_of_the_data_is_named_at_the_step_that_reads_it(work: Path, first: RunRecord) -> None:
    import numpy as np
    import torch

    order = torch.randperm(4096, generator=_after_one_draw(5)).tolist()
    table = np.load(work / "table.npy")
    kept = table.copy()
    table[order[2500], 7] += 0.5
    np.save(work / "table.npy", table)
    try:
        found = parted(first, run(work, "byte"))
    finally:
        np.save(work / "table.npy", kept)
    assert found.divergence is not None
    assert (found.divergence.step, found.divergence.part) == (2500 // 1024, "loss")
    assert (found.causes[0].name, found.causes[0].evidence) == ("data", "other content of table.npy")
    assert found.divergence.layers_step == 4


def _after_one_draw(seed: int) -> Any:
    """A loader with workers' base seed drawn first, as `DataLoader` does before its sampler draws the order."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    return generator


LIGHTNING = """
import logging, warnings, torch, PACKAGE as lightning
logging.getLogger("PACKAGE").setLevel(logging.ERROR); warnings.simplefilter("ignore"); torch.set_num_threads(1)
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__(); self.layer = torch.nn.Linear(2, 1)
    def training_step(self, batch, _): return self.layer(batch[0]).square().mean()
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(64, 2)), batch_size=16, shuffle=True)
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False)
trainer.fit(Model(), data)
"""


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning_is_traced_under_both_names(work: Path, package: str) -> None:
    write(work, "fit.py", LIGHTNING.replace("PACKAGE", package))
    trace = read_trace(run(work, package, script="fit.py", every=1).folder)
    assert len(trace.steps) == 8
    assert [rows for rows, _ in trace.passes] == [64, 64]
    assert list(trace.steps[0]["gradients"]) == ["Model.layer.weight", "Model.layer.bias"]
    assert all(set(step) >= {"ids", "batch", "rng", "loss", "norm", "weights"} for step in trace.steps)
    assert len({step["ids"] for step in trace.steps}) == 8
    assert all(a["weights"] != b["weights"] for a, b in zip(trace.steps, trace.steps[1:], strict=False))


PLAIN = """
import torch
torch.set_num_threads(1)
SEED
x = torch.randn(64, 3)
free = torch.nn.Parameter(torch.ones(3))
one, other = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)
lbfgs = torch.optim.LBFGS([*one.parameters(), *other.parameters(), free], max_iter=3)
for step in range(30):
    def closure():
        lbfgs.zero_grad()
        loss = (other(one(x)) * free.sum()).square().mean()
        loss.backward()
        return loss
    lbfgs.step(closure)
open("left-behind.txt", "w").write("x")
"""


def test_a_loop_without_loader_with_a_closure(work: Path) -> None:
    write(work, "plain.py", PLAIN.replace("SEED", ""))
    trace = read_trace(run(work, "plain", script="plain.py", every=10).folder)
    names = ["Linear.weight", "Linear.bias", "Linear_2.weight", "Linear_2.bias", "LBFGS.4"]
    assert (len(trace.steps), list(trace.steps[0]["gradients"])) == (30, names)
    assert ["batch" in step for step in trace.steps] == [number % 10 == 0 for number in range(30)]
    assert not any("ids" in step for step in trace.steps)
    (work / "left-behind.txt").unlink()


def test_a_probe_of_a_deterministic_training(work: Path) -> None:
    write(work, "plain.py", PLAIN.replace("SEED", ""))
    before = git(work, "status", "--short")
    result = probe("plain.py", cwd=work, timeout_s=120)
    assert (result.same, result.steps, result.explanation) == (True, 20, "the traces are equal over 20 steps")
    assert git(work, "status", "--short") == before, "a probe leaves nothing in the project"
    assert not (work / "left-behind.txt").exists()


@pytest.mark.parametrize("seed", ["time.time_ns()", "int.from_bytes(os.urandom(4), 'big')"])
def test_a_probe_finds_a_seed_from_outside(work: Path, seed: str) -> None:
    write(work, "plain.py", PLAIN.replace("SEED", f"import os, time; torch.manual_seed({seed})"))
    result = probe("plain.py", cwd=work, timeout_s=120)
    assert (result.same, result.steps) == (False, 20)
    assert "first divergence in step 0: the random states (torch)" in result.explanation
    assert "likely cause: seed (the states of torch differ" in result.explanation


def test_a_probe_of_what_takes_no_step_compares_results(work: Path) -> None:
    write(work, "count.py", "import numpy as np\nprint(np.load('table.npy').mean(), np.random.rand())\n")
    same = probe("count.py", cwd=work, data=[Path("table.npy")])
    assert (same.same, same.steps) == (True, 0)
    assert "what it printed is equal to the byte" in same.explanation
    write(work, "count.py", "import os\nopen('out.txt', 'w').write(os.urandom(4).hex())\n")
    other = probe("count.py", cwd=work, outputs=[Path("out.txt")])
    assert (other.same, other.explanation) == (False, "out.txt: other bytes")


def test_verify_and_diff_name_the_first_divergence(work: Path) -> None:
    beside = write(work.parent, "verified.json", "{}")
    write(work, "verified.py", SCRIPT.replace("import scaling", "").replace(", scaling", "")
          .replace('Path("../beside.json")', f"Path({str(beside)!r})").replace("scaling.FACTOR * ", ""))  # fmt: skip
    command = ["cascada", "run", "--trace", "--trace-every", "3", "--data", "table.npy", "verified.py"]
    answer = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    record = RunRecord(work / ".cascada" / "runs" / answer.stderr.split()[-2])
    assert verify(record, Request(), Settings(root=work)).verdict is Verdict.IDENTICAL
    beside.write_text('{"seed": 7}')
    found = verify(record, Request(), Settings(root=work))
    assert found.verdict is Verdict.DIVERGED
    told = [reason for reason in found.comparison.reasons if reason.startswith("first divergence in step 0")]
    assert len(told) == 1
    assert "likely cause: seed" in told[0]
    other = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
    pair = record.run_id, other.stderr.split()[-2]
    shown = subprocess.run(
        ["cascada", "diff", "--trace", *pair], cwd=work, env=environment(), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "First divergence" in shown.stdout
    assert "the code seeds itself" in " ".join(shown.stdout.split())


def environment() -> dict[str, str]:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "CASCADA_ROOT"}
    return kept | {"PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "COLUMNS": "200"}

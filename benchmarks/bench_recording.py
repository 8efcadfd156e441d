"""What recording costs: a fixed part a run, and a part that grows with what is logged.

``python benchmarks/bench_recording.py [--runs N] [--metrics N]``
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measures import machine, markdown_table

_SCRIPTS = {
    "nothing": "pass\n",
    "NumPy": "import numpy as np\nnp.random.rand(10)\n",
    "scikit-learn, one fit": (
        "import numpy as np\nfrom sklearn.linear_model import LogisticRegression\n"
        "X = np.random.rand(100, 3)\nLogisticRegression().fit(X, X[:, 0] > 0.5)\n"
    ),
}
_METRICS = """
import sys, time
from cascada import log_metrics
count = int(sys.argv[1])
start = time.perf_counter()
for step in range(count):
    log_metrics({"loss": 0.5 * step}, step)
print((time.perf_counter() - start) / count * 1e6)
"""


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--metrics", type=int, default=100_000)
    options = parser.parse_args()
    print(f"# Cost of a record\n\n{machine()}\n")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        work = _project(Path(folder))
        rows = [_row(work, name, options.runs) for name in _SCRIPTS]
        head = ("script", "python, s", "cascada run, s", "more, s", "more CPU, s")
        print(markdown_table(head, rows))  # noqa: T201
        answer = _timed(["cascada", "run", "metrics.py", "--", str(options.metrics)], work)[2]
        print(f"\nOne metric: {float(answer):.1f} µs, so 10,000 a second take {float(answer):.1f} % of one core.")  # noqa: T201


def _project(folder: Path) -> Path:
    for index, text in enumerate(_SCRIPTS.values()):
        (folder / f"script{index}.py").write_text(text)
    (folder / "metrics.py").write_text(_METRICS)
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "start")):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


def _row(work: Path, name: str, runs: int) -> tuple[str, ...]:
    script = f"script{list(_SCRIPTS).index(name)}.py"
    pairs = [(_timed([sys.executable, script], work), _timed(["cascada", "run", script], work)) for _ in range(runs)]
    plain, recorded = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    cpu = statistics.median(pair[1][1] - pair[0][1] for pair in pairs)
    return name, f"{plain:.2f}", f"{recorded:.2f}", f"{recorded - plain:.2f}", f"{cpu:.2f}"


def _timed(command: Sequence[str], work: Path) -> tuple[float, float, str]:
    """Run a command; returns wall time and its own processes' CPU time in s, and what it printed."""
    # The copy in MLflow is made after the run by a process that nobody waits for; here it finds no server and ends.
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, answer.stdout


if __name__ == "__main__":
    main()

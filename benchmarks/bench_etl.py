"""ETL at scale: time and peak memory of each step on many million showers, beside bare polars on the same columns.

``python -m benchmarks.bench_etl [--showers 50000000]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measures import markdown_table

RAW_SCRIPT = """
import sys, polars as pl
from cascada.config import SimulatorSource
from cascada.data.sources import read_source
source = SimulatorSource(kind="simulator", showers=int(sys.argv[2]))
read_source(source, directory=None, seed=1, threads=2).frame.sink_parquet(sys.argv[1], compression="lz4")
"""
BARE = """
import polars as pl
pl.scan_parquet({raw!r}).sink_parquet({out!r} + "/bare.parquet", compression="zstd")
"""
SIEVE_AND_WRITE = """
import numpy as np, polars as pl
from cascada.data.etl import Limit, sieve
sieved = sieve(pl.scan_parquet({raw!r}), {limits!r}, np.empty(0, np.uint32))
kept = sieved.kept.sink_parquet({out!r} + "/kept.parquet", compression="zstd", lazy=True)
quarantine = sieved.quarantined.sink_parquet({out!r} + "/quarantine.parquet", compression="zstd", lazy=True)
pl.collect_all([kept, quarantine], engine="streaming")
"""
FIND_REPEATS = """
import polars as pl
from cascada.data.etl import physics_of
from cascada.data.repeats import repeated_rows
frame = pl.scan_parquet({raw!r})
repeated_rows(frame, physics_of(frame.collect_schema().names()))
"""
HASH = """
import polars as pl
from cascada.data.snapshots import digest_table
digest_table(pl.scan_parquet({out!r} + "/kept.parquet"))
"""
VALIDATE = """
import polars as pl
from pathlib import Path
from cascada.data.validation import load_suite, validate
validate(pl.scan_parquet({raw!r}).head(1_000_000), load_suite(Path("expectations"), "raw_showers"), {{}})
"""
SNAPSHOT = """
from pathlib import Path
from cascada.config import ColumnMap, Dataset, ParquetSource
from cascada.data.ingest import Intake, take_snapshot
columns = {{n: ColumnMap(column=n, unit=u) for n, u in {units!r}.items()}}
label = {{"column": "primary", "values": {{p: p for p in ("photon", "p", "He", "N", "Fe")}}}}
source = ParquetSource(kind="parquet", files=("raw.parquet",), columns=columns, label=label)
take_snapshot(Intake(Dataset(source=source), name="bench", seed=1, threads=2, directory=Path({raw!r}).parent,
    suites=Path("expectations"), data=Path({out!r})))
"""
TIMED = """
import json, resource, time
start = time.perf_counter()
{body}
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
"""


def measure(script: str, *arguments: str) -> tuple[float, float]:
    """Run a script in a process of its own: seconds without the interpreter's start, and peak GiB."""
    command = [sys.executable, "-c", TIMED.format(body=script), *arguments]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, gib = json.loads(answer.stdout.splitlines()[-1])
    return seconds, gib


def main() -> None:
    """Measure every step and print the table."""
    from cascada.data.validation import load_suite
    from cascada.physics.columns import COLUMNS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--showers", type=int, default=50_000_000)
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="cascada-bench-"))
    try:
        raw = scratch / "raw.parquet"
        measure(RAW_SCRIPT, str(raw), str(options.showers))
        limits = dict(load_suite(Path("expectations"), "training_showers").limits)
        units = {
            n: COLUMNS[n].unit or "1"
            for n in COLUMNS
            if n in ("shower_id", "energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2")
        }
        values = {"raw": str(raw), "out": str(scratch), "limits": limits, "units": units}
        bare = min(measure(BARE.format(**values)) for _ in range(2))
        steps = {
            "bare `scan_parquet -> sink_parquet`": bare,
            "ETL: limits, reasons, both files written": min(
                measure(SIEVE_AND_WRITE.format(**values)) for _ in range(2)
            ),
            "finding repeated showers": measure(FIND_REPEATS.format(**values)),
            "full-content hashes, ordered and unordered": measure(HASH.format(**values)),
            "validation of 1 million rows": measure(VALIDATE.format(**values)),
            "whole snapshot: two suites, ETL, hashes, page": measure(SNAPSHOT.format(**values)),
        }
        rows = [
            (
                name,
                f"{s:.1f}",
                f"{options.showers / s / 1e6:.2f}" if "1 million" not in name else f"{1 / s:.2f}",
                f"{s / bare[0]:.2f}" if "1 million" not in name else "",
                f"{gib:.2f}",
            )
            for name, (s, gib) in steps.items()
        ]
        print(f"{options.showers:,} simulated showers.\n")  # noqa: T201
        print(markdown_table(("step", "s", "million rows/s", "times bare", "peak GiB"), rows))  # noqa: T201
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()

"""How fast CORSIKA 7 files are read: the shower table and the hits against particle-by-particle reading by corsikaio.

    python benchmarks/bench_corsika.py [--megabytes 300] [--folder /tmp]

It writes one plain and one thinned file, reads each with every reader in turn, three times over, and prints the medians
of wall time and of processor time (the honest one on a shared machine).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "support")]

from corsika_files import Shower, encode, particles  # noqa: E402

from benchmarks.measures import markdown_table  # noqa: E402
from cascada.config import Corsika7Source  # noqa: E402
from cascada.data.sources.corsika7 import read_corsika7, read_hits  # noqa: E402
from cascada.data.sources.corsika7_blocks import Blocks  # noqa: E402
from cascada.repro.fingerprint import file_sha256  # noqa: E402

_PARTICLES_PER_SHOWER = 500_000


def main() -> None:
    """Write the files, read them, print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--megabytes", type=int, default=300)
    options.add_argument("--folder", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for thinned in (False, True):
            path = _write(Path(folder), thinned=thinned, megabytes=chosen.megabytes)
            _report(path, thinned=thinned)


def _write(folder: Path, *, thinned: bool, megabytes: int) -> Path:
    rng = np.random.default_rng(17)
    width = 8 if thinned else 7
    showers = max(1, round(megabytes * 1e6 / (4 * width * _PARTICLES_PER_SHOWER)))
    path = folder / f"DAT00000{int(thinned)}"
    path.write_bytes(encode([_shower(event + 1, thinned, rng) for event in range(showers)], thinned=thinned))
    return path


def _shower(event: int, thinned: bool, rng: np.random.Generator) -> Shower:
    size = _PARTICLES_PER_SHOWER
    radius = rng.exponential(3e4, size)
    angle = rng.uniform(0, 2 * np.pi, size)
    weights = {"weight": rng.uniform(1, 1e4, size)} if thinned else {}
    rows = particles(
        rng.choice([1, 2, 3, 5, 6, 8, 13], size, p=[0.8, 0.07, 0.09, 0.015, 0.015, 0.005, 0.005]),
        px=rng.normal(0, 0.1, size), py=rng.normal(0, 0.1, size), pz=rng.exponential(0.1, size),
        x=radius * np.cos(angle), y=radius * np.sin(angle), t=6e4 + rng.exponential(200, size), **weights,
    )  # fmt: skip
    return Shower(event=event, zenith=0.5, azimuth=1.0, rows=rows)


def _report(path: Path, *, thinned: bool) -> None:
    readers: dict[str, Callable[[], object]] = {
        "sub-blocks only": lambda: sum(len(chunk) for chunk in Blocks(path)),
        "SHA-256 of the file": lambda: file_sha256(path),
        "cascada, shower table and hash": lambda: _table(path),
        "cascada, hits": lambda: sum(frame.height for frame in read_hits(path)),
        "corsikaio, particles": lambda: sum(len(event.particles) for event in _corsikaio(path, thinned=thinned)),
        "corsikaio, raw blocks": lambda: sum(
            len(event.data) for event in _corsikaio(path, thinned=thinned, parse_blocks=False)
        ),
    }
    size = path.stat().st_size / 1e6
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    for _ in range(3):
        for name, reader in readers.items():
            wall, processor = time.perf_counter(), time.process_time()
            reader()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    rows = []
    for name, values in seconds.items():
        wall, processor = (statistics.median(column) for column in zip(*values, strict=True))
        rows.append((name, f"{wall:.2f}", f"{size / wall:.0f}", f"{processor:.2f}", f"{size / processor:.0f}"))
    head = (f"{'thinned' if thinned else 'plain'}, {size:.0f} MB", "s", "MB/s", "s of processor", "MB/s of processor")
    sys.stdout.write(markdown_table(head, rows) + "\n\n")


def _table(path: Path) -> int:
    config = Corsika7Source(kind="corsika7", files=(path.name,))
    return read_corsika7(config, path.parent).frame.collect().height


def _corsikaio(path: Path, *, thinned: bool, parse_blocks: bool = True) -> object:
    import corsikaio

    if parse_blocks:
        return corsikaio.CorsikaParticleFile(str(path), thinning=thinned)
    return corsikaio.CorsikaFile(str(path), thinning=thinned, parse_blocks=False)


if __name__ == "__main__":
    main()

"""What a run consumed: time, and energy as the machine measures it, or else as an estimate."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from cascada.repro.environment import Hardware, Record

WATTS_PER_CORE = 7.5
"""Thermal design power over cores of usual server processors (AMD EPYC 9334: 210 W / 32 = 6.6; Intel Xeon Gold 6430:
270 W / 32 = 8.4), where nobody stated a better figure."""

_JOULES_PER_KWH = 3.6e6
_POWERCAP = Path("/sys/class/powercap")


class Consumption(Record):
    """What a run consumed.

    Attributes
    ----------
    wall_s, cpu_s
        Seconds on the clock, and of processor time with all processes that ended in it.
    cpu_kwh, gpu_kwh
        Energy.
    method
        How each of the two energies was found.
    money, currency
        Price on the own cluster; None where the project has no price of its own.
    """

    wall_s: float = Field(ge=0)
    cpu_s: float = Field(ge=0)
    cpu_kwh: float = Field(ge=0)
    gpu_kwh: float = Field(ge=0)
    method: dict[str, str] = Field(default_factory=dict)
    money: float | None = None
    currency: str = ""

    @property
    def energy_kwh(self) -> float:
        return self.cpu_kwh + self.gpu_kwh


class Meter:
    """Measures from its making to `stop`.

    Parameters
    ----------
    watts_per_core
        Power of a busy core, where the processor has no counter (RAPL) that may be read.
    every_s
        Seconds between two readings of power. RAPL's counters wrap within the hour.
    powercap
        Folder of the kernel's power capping.

    Notes
    -----
    RAPL and nvidia-smi tell of whole processors and GPUs: whatever else ran there is in the figure.
    """

    def __init__(
        self, watts_per_core: float = WATTS_PER_CORE, *, every_s: float = 10.0, powercap: Path = _POWERCAP
    ) -> None:
        self._watts_per_core, self._every_s = watts_per_core, every_s
        self._zones = _readable_zones(powercap)
        self._gpus = _gpu_query(os.environ)
        self._cpu_j, self._gpu_j = 0.0, 0.0
        self._counters = {zone: _counter(zone) for zone in self._zones}
        self._began, self._cpu_began = time.monotonic(), _cpu_seconds()
        self._read_at = self._began
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        if self._zones or self._gpus:
            self._thread.start()

    def stop(self, *, elsewhere_cpu_s: float = 0.0) -> Consumption:
        """End the measurement.

        Parameters
        ----------
        elsewhere_cpu_s
            CPU time of processes that worked for this one and are no children of it.
        """
        wall_s, cpu_s = time.monotonic() - self._began, _cpu_seconds() - self._cpu_began + elsewhere_cpu_s
        if self._thread.is_alive():
            self._over.set()
            self._thread.join()
        cpu_j = self._cpu_j if self._zones else cpu_s * self._watts_per_core
        return Consumption(
            wall_s=round(wall_s, 3), cpu_s=round(cpu_s, 3), cpu_kwh=cpu_j / _JOULES_PER_KWH,
            gpu_kwh=self._gpu_j / _JOULES_PER_KWH, method=self._method(),
        )  # fmt: skip

    def _method(self) -> dict[str, str]:
        estimate = f"estimate: processor time at {self._watts_per_core:g} W a core"
        return {
            "cpu": "RAPL counters of the whole processor" if self._zones else estimate,
            "gpu": "power that nvidia-smi read" if self._gpus else "none found",
        }

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            self._read()
        self._read()

    def _read(self) -> None:
        watts = _gpu_watts(self._gpus) if self._gpus else 0.0
        now = time.monotonic()
        self._gpu_j += watts * (now - self._read_at)
        self._read_at = now
        for zone, before in self._counters.items():
            self._counters[zone] = value = _counter(zone)
            self._cpu_j += (value - before if value >= before else value + _range(zone) - before) / 1e6


def count_gpus(hardware: Hardware, environment: Mapping[str, str]) -> int:
    """Count the GPUs of a machine that a process may use."""
    visible = _visible(environment)
    return len(hardware.gpus) if visible is None else min(len(visible), len(hardware.gpus))


def _visible(environment: Mapping[str, str]) -> list[str] | None:
    """List the GPUs that a process may use; None where nothing is said. A number below zero ends the list (CUDA)."""
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return None
    names = [name.strip() for name in said.split(",")]
    return list(itertools.takewhile(lambda name: name and not name.startswith("-"), names))


def _cpu_seconds() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def _readable_zones(powercap: Path) -> list[Path]:
    """List the zones of whole processors; their parts (cores, memory) have a second colon in the name."""
    zones = (path for path in powercap.glob("intel-rapl:*") if path.name.count(":") == 1)
    return sorted(zone for zone in zones if os.access(zone / "energy_uj", os.R_OK))


def _counter(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())


def _range(zone: Path) -> int:
    return int((zone / "max_energy_range_uj").read_text())


def _gpu_query(environment: Mapping[str, str]) -> list[str]:
    """Make the command that reads the power of the GPUs that this process may use; nothing without a driver."""
    visible = _visible(environment)
    if shutil.which("nvidia-smi") is None or visible == []:
        return []
    chosen = [f"--id={','.join(visible)}"] if visible else []
    return ["nvidia-smi", *chosen, "--query-gpu=power.draw", "--format=csv,noheader,nounits"]


def _gpu_watts(query: list[str]) -> float:
    """Read the power in W; a GPU that tells none counts nothing."""
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return 0.0
    return sum(float(line) for line in answer.stdout.split() if line.replace(".", "", 1).isdigit())

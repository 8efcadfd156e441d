"""The GPUs of this machine, as their driver tells them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Gpu:
    """A GPU; memory in GiB."""

    index: int
    name: str
    memory_gib: int

    @property
    def label(self) -> str:
        """A short name for workers.

        Examples
        --------
        >>> Gpu(0, "NVIDIA A100-SXM4-80GB", 80).label
        'gpu0-a100-sxm4-80gb'
        >>> Gpu(1, "Tesla T4", 15).label
        'gpu1-tesla-t4-15gib'
        """
        name = re.sub(r"[^a-z0-9]+", "-", self.name.lower().removeprefix("nvidia ")).strip("-")
        return f"gpu{self.index}-{name}" + ("" if re.search(r"\dgb", name) else f"-{self.memory_gib}gib")


def find_gpus() -> list[Gpu]:
    """List the GPUs; none without NVIDIA's driver."""
    query = ["nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if answer.returncode != 0:
        return []
    rows = [[part.strip() for part in line.split(",")] for line in answer.stdout.splitlines() if line.strip()]
    return [Gpu(int(index), name, round(float(memory) / 1024)) for index, name, memory in rows]


def gpu_devices() -> list[str]:
    """List the device files of NVIDIA's driver."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia*") if path.is_char_device())

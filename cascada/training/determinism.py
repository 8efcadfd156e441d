"""What the bits of a fit depend on beside its seeds."""

from __future__ import annotations

import torch


def determinism_flags() -> dict[str, str | int | bool]:
    """Tell what bits depend on beside seeds: two fits with the same flags on the same machine are equal.

    Returns
    -------
    dict
        As it is in this process now; to be asked right after a fit.
    """
    return {
        "torch": torch.__version__,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "device": _device(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "mps" if torch.backends.mps.is_available() else "cpu"

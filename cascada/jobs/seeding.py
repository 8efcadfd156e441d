"""Seeds for every library with global random state, given when the library is imported and not before."""

from __future__ import annotations

import functools
import itertools
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import wrapt

# CUDA's cuBLAS is deterministic with a fixed workspace only (NVIDIA, cuBLAS documentation, "Results reproducibility").
FLAGS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}

Seeder = Callable[[Any, int], None]


def seed_everything(seeds: Mapping[str, int]) -> None:
    """Seed `random` now, and NumPy, PyTorch and TensorFlow now or when they are imported.

    PyTorch and TensorFlow are told to prefer deterministic kernels; where PyTorch has none it warns and goes on.
    """
    random.seed(seeds["python"])
    for module, library, seeder in _SEEDERS:
        if module in sys.modules:
            seeder(sys.modules[module], seeds[library])
        else:
            wrapt.register_post_import_hook(functools.partial(_seed_once, seeder, seeds[library]), module)


def _seed_once(seeder: Seeder, seed: int, module: Any) -> None:
    seeder(module, seed)


def _seed_numpy(module: Any, seed: int) -> None:
    """Seed the global generator, and let generators made without a seed descend from it in the order they are made."""
    module.seed(seed)
    original = getattr(module.default_rng, "__wrapped__", module.default_rng)
    made = itertools.count()

    @functools.wraps(original)
    def default_rng(given: Any = None, **named: Any) -> Any:
        wanted = named.get("seed", given)
        return original(module.SeedSequence(seed, spawn_key=(next(made),)) if wanted is None else wanted)

    module.default_rng = default_rng


def _seed_torch(module: Any, seed: int) -> None:
    module.manual_seed(seed)
    # As use_deterministic_algorithms(True, warn_only=True), which would import the compiler: seconds.
    module.set_deterministic_debug_mode("warn")
    module.backends.cudnn.benchmark = False


def _seed_tensorflow(module: Any, seed: int) -> None:
    module.random.set_seed(seed)
    module.config.experimental.enable_op_determinism()


_SEEDERS: tuple[tuple[str, str, Seeder], ...] = (
    ("numpy.random", "numpy", _seed_numpy),
    ("torch", "torch", _seed_torch),
    ("tensorflow", "tensorflow", _seed_tensorflow),
)


def flags_in_force(seeds: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, str]:
    """List the variables that a run starts with: the hash seed and determinism flags; the user's own stay."""
    wanted = FLAGS | {"PYTHONHASHSEED": str(seeds["hash"])}
    return {name: environment.get(name, value) for name, value in wanted.items()}

"""Hashes of tensors, batches and random states, and numbers bit by bit."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_states(generators: Sequence[str]) -> list[str]:
    """Hash the states of some of `GENERATORS`; empty for one that is not in use."""
    return [_short(_STATES[name]()) for name in generators]


def _numpy_state() -> bytes:
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - users draw from it
    return bytes(state["key"].tobytes()) + str(state["pos"]).encode()


def _cuda_state() -> Any:
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_rng_state().numpy() if in_use else b""


_STATES: dict[str, Callable[[], Any]] = {
    "python": lambda: array("I", random.getstate()[1]),
    "numpy": _numpy_state,
    "torch": lambda: torch.get_rng_state().numpy(),
    "cuda": _cuda_state,
}
GENERATORS = tuple(_STATES)
"""The global random generators."""


def _short(buffer: Any) -> str:
    return blake2b(buffer, digest_size=4).hexdigest() if len(buffer) else ""


def tensor_digest(tensor: Tensor) -> str:
    """Hash the bytes of a tensor."""
    return blake2b(_bytes(tensor), digest_size=6).hexdigest()


def _bytes(tensor: Tensor) -> Any:
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    return dense.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def update_content(digest: Any, value: Any) -> None:
    """Feed the numbers and texts of a batch, however nested, to a hash; of other objects the type's name."""
    if isinstance(value, Tensor):
        digest.update(_bytes(value))
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(np.ascontiguousarray(value).view(np.uint8))
    elif isinstance(value, Mapping):
        for key in value:
            digest.update(str(key).encode())
            update_content(digest, value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            update_content(digest, item)
    else:
        known = value is None or isinstance(value, (str, bytes, bool, int, float))
        digest.update((repr(value) if known else type(value).__qualname__).encode())


def bits(number: Tensor) -> str | Tensor:
    """Spell a scalar bit by bit; one on a GPU is copied there instead, as waiting for it would slow the training."""
    return float(number.detach()).hex() if number.device.type == "cpu" else number.detach().clone()


def gradient_norm(gradients: list[Tensor]) -> str | Tensor:
    """Take the norm of all gradients together, by means whose bits do not depend on the number of threads."""
    if all(g.device.type == "cpu" and g.layout is torch.strided for g in gradients):
        return float(np.sqrt(sum(_square(g) for g in gradients))).hex()
    return bits(torch.nn.utils.get_total_norm(gradients))


def _square(gradient: Tensor) -> float:
    wide = gradient if gradient.dtype in {torch.float32, torch.float64} else gradient.float()
    flat = (wide.detach() if wide.requires_grad else wide).numpy().reshape(-1)
    return float(np.einsum("i,i->", flat, flat))  # not BLAS, whose sums depend on its threads


def sample_numbers(ids: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Turn the ids of samples into 64-bit numbers: integers as they are, other ids by a hash of their text."""
    try:
        return np.frombuffer(array("q", ids), dtype=np.uint64)
    except (TypeError, OverflowError):
        words = b"".join(blake2b(repr(one).encode(), digest_size=8).digest() for one in ids)
        return np.frombuffer(words, dtype=np.uint64)


def set_sum(numbers: np.ndarray[Any, np.dtype[np.uint64]]) -> int:
    """Hash a set of numbers whatever their order: the sum of a hash of each, modulo 2⁶⁴, so that sums add up."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    return int(mixed.sum())

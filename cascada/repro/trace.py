"""The trace of a training, and the first step at which two of them part.

A trace is a file of JSON lines, ``trace.jsonl``. The first names the format, ``every`` (steps between two that are
hashed by parameter) and the generators of ``rng``; then comes one line an optimizer step::

    {"step": 0, "ids": hash, "batch": hash, "rng": [hash, ...], "loss": ["0x1.8p+0"], "norm": "0x1.2p-1",
     "initial": {parameter: hash}, "gradients": {parameter: hash}, "weights": {parameter: hash}}

``ids`` are those of a data loader's sampler; ``batch`` is the content of the batch and of what the first module got,
``gradients`` and ``weights`` (after the update) stand at every K-th step, ``initial`` at an optimizer's first one.
Numbers are hexadecimal, bit by bit. A line ``{"rows": n, "set": hash}`` follows the step that used the last batch of
a pass over the data: how many samples, and which, in whatever order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cascada.errors import ArtifactError
from cascada.repro.environment import Record
from cascada.repro.fingerprint import file_sha256

TRACE_FILE = "trace.jsonl"
FORMAT = 1

CHAIN = {
    "ids": "the samples of the batch",
    "rng": "the random states",
    "batch": "the content of the batch",
    "initial": "the initial weights",
    "loss": "the loss",
    "norm": "the norm of the gradients",
    "gradients": "the gradients",
    "weights": "the weights after the update",
}
"""What a step is made of, each from what stands above it."""

_BY_LAYER = ("initial", "gradients", "weights")


@dataclass(frozen=True)
class Trace:
    """A trace in memory.

    Attributes
    ----------
    every
        Steps between two that are hashed by parameter.
    generators
        Names of the random generators whose states stand in each step.
    steps
        In their order.
    passes
        Rows and set of the samples of each whole pass over the data.
    """

    every: int
    generators: tuple[str, ...]
    steps: tuple[Mapping[str, Any], ...]
    passes: tuple[tuple[int, str], ...] = ()


class Divergence(Record):
    """Where two traces part.

    Attributes
    ----------
    step
        Counts from 0.
    part
        What differs first in that step, of `CHAIN`; ``length`` when one trace ends there and the other goes on.
    also
        What else differs in that step, in the order of the chain.
    layers
        Parameters that differ, of the first part that is hashed by parameter and differs; in the order of the network.
    layers_of, layers_step
        Which part that is, and the step at which it was looked at: at `step`, or later where only every K-th is.
    of_layers
        How many parameters were looked at.
    generators
        The random generators whose states differ at that step.
    same_samples
        Whether both went over the same samples in their first whole pass; None when one did not end.
    """

    step: int
    part: str
    also: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    layers_of: str = ""
    layers_step: int = -1
    of_layers: int = 0
    generators: tuple[str, ...] = ()
    same_samples: bool | None = None

    def differs(self, *parts: str) -> bool:
        """Tell whether any of these parts differs at the step."""
        return not {self.part, *self.also}.isdisjoint(parts)

    def __str__(self) -> str:
        if self.part == "length":
            return f"equal for {self.step} steps, where one of the two ends"
        after = [CHAIN[part] for part in self.also]
        also = f", and then {', '.join(after[:2])}{', …' if len(after) > 2 else ''}" if after else ""
        return f"step {self.step}: {CHAIN[self.part]}{self._which()}{also}{self._where()}"

    def _which(self) -> str:
        if self.part == "rng":
            return f" ({', '.join(self.generators)})"
        return f" of {self._parameters()}" if self._is_by_layer else ""

    def _where(self) -> str:
        if not self.layers or self._is_by_layer:
            return ""
        later = f" in step {self.layers_step}, the next that is hashed by parameter" * (self.layers_step != self.step)
        return f"; {CHAIN[self.layers_of]}{later}: {self._parameters()}"

    @property
    def _is_by_layer(self) -> bool:
        return self.layers_of == self.part and self.layers_step == self.step

    def _parameters(self) -> str:
        shown = ", ".join(self.layers[:3]) + (", …" if len(self.layers) > 3 else "")
        return f"{shown} ({len(self.layers)} of {self.of_layers} parameters)"


@dataclass
class _Lines:
    header: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    passes: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: dict[str, Any]) -> None:
        if "step" in line:
            self.steps.append(line)
        elif "set" in line:
            self.passes.append((line["rows"], line["set"]))
        else:
            self.header = line


def read_trace(folder: Path) -> Trace:
    """Read the trace of a record.

    Parameters
    ----------
    folder
        Of the record.

    Raises
    ------
    ArtifactError
        If there is none, or it is of another format.
    """
    path = folder / TRACE_FILE
    if not path.exists():
        raise ArtifactError(
            f"the run {folder.name} has no trace", where=str(path), expected="a run of PyTorch that was traced",
            hint="`cascada run --trace script.py`, or `cascada train --trace EXPERIMENT.yaml`, leaves one",
        )  # fmt: skip
    found = _Lines()
    for line in _parsed(path):
        found.add(line)
    if found.header.get("trace") != FORMAT:
        raise ArtifactError(
            "this is not a trace", where=str(path), expected=f"format {FORMAT}", got=str(found.header)[:200]
        )
    header = found.header
    return Trace(header["every"], tuple(header["rng"]), tuple(found.steps), tuple(found.passes))


def describe_trace(folder: Path) -> dict[str, Any]:
    """Tell what a manifest says of a trace: its number of ``steps`` and its ``sha256``; no hash where there is none."""
    path = folder / TRACE_FILE
    if not path.exists():
        return {"steps": 0, "sha256": ""}
    with path.open("rb") as file:
        steps = sum(line.startswith(b'{"step"') for line in file)
    return {"steps": steps, "sha256": file_sha256(path)}


def _parsed(path: Path) -> Iterator[dict[str, Any]]:
    """Read lines; the last is left out when a kill cut it short."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


def first_divergence(one: Trace, other: Trace) -> Divergence | None:
    """Find the first step at which two traces differ, and what differs first in it; None when they are equal."""
    for number, (left, right) in enumerate(zip_longest(one.steps, other.steps)):
        if left is None or right is None:
            return Divergence(step=number, part="length", same_samples=_same_samples(one, other))
        differing = [part for part in CHAIN if part in left and part in right and left[part] != right[part]]
        if differing:
            return _divergence(one, other, number, differing)
    return None


def _divergence(one: Trace, other: Trace, number: int, differing: list[str]) -> Divergence:
    left, right = one.steps[number], other.steps[number]
    states = [
        name for name, a, b in zip(one.generators, left.get("rng", ()), right.get("rng", ()), strict=False) if a != b
    ]
    part, step, layers, looked = _layers(one, other, number)
    return Divergence(
        step=number, part=differing[0], also=tuple(differing[1:]), layers=layers, layers_of=part, layers_step=step,
        of_layers=looked, generators=tuple(states), same_samples=_same_samples(one, other),
    )  # fmt: skip


def _layers(one: Trace, other: Trace, start: int) -> tuple[str, int, tuple[str, ...], int]:
    """Find the parameters that differ first, from a step on: part, step, names, and how many there are."""
    for step, (left, right) in enumerate(zip(one.steps[start:], other.steps[start:], strict=False), start):
        for part in _BY_LAYER:
            a, b = left.get(part), right.get(part)
            if a is not None and b is not None and a != b:
                names = [*a, *(name for name in b if name not in a)]
                return part, step, tuple(name for name in names if a.get(name) != b.get(name)), len(names)
    return "", -1, (), 0


def _same_samples(one: Trace, other: Trace) -> bool | None:
    return one.passes[0] == other.passes[0] if one.passes and other.passes else None

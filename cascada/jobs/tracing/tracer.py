"""The lines of a trace as a training goes on."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn.modules.module import register_module_forward_pre_hook

from cascada.jobs.autolog.watching import harmless
from cascada.jobs.tracing.digests import GENERATORS, bits, gradient_norm, random_states, tensor_digest
from cascada.jobs.tracing.layers import Layers
from cascada.jobs.tracing.samples import Samples
from cascada.repro.trace import FORMAT

_MOST_LOSSES = 16  # of one step: `backward` may be called for other things than training


class Tracer:
    """Writes one line an optimizer step.

    Lines are kept until the next step that is hashed by parameter: values on a GPU are read then and not before.

    Parameters
    ----------
    every
        Steps between two that are hashed by parameter; the first always is.
    generators
        Whose states are hashed, of `cascada.jobs.tracing.digests.GENERATORS`.
    stop_after
        End the script after so many steps; 0 lets it go on.
    """

    def __init__(
        self, path: Path, *, every: int, generators: Sequence[str] = GENERATORS, stop_after: int = 0
    ) -> None:  # fmt: skip
        self.samples = Samples()
        self._path, self._every, self._stop_after = path, every, stop_after
        self._generators = tuple(generators)
        self._lines: list[dict[str, Any]] = [{"trace": FORMAT, "every": every, "rng": self._generators}]
        self._line: dict[str, Any] | None = None
        self._losses: deque[str | Tensor] = deque(maxlen=_MOST_LOSSES)
        self._layers = Layers()
        self._known: WeakSet[torch.optim.Optimizer] = WeakSet()
        self._step = 0
        self._look_at_inputs()

    @harmless
    def add_loss(self, loss: Tensor) -> None:
        """Take the value that is differentiated."""
        self._losses.append(bits(loss))

    @harmless
    def before_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Note what the step rests on, once its gradients are there."""
        states = random_states(self._generators)
        line = {"step": self._step} | self.samples.found | {"rng": states, "loss": list(self._losses)}
        layers = self._layers.of(optimizer)
        first = optimizer not in self._known
        self._known.add(optimizer)
        if first:
            line["initial"] = {name: tensor_digest(parameter) for name, parameter in layers}
        gradients = {name: parameter.grad for name, parameter in layers if parameter.grad is not None}
        line["norm"] = gradient_norm(list(gradients.values())) if gradients else ""
        if first or self._is_dear:
            line["gradients"] = {name: tensor_digest(gradient) for name, gradient in gradients.items()}
        self._line = line

    @harmless
    def after_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Note the new weights, and write."""
        line, self._line = self._line, None
        if line is None:
            return
        if "gradients" in line:
            line["weights"] = {name: tensor_digest(parameter) for name, parameter in self._layers.of(optimizer)}
        self._lines += [line, *({"rows": rows, "set": total} for rows, total in self.samples.epochs)]
        if self._is_dear:
            self._write()
        self._step += 1
        self._losses.clear()
        self.samples.reset(by_content=self._is_dear)
        if self._is_dear:
            self._look_at_inputs()

    def stop_when_done(self) -> None:
        """End the script as if it had come to its end, when it has taken the steps that were asked for."""
        if self._stop_after and self._step >= self._stop_after:
            sys.exit(0)

    def close(self) -> None:
        """Write what is left; no line at all when there was no step."""
        if self._step:
            self._write()

    @property
    def _is_dear(self) -> bool:
        return self._step % self._every == 0

    def _look_at_inputs(self) -> None:
        """Hash what the first module that is called with gradients gets; the hook then takes itself off."""

        def look(_: Any, inputs: Any) -> None:
            if torch.is_grad_enabled() and not torch.compiler.is_compiling():
                hook.remove()
                harmless(self.samples.add_content)(inputs)

        hook = register_module_forward_pre_hook(look)

    def _write(self) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line, default=_spelled, separators=(',', ':'))}\n" for line in self._lines)
        self._lines.clear()


def _spelled(number: Tensor) -> str:
    return float(number).hex()

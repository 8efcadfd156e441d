"""Names of the parameters that an optimizer holds: those that the user's modules give them."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn


class Layers:
    """Names by parameter, looked up once an optimizer; an optimizer that is gone is forgotten."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[torch.optim.Optimizer, list[tuple[str, Tensor]]] = WeakKeyDictionary()
        self._kinds: Counter[str] = Counter()

    def of(self, optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
        """List the parameters of an optimizer with their names, such as ``Net.encoder.0.weight``."""
        found = self._found.get(optimizer, [])
        if len(found) != sum(len(group["params"]) for group in optimizer.param_groups):  # a group may have been added
            self._found[optimizer] = found = self._name(optimizer)
        return found

    def _name(self, optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        place = {id(parameter): number for number, parameter in enumerate(held)}
        names: dict[int, str] = {}
        for module in _roots(_modules_of(place), place):
            kind = self._label(type(module).__name__)
            for path, parameter in module.named_parameters():
                names.setdefault(id(parameter), f"{kind}.{path}")
        return [(names.get(id(p), f"{type(optimizer).__name__}.{number}"), p) for number, p in enumerate(held)]

    def _label(self, kind: str) -> str:
        self._kinds[kind] += 1
        return kind if self._kinds[kind] == 1 else f"{kind}_{self._kinds[kind]}"


def _modules_of(place: dict[int, int]) -> list[nn.Module]:
    """Find the modules that hold any of these parameters; a class is asked, so that no lazy object is touched."""
    living = gc.get_objects()
    kinds = {kind for kind in set(map(type, living)) if issubclass(kind, nn.Module)}
    modules: list[nn.Module] = [found for found in living if type(found) in kinds]
    return [module for module in modules if any(id(parameter) in place for parameter in module.parameters())]


def _roots(modules: Iterable[nn.Module], place: dict[int, int]) -> list[nn.Module]:
    """Keep the modules that are part of no other, in an order that does not depend on memory."""
    found = list(modules)
    inner = {id(part) for module in found for part in module.modules() if part is not module}

    def rank(module: nn.Module) -> tuple[Any, ...]:
        first = min(place[id(p)] for p in module.parameters() if id(p) in place)
        return first, -sum(1 for _ in module.parameters()), type(module).__name__

    return sorted((module for module in found if id(module) not in inner), key=rank)

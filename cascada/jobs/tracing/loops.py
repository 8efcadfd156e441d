"""Where a loop is watched: `Tensor.backward`, the steps of every optimizer, and the first module that is called."""

from __future__ import annotations

import functools
from typing import Any

from cascada.jobs.tracing import current


def watch_loops(torch: Any) -> None:
    """Watch ``backward`` and the steps of all optimizers of this process."""
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    _watch_backward(torch)
    register_optimizer_step_pre_hook(_before)
    register_optimizer_step_post_hook(_after)
    current.tracer()  # it looks at the inputs of the first step


def _watch_backward(torch: Any) -> None:
    original = torch.Tensor.backward

    @functools.wraps(original)
    def backward(self: Any, *arguments: Any, **named: Any) -> Any:
        tracer = current.tracer()
        if tracer is not None and self.numel() == 1:
            tracer.add_loss(self)
        return original(self, *arguments, **named)

    torch.Tensor.backward = backward


def _before(optimizer: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Look before the update; a step that computes its gradients itself, by a closure, when it has called that."""
    tracer = current.tracer()
    if tracer is None:
        return None
    closure = arguments[1] if len(arguments) > 1 else named.get("closure")
    if closure is None:
        tracer.before_update(optimizer)
        return None
    looked: list[bool] = []

    @functools.wraps(closure)
    def watched(*inner: Any, **inner_named: Any) -> Any:
        value = closure(*inner, **inner_named)
        if not looked:
            looked.append(True)
            tracer.before_update(optimizer)
        return value

    if len(arguments) > 1:
        return (arguments[0], watched, *arguments[2:]), named
    return arguments, named | {"closure": watched}


def _after(optimizer: Any, *_: Any) -> None:
    tracer = current.tracer()
    if tracer is not None:
        tracer.after_update(optimizer)
        tracer.stop_when_done()

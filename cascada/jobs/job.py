"""`@job`: a function whose typed arguments are the parameters of a run and whose return value is its outcome.

A call is recorded when it happens in a run (`cascada run script.py`), or in the script that Python was started with
(``python script.py``); each such call outside of a run is a run of its own. Imported from another module, and inside
of another job, the function is the plain function that it was.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from cascada.errors import ConfigError
from cascada.jobs import active
from cascada.jobs.events import emit

P = ParamSpec("P")
R = TypeVar("R")

_inside: ContextVar[bool] = ContextVar("cascada_job", default=False)


@overload
def job(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def job(*, name: str = "", data: Sequence[str | Path] = ()) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def job(
    function: Callable[P, R] | None = None, /, *, name: str = "", data: Sequence[str | Path] = ()
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Record calls of a function.

    Parameters
    ----------
    function
        Its arguments are validated against their annotations; it returns a mapping of metrics (name to number), a pair
        of metrics and artifacts (name to path or JSON value), or None.
    name
        Groups runs; the script's name when omitted.
    data
        Files and folders that it reads, hashed in full before it starts.

    Raises
    ------
    ConfigError
        If the function takes ``*args``, ``**kwargs`` or positional-only arguments.

    Examples
    --------
    >>> @job
    ... def train(epochs: int = 3) -> dict[str, float]:
    ...     return {"loss": 1 / epochs}
    >>> train(epochs=4)
    {'loss': 0.25}
    """
    if function is None:
        return functools.partial(_decorate, name=name, data=data)
    return _decorate(function, name=name, data=data)


def _decorate(function: Callable[P, R], *, name: str, data: Sequence[str | Path]) -> Callable[P, R]:
    paths = tuple(Path(path) for path in data)
    _require_named(function)

    @functools.wraps(function)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        run = active.current()
        if _inside.get() or (run is None and not _is_the_script(function)):
            return function(*arguments, **named)
        token = _inside.set(True)
        try:
            if run is not None:
                return _recorded(run, function, arguments, named, paths)
            with _own_run(name, paths) as own:
                return _recorded(own, function, arguments, named, ())
        finally:
            _inside.reset(token)

    return called


def _require_named(function: Callable[..., Any]) -> None:
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
            raise ConfigError(f"the arguments of a job need names, {name!r} has none", where=function.__qualname__)


def _is_the_script(function: Callable[..., Any]) -> bool:
    return function.__module__ == "__main__" and hasattr(sys.modules["__main__"], "__file__")


def _recorded(
    run: active.ActiveRun,
    function: Callable[..., R],
    arguments: tuple[Any, ...],
    named: Mapping[str, Any],
    data: Sequence[Path],
) -> R:
    from cascada.jobs.inputs import hash_inputs
    from cascada.jobs.parameters import bind_parameters, to_json
    from cascada.jobs.seeding import seed_everything

    plan = run.plan
    values = bind_parameters(function, arguments, named, given=plan.parameters, overrides=plan.overrides)
    run.log_params(to_json(values))
    run.notes["job"] = True
    if data:
        run.notes.setdefault("inputs", []).extend(hash_inputs(data, cwd=Path.cwd(), root=Path(plan.root)))
    emit("run_start", run.run_id, parameters=values)
    seed_everything(plan.seeds)
    result = function(**values)
    _keep(run, function, result)
    return result


def _keep(run: active.ActiveRun, function: Callable[..., Any], result: Any) -> None:
    """Record what a job returned.

    Raises
    ------
    ConfigError
        If it is none of the forms that `job` names; what could be kept is kept.
    """
    metrics, artifacts = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    what = "metrics"
    try:
        if metrics is not None:
            run.log_metrics(dict(metrics))
        for name, value in dict(artifacts).items():
            what = f"artifact {name}"
            run.save_output(name, value)
    except (TypeError, ValueError, OSError) as error:
        raise ConfigError(
            f"the {what} that the job returned cannot be recorded", where=function.__qualname__, got=str(error),
            expected="metrics (name to number), or a pair of metrics and artifacts (name to path or JSON value)",
        ) from error  # fmt: skip


@contextmanager
def _own_run(name: str, data: tuple[Path, ...]) -> Iterator[active.ActiveRun]:
    """Make a run of this process from here to the end of the block; its hash seed is what Python started with."""
    from cascada.jobs.announce import announce_end
    from cascada.jobs.execute import Launch
    from cascada.jobs.here import record_here
    from cascada.jobs.mirror import start_mirror
    from cascada.repro.record import new_record
    from cascada.settings import load_settings

    script = Path(os.path.relpath(str(sys.modules["__main__"].__file__)))
    settings = load_settings()
    launch = Launch(script=script, arguments=tuple(sys.argv[1:]), cwd=Path.cwd(), name=name, data=data)
    record = new_record(settings.home)
    try:
        with record_here(launch, record) as run:
            yield run
    finally:
        if record.folder.exists():
            start_mirror(settings.home)
            announce_end(record, settings)

"""The parameters of a job: the typed arguments of its function."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cascada.errors import ConfigError, nearest


def bind_parameters(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: Mapping[str, Any],
    *,
    given: Mapping[str, Any],
    overrides: Iterable[str],
) -> dict[str, Any]:
    """Find and validate the arguments of a function.

    Parameters
    ----------
    function
        Its annotations are the types; an argument without one takes anything that JSON can hold.
    arguments, named
        Of the call; over its defaults.
    given
        Of a file; over the call's.
    overrides
        ``dotted.key=value``, the value in YAML; over all others.

    Returns
    -------
    dict
        Name to value, of the declared type.

    Raises
    ------
    ConfigError
        If a name is unknown, a value is not of the declared type, or an argument is missing.
    """
    signature = inspect.signature(function)
    values = dict(signature.bind_partial(*arguments, **named).arguments)
    _require_known(given, signature.parameters, "the parameter file")
    values |= given
    for override in overrides:
        _override(values, override, signature.parameters)
    return _validate(function, signature, values)


def _require_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"the job has no parameter {name!r}", where=where, hint=nearest(name, known))


def _override(values: dict[str, Any], override: str, known: Mapping[str, inspect.Parameter]) -> None:
    key, mark, text = override.partition("=")
    if not mark:
        raise ConfigError("--set takes dotted.key=value", got=override)
    first, *path = key.split(".")
    _require_known([first], known, f"--set {override}")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that no calendar has is a ValueError
        raise ConfigError("the value of --set cannot be read as YAML", where=override, got=str(error)) from error
    if path:
        start = values.get(first, known[first].default)
        value = _replaced({} if start is inspect.Parameter.empty else to_jsonable_python(start), path, value)
    values[first] = value


def _replaced(value: Any, path: list[str], new: Any) -> Any:
    """Replace what is at a path in nested keys and values; the original stays."""
    if not path:
        return new
    if not isinstance(value, Mapping):
        raise ConfigError(f"--set reaches into {type(value).__name__}, which has no key {path[0]!r}")
    return {**value, path[0]: _replaced(value.get(path[0], {}), path[1:], new)}


def _validate(function: Callable[..., Any], signature: inspect.Signature, values: dict[str, Any]) -> dict[str, Any]:
    types = typing.get_type_hints(function)
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (types.get(name, Any), default)
    model = create_model("Parameters", __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)
    try:
        checked: BaseModel = model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        got = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
        raise ConfigError(f"parameter {name}: {first['msg']}", where=function.__qualname__, got=got) from error
    return {name: getattr(checked, name) for name in signature.parameters}


def to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write parameters as JSON values.

    Raises
    ------
    ConfigError
        If one cannot be written: a run whose parameters are not known cannot be repeated.
    """
    written: dict[str, Any] = {}
    for name, value in values.items():
        try:
            written[name] = to_jsonable_python(value)
        except PydanticSerializationError as error:
            raise ConfigError(
                f"parameter {name} cannot be recorded", got=type(value).__qualname__,
                expected="numbers, texts, paths, lists, mappings, dataclasses or pydantic models",
                hint="pass the path of data, or the parameters that an object is made of",
            ) from error  # fmt: skip
    return written

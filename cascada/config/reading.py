"""Reading YAML into sections, with errors that name the file, the key and the nearest valid one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from cascada.config.section import Section
from cascada.errors import ConfigError, nearest

AnySection = TypeVar("AnySection", bound=Section)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Read a YAML file that holds keys and values.

    Parameters
    ----------
    what
        What the file is, for messages: "experiment file".

    Raises
    ------
    ConfigError
        If the file is missing or is not a YAML mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no such {what}", where=str(path), hint=_others(path)) from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # YAML turns 2020-13-45 into a date, or tries to
        raise ConfigError(f"the {what} cannot be read as YAML", where=str(path), got=str(error)) from error
    if not isinstance(data, dict):
        raise ConfigError(f"the {what} must hold keys and values", where=str(path), got=type(data).__name__)
    return data


def validate_section(model: type[AnySection], data: dict[str, Any], where: str) -> AnySection:
    """Make a section of plain data.

    Raises
    ------
    ConfigError
        If a key is unknown, missing, or has a value out of range.
    """
    try:
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise _explain(error, model, where) from error


def _others(path: Path) -> str:
    names = sorted(str(p) for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return nearest(str(path), names) if names else f"no *.yaml in {path.parent}"


def _explain(error: ValidationError, model: type[Section], where: str) -> ConfigError:
    first, *more = error.errors()
    location = ".".join(str(part) for part in first["loc"])
    rest = f" ({len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
    if first["type"] == "extra_forbidden":
        hint = nearest(str(first["loc"][-1]), _keys(model, first["loc"][:-1]))
        return ConfigError(f"unknown key {location!r}{rest}", where=where, hint=hint)
    got = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
    return ConfigError(f"{location or 'file'}: {first['msg']}{rest}", where=where, got=got)


def _keys(model: type[Section], location: tuple[int | str, ...]) -> list[str]:
    """List the keys that are valid at a location (pydantic's, with the tags of unions in it)."""
    reached = [model]
    for part in location:
        fields = [kind.model_fields[part].annotation for kind in reached if part in kind.model_fields]
        tagged = [kind for kind in reached if part in get_args(_annotation(kind, "kind"))]
        reached = tagged or [section for field in fields for section in _sections(field)] or reached
    return [key for kind in reached for key in kind.model_fields]


def _annotation(kind: type[Section], field: str) -> Any:
    return kind.model_fields[field].annotation if field in kind.model_fields else None


def _sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]

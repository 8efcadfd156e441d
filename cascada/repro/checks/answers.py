"""What a project says about requirements that no program can judge: ``cascada-check.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from cascada.config.reading import read_yaml
from cascada.errors import ConfigError, nearest
from cascada.repro.environment import Record
from cascada.repro.specification import Specification

ANSWERS = "cascada-check.yaml"


class Answer(Record):
    """What a project says about a requirement, and why."""

    answer: Literal["yes", "no", "not applicable"]
    reason: str = Field(min_length=1)


def read_answers(root: Path, specification: Specification) -> dict[str, Answer]:
    """Read ``cascada-check.yaml``, id to answer and reason; none when there is no such file.

    Raises
    ------
    ConfigError
        If it is not valid or names an unknown requirement.
    """
    path = root / ANSWERS
    if not path.is_file() or not path.read_bytes().strip():
        return {}
    content = read_yaml(path, "project's answers")
    try:
        answers = TypeAdapter(dict[str, Answer]).validate_python(_words(content))
    except ValidationError as error:
        raise ConfigError(
            "the project's answers are not valid", where=str(path), got=_first(error),
            expected="ID: {answer: yes | no | not applicable, reason: why}",
        ) from error  # fmt: skip
    known = [one.id for one in specification.requirements]
    if unknown := sorted(answers.keys() - set(known)):
        raise ConfigError(f"there is no requirement {unknown[0]}", where=str(path), hint=nearest(unknown[0], known))
    return answers


def _words(content: object) -> object:
    """Take YAML's yes and no, which are booleans, as the words that they are."""
    if isinstance(content, Mapping):
        return {key: _words(value) for key, value in content.items()}
    return {True: "yes", False: "no"}[content] if isinstance(content, bool) else content


def _first(error: yaml.YAMLError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)

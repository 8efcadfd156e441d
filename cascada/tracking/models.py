"""Models in the MLflow registry: versions, their tags, and the aliases champion and challenger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

from cascada.errors import ArtifactError, nearest

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model."""

    name: str
    version: int
    run_id: str
    tags: dict[str, str]
    aliases: tuple[str, ...]

    @property
    def label(self) -> str:
        """Model and version, in words."""
        return f"{self.name} version {self.version}"


def _is(error: MlflowException, code: int) -> bool:
    return bool(error.error_code == ErrorCode.Name(code))


def register_version(name: str, *, run_id: str, folder: str, tags: Mapping[str, str]) -> ModelVersion:
    """Register the files of a run as the next version of a model.

    Parameters
    ----------
    folder
        Folder of the run's files that holds the bundle.
    """
    client = MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if not _is(error, RESOURCE_ALREADY_EXISTS):
            raise
    made = client.create_model_version(name, source=f"runs:/{run_id}/{folder}", run_id=run_id, tags=dict(tags))
    return get_version(name, int(made.version))


def get_version(name: str, version: int) -> ModelVersion:
    """Read a version with its tags and aliases."""
    entry = MlflowClient().get_model_version(name, str(version))
    return ModelVersion(name, int(entry.version), str(entry.run_id), dict(entry.tags), tuple(entry.aliases))


def find_alias(name: str, alias: str) -> ModelVersion | None:
    """Find the version that an alias points to; None if the model or the alias does not exist."""
    try:
        entry = MlflowClient().get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if _is(error, RESOURCE_DOES_NOT_EXIST) or "not found" in str(error):
            return None
        raise
    return get_version(name, int(entry.version))


def find_version(reference: str, *, alias: str = CHAMPION) -> ModelVersion:
    """Find the version that a person names.

    Parameters
    ----------
    reference
        MODEL, MODEL@VERSION such as ``demo@3``, or MODEL@ALIAS.
    alias
        What MODEL alone means.

    Raises
    ------
    ArtifactError
        If there is no such model or version, or nothing has the alias.
    """
    name, _, which = reference.partition("@")
    which = which or alias
    known = {version.version: version for version in list_versions(name)}
    found = known.get(int(which)) if which.isdecimal() else find_alias(name, which)
    if found is None:
        kind = "number" if which.isdecimal() else "alias"
        names = list_models()
        hint = "" if known else nearest(name, names) if names else "train an experiment first"
        there = [", ".join([str(version.version), *version.aliases]) for version in known.values()]
        raise ArtifactError(
            f"no version of the model {name!r} has the {kind} {which!r}",
            got="; ".join(there) or "no version",
            hint=hint,
        )
    return found


def list_versions(name: str) -> list[ModelVersion]:
    """List the versions of a model, oldest first; none if there is no such model."""
    found = MlflowClient().search_model_versions(f"name = '{name}'")
    return [get_version(name, number) for number in sorted(int(entry.version) for entry in found)]


def find_by_tag(name: str, key: str, value: str) -> ModelVersion | None:
    """Find the newest version of a model with a tag value; None if there is none."""
    found = [v for v in MlflowClient().search_model_versions(f"name = '{name}'") if v.tags.get(key) == value]
    newest = max(found, key=lambda v: int(v.version), default=None)
    return None if newest is None else get_version(name, int(newest.version))


def versions_of_run(run_id: str) -> list[ModelVersion]:
    """List the registered versions that a run made."""
    found = MlflowClient().search_model_versions(f"run_id = '{run_id}'")
    return [get_version(entry.name, int(entry.version)) for entry in found]


def list_models() -> list[str]:
    """List the names of all registered models."""
    return sorted(model.name for model in MlflowClient().search_registered_models())


def set_alias(version: ModelVersion, alias: str) -> None:
    """Point an alias at a version."""
    MlflowClient().set_registered_model_alias(version.name, alias, str(version.version))


def drop_alias(version: ModelVersion, alias: str) -> None:
    """Take an alias back from a version; nothing happens if it points elsewhere or nowhere."""
    pointed = find_alias(version.name, alias)
    if pointed is not None and pointed.version == version.version:
        MlflowClient().delete_registered_model_alias(version.name, alias)


def describe_version(version: ModelVersion, markdown: str) -> None:
    """Set the description that the registry shows."""
    MlflowClient().update_model_version(version.name, str(version.version), markdown)


def tag_version(version: ModelVersion, tags: Mapping[str, str]) -> None:
    """Set tags of a version."""
    for key, value in tags.items():
        MlflowClient().set_model_version_tag(version.name, str(version.version), key, value)

"""Models in the MLflow registry: versions, their tags, and the aliases champion and challenger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

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

"""Where things are: the project's root, its state folder and the addresses of the local platform."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cascada.errors import ConfigError, PlatformError

# Names and values from each tool's own documentation; every one of them switches a call home off.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "BENTOML_DO_NOT_TRACK": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


PREDICTION_LOG = "CASCADA_SERVICE_LOG"
"""Variable that names the folder of a service's predictions; empty keeps none."""

USER = "admin"
"""Who signs in at the local servers, with the password of the settings."""


class Settings(BaseSettings):
    """Settings of the machine, from ``CASCADA_*`` environment variables; never part of an experiment."""

    model_config = SettingsConfigDict(env_prefix="CASCADA_", frozen=True)

    root: Path = Field(description="the project: the git work tree that holds experiments, suites and data")
    host: str = Field("127.0.0.1", description="address that the local servers bind to")
    prefect_port: int = Field(4200, ge=1, le=65535)
    mlflow_port: int = Field(5000, ge=1, le=65535)
    service_port: int = Field(
        3000, ge=1, le=65535, description="of the champion's service; more processes take the next ones"
    )
    canary_port: int = Field(3010, ge=1, le=65535, description="of the service of another version")
    overview_port: int = Field(8080, ge=1, le=65535)
    password: SecretStr | None = Field(
        None, description="asked for by every local server; needed as soon as `host` is not this machine alone"
    )
    database: SecretStr | None = Field(
        None, description="PostgreSQL of Prefect and MLflow, as postgresql://user:password@host; SQLite when omitted"
    )
    notify: SecretStr = Field(SecretStr(""), description="Apprise addresses, parted by spaces, that hear of runs")
    notify_on: Literal["end", "failure"] = Field("end", description="which ends of runs are announced")
    pull_request: str = Field("", description="number of the pull request that runs are charged to; CI sets it")
    checkpoints: Path | None = Field(
        None, description="folder of unfinished fits; a shared one lets another machine go on; in .cascada when omitted"
    )

    signing_key: Path | None = Field(
        None, description="private key (PEM) that signs; made in .cascada/keys at the first use when omitted"
    )
    trusted_keys: Path | None = Field(
        None, description="folder of public keys (*.pub) whose signatures count; .cascada/keys when omitted"
    )

    api_keys: Path | None = Field(
        None, description="file of the service's API keys; .cascada/api_keys.json when omitted"
    )
    api_key: SecretStr = Field(SecretStr(""), description="API key that `cascada predict` shows to the service")

    @model_validator(mode="after")
    def _ask_others(self) -> Self:
        """Have a password wherever another machine can reach the servers."""
        if self.password is None and self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ConfigError(
                "the servers would be open to everybody", where=f"CASCADA_HOST={self.host}",
                expected="CASCADA_PASSWORD, which Prefect, MLflow and the overview then ask for",
            )  # fmt: skip
        return self

    @field_validator("database")
    @classmethod
    def _name_a_server(cls, database: SecretStr | None) -> SecretStr | None:
        if database is not None and not database.get_secret_value().startswith("postgresql://"):
            raise ConfigError("CASCADA_DATABASE is no PostgreSQL server", expected="postgresql://user:password@host")
        return database

    @property
    def home(self) -> Path:
        """Folder of all state that git does not track: databases, artifacts, bundles, logs."""
        return (self.root / ".cascada").resolve()  # clones of pushed commits link to the one of their worker

    @property
    def keys(self) -> Path:
        """Folder of this machine's own keys."""
        return self.home / "keys"

    @property
    def trusted(self) -> Path:
        """Folder of the public keys whose signatures count."""
        return self.trusted_keys or self.keys

    @property
    def api_keys_file(self) -> Path:
        """The file of the service's API keys."""
        return self.api_keys or self.home / "api_keys.json"

    @property
    def served(self) -> Path:
        """Folder of the deployment folders, one a model."""
        return self.home / "served"

    @property
    def canaries(self) -> Path:
        """Folder of the deployment folders of canaries, one a model."""
        return self.home / "canaries"

    def prediction_log(self, model: str) -> Path | None:
        """Find the folder that a model's predictions are kept in; None when keeping them is switched off."""
        said = os.environ.get(PREDICTION_LOG)
        if said is None:
            return self.home / "predictions" / model
        return Path(said) if said else None

    @property
    def catalog(self) -> Path:
        """The catalogue of public data sets."""
        return self.root / "data" / "catalog.yaml"

    @property
    def prefect_url(self) -> str:
        return f"http://{self.host}:{self.prefect_port}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{self.host}:{self.mlflow_port}"

    @property
    def service_url(self) -> str:
        return f"http://{self.host}:{self.service_port}"

    @property
    def overview_url(self) -> str:
        return f"http://{self.host}:{self.overview_port}"


def load_settings(start: Path | None = None) -> Settings:
    """Read the settings of the project around a folder.

    Parameters
    ----------
    start
        A folder inside the project; the working directory when omitted.

    Raises
    ------
    PlatformError
        If the folder is in no git work tree: a run records the commit it came from.
    """
    start = start or Path.cwd()
    if "CASCADA_ROOT" in os.environ:
        return Settings()  # root comes from the environment
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=start, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PlatformError("git is not installed", hint="install git; every run records its commit") from error
    if answer.returncode != 0:
        raise PlatformError(
            "this folder is not in a git repository",
            where=str(start),
            expected="a git work tree: every run records the commit it came from",
            got=answer.stderr.strip(),
            hint="run `git init && git add -A && git commit -m start` here, or change to your project's folder",
        )
    return Settings(root=Path(answer.stdout.strip()))


def process_environment(settings: Settings) -> dict[str, str]:
    """List the environment that every process of the platform runs in: quiet, offline, state inside the project."""
    home = settings.home
    return (
        QUIET
        | _stores(settings)
        | _logins(settings)
        | {
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": f"{settings.prefect_url}/api",
            "PREFECT_SERVER_UI_API_URL": "/api",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "BENTOML_HOME": str(home / "bentoml"),
            "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
            "MPLCONFIGDIR": str(home / "matplotlib"),
            "CASCADA_TRUSTED_KEYS": str(settings.trusted),
            "CASCADA_CHECKOUT": str(settings.root),
        }
    )


def _stores(settings: Settings) -> dict[str, str]:
    if settings.database is None:
        return {"MLFLOW_TRACKING_URI": f"sqlite:///{settings.home / 'mlflow.db'}"}
    server = settings.database.get_secret_value().rstrip("/").removeprefix("postgresql://")
    return {
        "MLFLOW_TRACKING_URI": f"postgresql+psycopg://{server}/mlflow",
        "PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{server}/prefect",
    }


def _logins(settings: Settings) -> dict[str, str]:
    if settings.password is None:
        return {}
    login = f"{USER}:{settings.password.get_secret_value()}"
    return {"PREFECT_SERVER_API_AUTH_STRING": login, "PREFECT_API_AUTH_STRING": login}


def apply_environment(settings: Settings) -> None:
    """Set the platform's environment in this process; what the user has set already stays."""
    for name, value in process_environment(settings).items():
        os.environ.setdefault(name, value)

"""Whether MLflow answers, told within seconds: its own client goes on trying for minutes."""

from __future__ import annotations

import os

import httpx
import mlflow

from cascada.errors import PlatformError

_PATIENCE_S = 5
_QUESTION = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
"""Needs the server's database, which `/health` does not; that a login is asked for is an answer, too."""


def require_mlflow() -> None:
    """Check that the server or database that MLflow's client is pointed at answers; a file always does.

    Raises
    ------
    PlatformError
        If it does not.
    """
    uri = mlflow.get_tracking_uri()
    why = ""
    if uri.startswith(("http://", "https://")):
        why = _ask_server(uri)
    elif uri.startswith("postgresql"):
        why = _ask_postgres(uri)
    if why:
        hint = "start it, or set MLFLOW_TRACKING_URI"
        raise PlatformError("MLflow cannot be reached", where=_without_password(uri), got=why, hint=hint)


def _ask_server(uri: str) -> str:
    try:
        answer = httpx.get(f"{uri.rstrip('/')}{_QUESTION}", timeout=_PATIENCE_S, verify=_certificate())
    except httpx.TransportError as error:
        return str(error)
    return f"status {answer.status_code}" if answer.is_server_error else ""


def _certificate() -> str | bool:
    """Find what MLflow's client trusts."""
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _ask_postgres(uri: str) -> str:
    import psycopg

    try:
        psycopg.connect(f"postgresql:{uri.partition(':')[2]}", connect_timeout=_PATIENCE_S).close()
    except psycopg.Error as error:
        return str(error).strip()
    return ""


def _without_password(uri: str) -> str:
    """Leave user and password out of an address.

    Examples
    --------
    >>> _without_password("postgresql+psycopg://user:secret@host/mlflow")
    'postgresql+psycopg://host/mlflow'
    """
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"

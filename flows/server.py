"""The door to Prefect's server for what is no flow: a refusal, or no answer, becomes an error that says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from cascada.errors import PlatformError

_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class ServerAwayError(PlatformError):
    """The Prefect server does not answer, or answers that it is in trouble; that may pass."""


@contextlib.contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """Open a client.

    Raises
    ------
    ServerAwayError
        If nobody answers.
    PlatformError
        If the server refuses the credentials or what it is asked.
    """
    client = get_client(sync_client=True)
    try:
        with client:
            yield client
    except httpx.TransportError as error:
        raise _away(client, error) from error
    except PrefectHTTPStatusError as error:
        raise _refusal(error, str(client.api_url)) from error
    except ObjectNotFound as error:
        raise PlatformError("the Prefect server does not know it", where=str(client.api_url), got=str(error)) from error
    except RuntimeError as error:  # Prefect's client asks for the server's version first
        if "Failed to reach API" not in str(error):
            raise
        raise _away(client, error) from error


def _away(client: SyncPrefectClient, error: Exception) -> ServerAwayError:
    return ServerAwayError(
        "the Prefect server does not answer", where=str(client.api_url), got=str(error) or type(error).__name__,
        hint="start it with `cascada up`, or set PREFECT_API_URL",
    )  # fmt: skip


def _refusal(error: PrefectHTTPStatusError, where: str) -> PlatformError:
    code = error.response.status_code
    if code in _REFUSED:
        return PlatformError(
            "the Prefect server refuses the credentials", where=where, got=f"HTTP {code}",
            hint="set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server expects",
        )  # fmt: skip
    if httpx.codes.is_server_error(code):
        return ServerAwayError("the Prefect server is in trouble", where=where, got=f"HTTP {code}")
    return PlatformError("the Prefect server refuses the order", where=where, got=error.response.text[:500])

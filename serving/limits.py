"""Who may ask, how often, and how many at a time."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Mapping

import psutil

from cascada.errors import ConfigError
from serving.keys import KeyRing, Scope
from serving.refusals import Refusal
from serving.settings import ServiceSettings

_CLIENTS = 10_000


class Buckets:
    """A rate limit a client: a bucket of `burst` tokens that `rate` tokens a second fill; the oldest are forgotten."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str, now: float) -> None:
        """Take a token.

        Raises
        ------
        Refusal
            429 when there is none.
        """
        left, then = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        self._left[client] = (left - 1.0 if left >= 1.0 else left, now)
        if len(self._left) > _CLIENTS:
            del self._left[next(iter(self._left))]
        if left < 1.0:
            wait = math.ceil((1.0 - left) / self._rate)
            raise Refusal(429, "too many requests", retry_after_s=wait, allowed=f"{self._rate:g} requests a second")


class Door:
    """Keys and rates of all requests.

    Parameters
    ----------
    exposed
        Whether other machines reach the service.

    Raises
    ------
    ConfigError
        If they do and there are no keys, or the file of keys holds none.
    """

    def __init__(self, settings: ServiceSettings, *, exposed: bool) -> None:
        self._keys = KeyRing(settings.api_keys) if settings.api_keys else None
        if self._keys is not None and not self._keys.count:
            raise ConfigError(
                "the file of API keys holds none", where=str(settings.api_keys), hint="make one: cascada keys add NAME"
            )
        if exposed and self._keys is None:
            raise ConfigError(
                "other machines reach this service, and it has no API keys",
                expected="CASCADA_API_KEYS: a file of keys",
                hint="make one with `cascada keys add NAME`, or bind the service to 127.0.0.1",
            )  # fmt: skip
        self._buckets = Buckets(settings.rate_per_s, settings.burst) if settings.rate_per_s else None

    def enter(self, headers: Mapping[bytes, bytes], scope: Scope, address: str) -> None:
        """Let a request in.

        Raises
        ------
        Refusal
            401 without a valid key, 403 without the scope, 429 beyond the rate.
        """
        client = address if self._keys is None else self._known(self._keys, headers, scope)
        if self._buckets is not None:
            self._buckets.take(client, time.monotonic())

    @staticmethod
    def _known(keys: KeyRing, headers: Mapping[bytes, bytes], scope: Scope) -> str:
        bearer, _, token = headers.get(b"authorization", b"").partition(b" ")
        shown = token if bearer.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        key = keys.find(shown.strip().decode("latin-1"))
        if key is None:
            raise Refusal(401, "no valid API key", expected="a header Authorization: Bearer KEY, or X-API-Key: KEY")
        if scope not in key.scopes:
            raise Refusal(403, f"this API key may not {scope}", allowed=", ".join(key.scopes))
        return key.id


def is_exposed() -> bool:
    """Tell whether this process listens on an address that other machines reach."""
    listening = [c.laddr.ip for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return not all(ipaddress.ip_address(ip).is_loopback for ip in listening)

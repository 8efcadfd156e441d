"""API keys: random words of which a file keeps only the SHA-256, with a name and scopes.

A key is ``cascada_<id>_<secret>`` with 256 random bits, so a plain hash cannot be guessed back. The file is read again
when it changes: adding and revoking need no restart.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cascada.errors import ConfigError

Scope = Literal["predict", "read"]
"""``predict`` asks for predictions; ``read`` sees model, lineage and metrics."""

_LOOK_S = 0.5


class ApiKey(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[ApiKey, ...] = ()


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read the file of keys; none when there is no file.

    Raises
    ------
    ConfigError
        If it is no such file.
    """
    try:
        return _File.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        raise ConfigError("the API keys cannot be read", where=str(path), got=str(error)[:300]) from error


def add_key(path: Path, name: str, scopes: tuple[Scope, ...]) -> str:
    """Make a key, keep its hash, and return it: nobody can read it again."""
    identifier, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = ApiKey(
        id=identifier,
        name=name,
        sha256=_digest(secret),
        scopes=scopes,
        created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    _write(path, (*read_keys(path), key))
    return f"cascada_{identifier}_{secret}"


def revoke_key(path: Path, identifier: str) -> ApiKey:
    """Forget a key.

    Raises
    ------
    ConfigError
        If there is none with this id.
    """
    known = {key.id: key for key in read_keys(path)}
    if identifier not in known:
        raise ConfigError(f"no API key {identifier!r}", where=str(path), expected=", ".join(known) or "no keys yet")
    revoked = known.pop(identifier)
    _write(path, tuple(known.values()))
    return revoked


def _write(path: Path, keys: tuple[ApiKey, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(_File(keys=keys).model_dump_json(indent=2) + "\n")
    partial.replace(path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """The keys of a file as it is now.

    Parameters
    ----------
    path
        The file; when it becomes unreadable, the keys that were known stay.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked, self._stamp = time.monotonic(), self._look()
        self._known = {key.id: key for key in read_keys(path)}

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._known)

    def find(self, token: str) -> ApiKey | None:
        """Find the key that a client shows; None when it is none of ours."""
        self._refresh()
        parts = token.split("_", 2)
        key = self._known.get(parts[1]) if len(parts) == 3 and parts[0] == "cascada" else None
        said = _digest(parts[-1])
        return key if hmac.compare_digest(key.sha256 if key else "0" * 64, said) and key else None

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        if (stamp := self._look()) != self._stamp:
            try:
                self._known = {key.id: key for key in read_keys(self._path)}
            except ConfigError:
                return
            self._stamp = stamp

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

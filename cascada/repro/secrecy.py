"""Secrets of the environment and of arguments, and how they are kept out of records.

A value counts as secret because of the name that it goes by: ``WANDB_API_KEY``, ``--password``, or the password in
an address ``scheme://user:password@host``. Only the standard library is imported here: the supervised process starts
with this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

MASK = "***"

_STRONG = re.compile(
    r"(?:^|[^a-z])(?:password|passwd|passphrase|secret|secrets|token|credential|credentials"
    r"|(?:api|access|secret|private|signing|encryption|auth|account)[^a-z]?key)(?:$|[^a-z])",
    re.IGNORECASE,
)
_WEAK = re.compile(r"(?:^|[^a-z])(?:key|auth|pass|pwd|dsn)$", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:([^@/\s]+)@")
_OPTION = re.compile(r"^--?([\w.-]+)=(.+)$", re.DOTALL)
_MIN_LENGTH = 6  # shorter values would be found in innocent words
_RANDOM_LENGTH = 16


def is_secret_name(name: str) -> bool:
    """Tell whether a variable, option or parameter of this name holds a secret.

    Examples
    --------
    >>> [is_secret_name(n) for n in ("OPENAI_API_KEY", "db.password", "max_tokens", "monkey", "sort_key")]
    [True, True, False, False, False]
    """
    return bool(_STRONG.search(name))


def find_secrets(environment: Mapping[str, str], arguments: Iterable[str] = ()) -> tuple[str, ...]:
    """Collect the secret values of an environment and of a command's arguments, longest first."""
    found = {value for name, value in environment.items() if _is_secret(name, value)}
    options = list(arguments)
    for index, argument in enumerate(options):
        option = _OPTION.match(argument)
        if option and is_secret_name(option[1]):
            found.add(option[2])
        elif argument.startswith("-") and is_secret_name(argument) and index + 1 < len(options) and not option:
            found.add(options[index + 1])
    for text in (*environment.values(), *options):
        found.update(_IN_ADDRESS.findall(text))
    return tuple(sorted((value for value in found if len(value) >= _MIN_LENGTH), key=lambda v: (-len(v), v)))


def _is_secret(name: str, value: str) -> bool:
    if is_secret_name(name):
        return True
    random = len(value) >= _RANDOM_LENGTH and re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
    return bool(_WEAK.search(name) and random and "/" not in value)


def hide(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace secret values, and passwords in addresses, by asterisks."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _IN_ADDRESS.sub(lambda match: match[0].replace(match[1], MASK), text)


def hide_in(value: Any, secrets: tuple[str, ...], name: str = "") -> Any:
    """Replace secrets in the texts of a JSON value; what goes by a secret name is replaced whole."""
    if isinstance(value, Mapping):
        return {key: hide_in(item, secrets, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_in(item, secrets, name) for item in value]
    if name and is_secret_name(name) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return MASK
    return hide(value, secrets) if isinstance(value, str) else value


def hide_arguments(arguments: Iterable[str], secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Replace the secrets in a command's arguments, short ones included."""
    hidden: list[str] = []
    previous = ""
    for argument in arguments:
        option = _OPTION.match(argument)
        if option and is_secret_name(option[1]):
            hidden.append(f"{argument[: option.start(2)]}{MASK}")
        elif previous.startswith("-") and "=" not in previous and is_secret_name(previous):
            hidden.append(MASK)
        else:
            hidden.append(hide(argument, secrets))
        previous = argument
    return tuple(hidden)


@cache
def own_secrets() -> tuple[str, ...]:
    """Collect the secrets of this process."""
    import sys

    return find_secrets(os.environ, sys.argv[1:])


class Hider:
    """Hides secrets in a stream of bytes, also where two pieces of the stream share one.

    Examples
    --------
    >>> hider = Hider(["hunter22"])
    >>> hider.feed(b"the word is hunt") + hider.feed(b"er22, keep it") + hider.close()
    b'the word is ***, keep it'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes and give those that can hold no part of a secret any more."""
        text = self._held + piece
        for secret in self._secrets:
            text = text.replace(secret, MASK.encode())
        keep = max((_overlap(text, secret) for secret in self._secrets), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def close(self) -> bytes:
        """Give what was held back."""
        held, self._held = self._held, b""
        return held


def _overlap(text: bytes, secret: bytes) -> int:
    """Length of the longest end of a text that a secret begins with."""
    longest = min(len(secret) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(secret[:n])), 0)

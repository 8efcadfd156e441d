"""GitHub's Markdown of text that nobody vouches for: it can form no markup, link, mention or reference."""

from __future__ import annotations

import string
from collections.abc import Sequence

LIMIT = 65_000
"""Bytes of a comment; GitHub takes 65,536 characters."""

_PLAIN = frozenset(string.ascii_letters + string.digits + " ,-+=/")


def plain(text: object, longest: int = 160) -> str:
    """Write text so that it is shown as it is: one line, bounded, anything but letters and digits as entities.

    Examples
    --------
    >>> plain("a|b <i>")
    'a&#124;b &#60;i&#62;'
    >>> plain("1.5")
    '1.5'
    """
    line = " ".join(str(text).split())
    line = line if len(line) <= longest else f"{line[: longest - 1]}…"
    try:
        float(line)
    except ValueError:
        return "".join(sign if sign in _PLAIN else f"&#{ord(sign)};" for sign in line)
    return line


def quoted(text: object) -> str:
    """Write text as code, where GitHub makes no mentions (`@name`) and references (`#1`) of it.

    Examples
    --------
    >>> quoted("@all")
    '<code>&#64;all</code>'
    """
    return f"<code>{plain(text)}</code>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def folded(title: str, body: str) -> str:
    """Hide a part until it is asked for."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def fit(parts: Sequence[str], last: str, limit: int = LIMIT) -> str:
    """Join parts by empty lines, whole ones only, as long as there is room; the rest is left to the last line.

    Parameters
    ----------
    last
        Stands at the end; where a part is missing it says so before.
    """
    note = "*Left out, there was no room: {}.*"
    kept, left_out = [], 0
    room = limit - len(f"{note}\n\n{last}".encode()) - 20
    for part in parts:
        size = len(part.encode()) + 2
        if size > room:
            left_out += 1
            continue
        kept.append(part)
        room -= size
    missing = [note.format(f"{left_out} part{'s' * (left_out > 1)}")] if left_out else []
    return "\n\n".join([*kept, *missing, last]) + "\n"

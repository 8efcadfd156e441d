"""Why a request is not answered as asked: a status, and what the client can mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Trouble:
    """What is wrong with an event.

    Attributes
    ----------
    what
        One sentence.
    field
        Where: the name of a field, with dots inside of lists.
    allowed, got
        What may stand there, with its unit, and what stood there.
    """

    what: str
    field: str
    allowed: str
    got: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class Refusal(Exception):  # noqa: N818 - what it says to the client, not a fault of ours
    """A request is answered with an error.

    Parameters
    ----------
    status
        Of HTTP.
    what
        One sentence.
    retry_after_s
        When to come again, for 429 and 503.
    facts
        More members of the error's object.
    """

    def __init__(self, status: int, what: str, *, retry_after_s: int | None = None, **facts: Any) -> None:
        super().__init__(what)
        self.status, self.retry_after_s = status, retry_after_s
        self.body = {"error": {"what": what} | facts}


def refuse_all(troubles: Iterable[tuple[int, Trouble]]) -> Refusal:
    """Refuse a request none of whose events can be answered; the first trouble is the error, ten of them are listed."""
    listed = list(troubles)
    (first, trouble), few = listed[0], listed[:10]
    refusal = Refusal(422, trouble.what, event=first, field=trouble.field, allowed=trouble.allowed, got=trouble.got)
    if len(listed) > 1:
        refusal.body["errors"] = [{"event": i} | each.as_json() for i, each in few]  # type: ignore[assignment]
        refusal.body["refused"] = len(listed)  # type: ignore[assignment]
    return refusal

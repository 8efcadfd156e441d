"""Where answers came from: the last ones, by the id of their request."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from serving.model import ServedModel


class LineageBook:
    """Remembers which model answered the last `kept` requests."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._entries: dict[str, tuple[float, int, int, ServedModel]] = {}

    def note(self, request: str, events: int, refused: int, model: ServedModel) -> None:
        """Note an answer; of two requests with one id, the last counts."""
        self._entries.pop(request, None)
        self._entries[request] = (time.time(), events, refused, model)
        if len(self._entries) > self._kept:
            del self._entries[next(iter(self._entries))]

    def find(self, request: str) -> dict[str, Any] | None:
        """Tell where an answer came from; None when it is not remembered."""
        entry = self._entries.get(request)
        if entry is None:
            return None
        when, events, refused, model = entry
        time_ = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
        return {
            "request_id": request, "time": time_, "events": events, "events_refused": refused,
            "model": model.package.identity.model_dump(), "signed_by": model.package.signer,
        }  # fmt: skip

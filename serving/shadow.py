"""A second model that is asked the same after the first one has answered; its answers go to nobody.

They are kept in a log of their own and compared with those that were given. No request waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from cascada.errors import ArtifactError, CascadaError
from cascada.registry.bundle import ASK_ROWS
from cascada.registry.deployment import SHADOW, current
from serving.answers import Answer
from serving.events import Events
from serving.model import ModelSlot, ServedModel, open_model
from serving.prediction_log import PredictionLog
from serving.settings import ServiceSettings

logger = logging.getLogger(__name__)

ANOMALOUS = 0.01
"""Events with a p-value up to this one are counted as anomalous, as drift does."""

_GATHER_S = 0.25
_CLOSE_S = 5.0


class Hearer(Protocol):
    """Hears what was answered."""

    def note(self, request: str, first: int, model: ServedModel, events: Events, answer: Answer) -> None:
        """Take an answer; never blocks."""


class _Note(NamedTuple):
    request: str
    first: int
    events: Events
    answer: Answer


class Shadow:
    """Answers in a thread what it hears, and compares.

    Parameters
    ----------
    hearer
        Who hears of everything before, such as the log of the model that answers.
    log
        Of the shadow's own answers.
    most
        Events that may wait; more are dropped.

    Attributes
    ----------
    events
        By outcome: answered, dropped because too many waited, failed.
    primaries
        Of the answered: whether both models name the same primary, ``yes`` or ``no``.
    anomalies
        Of the answered: how many are anomalous, by ``champion`` and by ``shadow``.
    """

    def __init__(self, model: ServedModel, hearer: Hearer | None, log: PredictionLog | None, most: int) -> None:
        self.model, self._hearer, self._log, self._most = model, hearer, log, most
        self.events = Counter(answered=0, dropped=0, failed=0)
        self.primaries, self.anomalies = Counter(yes=0, no=0), Counter(champion=0, shadow=0)
        self._queue: deque[_Note] = deque()
        self._waiting, self._lock, self._stop = 0, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def note(self, request: str, first: int, model: ServedModel, events: Events, answer: Answer) -> None:
        """Take an answer; it is dropped when too many events wait already. Never blocks."""
        if self._hearer is not None:
            self._hearer.note(request, first, model, events, answer)
        rows = len(answer.p_value)
        with self._lock:
            if self._waiting + rows <= self._most and not self._stop.is_set():
                self._waiting += rows
                self._queue.append(_Note(request, first, events, answer))
            else:
                self.events["dropped"] += rows

    def close(self) -> None:
        """Answer what waits and write it; gives up after some seconds."""
        self._stop.set()
        self._thread.join(_CLOSE_S)
        if self._log is not None:
            self._log.close()

    def describe(self) -> dict[str, Any]:
        """Tell which model this is and how it compares; rates are None before the first event."""
        answered, identity = self.events["answered"], self.model.package.identity
        return {
            "model": identity.model_dump(), "signed_by": self.model.package.signer, "events": dict(self.events),
            "agreement": self.primaries["yes"] / answered if answered else None,
            "anomaly_rate": {by: count / answered if answered else None for by, count in self.anomalies.items()},
        }  # fmt: skip

    def _run(self) -> None:
        while not self._stop.wait(_GATHER_S):
            self._answer_all()
        self._answer_all()

    def _answer_all(self) -> None:
        while self._queue:
            notes = list(self._take())
            rows = sum(len(note.answer.p_value) for note in notes)
            try:
                self._answer(notes)
            except Exception:  # whatever is wrong with a shadow, the service goes on
                if not self.events["failed"]:
                    logger.warning("the shadow cannot answer; what follows is only counted", exc_info=True)
                self.events["failed"] += rows
            with self._lock:
                self._waiting -= rows

    def _take(self) -> Iterator[_Note]:
        """Take what waits, about as much as the model is asked at once: little work for many small requests."""
        rows = 0
        while self._queue and rows < ASK_ROWS:
            rows += len(self._queue[0].answer.p_value)
            yield self._queue.popleft()

    def _answer(self, notes: Sequence[_Note]) -> None:
        said, p_given = self.model.answer(self._joined(notes)), _join([note.answer.p_value for note in notes])
        if self._log is not None:
            self._keep(self._log, notes, said)
        given = _primaries(notes[0].answer.classes, _join([note.answer.probabilities for note in notes]))
        same = int(np.sum(_primaries(said.classes, said.probabilities) == given))
        self.primaries.update(yes=same, no=len(p_given) - same)
        self.anomalies.update(champion=int(np.sum(p_given <= ANOMALOUS)), shadow=int(np.sum(said.p_value <= ANOMALOUS)))
        self.events["answered"] += len(p_given)

    def _joined(self, notes: Sequence[_Note]) -> Events:
        columns = {name: _join([note.events.columns[name] for note in notes]) for name in self.model.reader.names}
        stations = None if self.model.reader.shape is None else _join([note.events.stations for note in notes])
        return Events(columns, stations, None, {})

    def _keep(self, log: PredictionLog, notes: Sequence[_Note], said: Answer) -> None:
        start = 0
        for note in notes:
            end = start + len(note.answer.p_value)
            part: dict[str, Any] = {
                name: value[start:end] for name, value in vars(said).items() if isinstance(value, np.ndarray)
            }
            own = replace(said, **part | {"good": note.answer.good, "troubles": note.answer.troubles})
            log.note(note.request, note.first, self.model, note.events, own)
            start = end


def _join(arrays: Sequence[Any]) -> Any:
    return np.concatenate(arrays)


def _primaries(classes: Sequence[str], probabilities: Any) -> Any:
    return np.array(classes)[probabilities.argmax(axis=1)]


class ShadowSlot:
    """Holds the shadow that the deployment folder names, if it names one.

    Parameters
    ----------
    log
        Of the model that answers.

    Attributes
    ----------
    hearer
        Who hears what is answered: the shadow, or the log alone, or nobody.
    packages
        How many were opened, and how many refused.
    """

    def __init__(self, slot: ModelSlot, settings: ServiceSettings, log: PredictionLog | None) -> None:
        self._slot, self._settings, self._log = slot, settings, log
        self.hearer: Hearer | None = log
        self.shadow: Shadow | None = None
        self.packages = Counter(opened=0, refused=0)
        self._seen: tuple[Path | None, ServedModel] | None = None

    async def watch(self) -> None:
        """Follow the deployment folder until cancelled; a package that is refused changes nothing for any request."""
        while self._settings.served is not None:
            await self.look()
            await asyncio.sleep(self._settings.watch_s)

    async def look(self) -> None:
        """Open the package that is the shadow now; it begins anew when another model answers."""
        served = self._settings.served
        now = None if served is None else current(served, SHADOW), self._slot.model
        if now == self._seen:
            return
        self._seen = now
        opened = await asyncio.to_thread(self._open, *now)
        before, self.shadow, self.hearer = self.shadow, opened, opened or self._log
        if before is not None:
            await asyncio.to_thread(before.close)

    def close(self) -> None:
        """End the shadow."""
        if self.shadow is not None:
            self.shadow.close()

    def _open(self, place: Path | None, champion: ServedModel) -> Shadow | None:
        if place is None:
            return None
        try:
            model = open_model(place, self._settings.trusted)
            _require_same_events(model, champion)
        except (CascadaError, OSError) as error:
            self.packages["refused"] += 1
            logger.warning("refused as a shadow: %s: %s", place, error)
            return None
        version, answering = model.package.identity.version, champion.package.identity.version
        if version == answering:
            logger.info("version %d is what answers, so it is no shadow", version)
            return None
        self.packages["opened"] += 1
        logger.info("version %d is the shadow of version %d", version, answering)
        own = PredictionLog(self._settings.log / SHADOW, self._settings) if self._settings.log else None
        return Shadow(model, self._log, own, self._settings.shadow_events)


def _require_same_events(model: ServedModel, champion: ServedModel) -> None:
    """Check that whatever was read for one model is all that the other needs."""
    lacking = sorted(set(model.reader.names) - set(champion.reader.names))
    if lacking or model.reader.shape != champion.reader.shape:
        raise ArtifactError(
            "a shadow is asked with the events of the model that answers, and these lack what it needs",
            expected="the same columns, and the same stations", got=", ".join(lacking) or "other stations",
        )  # fmt: skip

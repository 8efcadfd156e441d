"""Predictions kept as Parquet files: what was asked, what was answered, by which model and when.

A request hands its arrays over and goes on; a thread writes. What the thread cannot take or the disk cannot hold is
dropped and counted.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from serving.answers import Answer
from serving.events import Events
from serving.model import ServedModel
from serving.settings import ServiceSettings

logger = logging.getLogger(__name__)

_GATHER_S = 0.25
"""How often the thread gathers: little at a time, so that a request never waits long for the interpreter."""

_CLOSE_S = 5.0
_LINEAGE = ("name", "version", "run_id", "data_sha256", "git_commit", "bundle_sha256")


class _Note(NamedTuple):
    """The good events of a request, or of a piece of one; `first` counts the rows of the request before it."""

    time: float
    request: str
    first: int
    model: ServedModel
    events: Events
    answer: Answer


class PredictionLog:
    """Writes predictions into a folder, a file of one model each `log_s` seconds or `log_rows` rows, if not before.

    Parameters
    ----------
    folder
        It is made when it is not there.

    Attributes
    ----------
    rows
        Events by outcome: `written`, and `dropped` because the queue or the disk was full.
    """

    def __init__(self, folder: Path, settings: ServiceSettings) -> None:
        self._folder, self._settings = folder, settings
        self.rows: Counter[str] = Counter(written=0, dropped=0)
        self._queue: deque[_Note] = deque()
        self._waiting, self._lock, self._stop = 0, threading.Lock(), threading.Event()
        self._batches: list[pa.RecordBatch] = []
        self._model: ServedModel | None = None
        self._gathered, self._opened, self._told, self._files = 0, 0.0, False, itertools.count()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def note(self, request: str, first: int, model: ServedModel, events: Events, answer: Answer) -> None:
        """Take an answer; it is dropped when two files' worth of events wait already. Never blocks."""
        rows = len(answer.anomaly_score)
        with self._lock:
            taken = self._waiting + rows <= 2 * self._settings.log_rows
            if taken:
                self._waiting += rows
                self._queue.append(_Note(time.time(), request, first, model, events, answer))
            else:
                self.rows["dropped"] += rows
        if not taken:
            self._tell_once("more predictions than its queue holds")

    def close(self) -> None:
        """Write what waits; gives up after some seconds, as a disk may be slow."""
        self._stop.set()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        while not self._stop.wait(_GATHER_S):
            self._gather()
            self._write_if_due()
        self._gather()
        self._write()

    def _gather(self) -> None:
        taken = [self._queue.popleft() for _ in range(len(self._queue))]
        for _, group in itertools.groupby(taken, key=lambda note: id(note.model)):
            notes = list(group)
            if self._model is not notes[0].model:
                self._write()
            self._model, batch = notes[0].model, _record_batch(notes)
            if not self._batches:
                self._opened = time.monotonic()
            self._batches.append(batch)
            self._gathered += batch.num_rows
            self._write_if_due(full_only=True)

    def _write_if_due(self, *, full_only: bool = False) -> None:
        late = not full_only and time.monotonic() - self._opened >= self._settings.log_s
        if late or self._gathered >= self._settings.log_rows:
            self._write()

    def _write(self) -> None:
        """Write what was gathered as one file, and let go of it whatever happens."""
        batches, rows, outcome = self._batches, self._gathered, "dropped"
        self._batches, self._gathered = [], 0
        if not batches:
            return
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}-{next(self._files)}.parquet"
        partial = self._folder / f".{name}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            pa.parquet.write_table(pa.Table.from_batches(batches), partial, compression="zstd")
            partial.rename(self._folder / name)
            self._remove_oldest()
            outcome = "written"
            self._told, self._lost = self._told and self.rows["dropped"] > self._lost, self.rows["dropped"]
        except (OSError, pa.ArrowException) as error:
            self._tell_once(str(error))
            _remove(partial)
        finally:
            with self._lock:
                self.rows[outcome] += rows
                self._waiting -= rows

    def _remove_oldest(self) -> None:
        sizes = dict(_sizes(sorted(self._folder.glob("*.parquet"))))
        excess = sum(sizes.values()) - int(self._settings.log_max_mb * 1e6)
        for path in list(sizes)[:-1]:
            if excess <= 0:
                return
            excess -= sizes[path]
            path.unlink(missing_ok=True)

    def _tell_once(self, why: str) -> None:
        """Say that predictions are dropped, once until a file is written and none was since the one before."""
        if not self._told:
            self._told = True
            logger.warning("predictions are not logged, only counted as dropped, in %s: %s", self._folder, why)


def _sizes(files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # another service that shares the folder was faster
            yield path, path.stat().st_size


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        logger.warning("%s cannot be removed", partial)


def _record_batch(notes: Sequence[_Note]) -> pa.RecordBatch:
    """Lay out the events of one model."""
    model, sizes = notes[0].model, [len(note.answer.anomaly_score) for note in notes]
    whose = np.repeat(np.arange(len(notes)), sizes)
    when = np.array([int(note.time * 1e3) for note in notes], np.int64)
    columns = {
        "time": pa.array(when[whose], pa.timestamp("ms", tz="UTC")),
        "request_id": pa.array([note.request for note in notes]).take(pa.array(whose)),
        "row": np.concatenate([_rows(note) for note in notes]),
        **dict(_lineage(model, len(whose))),
        **{name: np.concatenate([note.events.columns[name] for note in notes]) for name in model.reader.names},
        **_joined([note.answer for note in notes]).as_columns(),
    }
    return pa.record_batch(columns)


def _joined(answers: Sequence[Answer]) -> Answer:
    """Put the good events of answers by one model together: far less work than to list the columns of each."""

    def join(name: str) -> Any:
        return np.concatenate([getattr(answer, name) for answer in answers])

    nuclei = answers[0].ln_mass is not None
    return replace(
        answers[0], probabilities=join("probabilities"), anomaly_score=join("anomaly_score"), p_value=join("p_value"),
        ln_mass=join("ln_mass") if nuclei else None, ln_mass_sigma=join("ln_mass_sigma") if nuclei else None,
        in_domain=join("in_domain"), good=None, troubles={},
    )  # fmt: skip


def _lineage(model: ServedModel, rows: int) -> Iterator[tuple[str, pa.Array]]:
    for name in _LINEAGE:
        value = getattr(model.package.identity, name)
        yield f"model_{name}", pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))


def _rows(note: _Note) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    good = note.answer.good
    own = np.arange(len(note.answer.anomaly_score)) if good is None else good
    return np.asarray(note.first + own, np.int64)

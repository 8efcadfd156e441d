"""Tables of events in Arrow, Parquet or npy, read piece by piece, and the same for answers.

No piece has more than `ASK_ROWS` rows, so memory does not grow with a table. A result does not depend on where
tables are cut.
"""

from __future__ import annotations

import struct
import tokenize
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from cascada.errors import nearest
from cascada.physics.columns import OBSERVABLES
from cascada.registry.bundle import ASK_ROWS
from serving.answers import Answer
from serving.events import Events
from serving.model import ServedModel
from serving.refusals import Refusal, refuse_all

JSON, NPY = "application/json", "application/x-npy"
ARROW_STREAM, ARROW_FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
TABLES = (ARROW_STREAM, ARROW_FILE, PARQUET, NPY)

_ERROR_WIDTH, _NAME_WIDTH = 96, 16
_UNREADABLE = (
    pa.ArrowException, ValueError, TypeError, KeyError, OSError, EOFError, RecursionError, struct.error,
    SyntaxError, tokenize.TokenError,  # of NumPy, which reads headers of npy as Python's literals
)  # fmt: skip


def answer_table(
    model: ServedModel, body: IO[bytes], kind: str, answer: IO[bytes], wanted: str, *, columns: Sequence[str],
    max_rows: int,
) -> tuple[int, int]:  # fmt: skip
    """Read a table, predict its rows, write the answer, and return how many rows there were and how many were bad.

    Parameters
    ----------
    kind, wanted
        Content types of body and answer.
    columns
        Names of the columns of an npy array that names none itself.

    Raises
    ------
    Refusal
        422 when the table is not valid, has too many rows, or none that is good.
    """
    writer, rows, good, first = _WRITERS[wanted](answer, model), 0, 0, None
    for piece in _pieces(body, kind, columns):
        rows += len(next(iter(piece.values())))
        if rows > max_rows:
            raise Refusal(422, "the table has too many rows", field="rows", allowed=f"1 to {max_rows}")
        said = model.answer(_read(model, piece))
        good += len(said.anomaly_score)
        first = first or next(iter(sorted(said.troubles.items())), None)
        writer.write(said)
    if not good:
        raise (
            refuse_all([first]) if first else Refusal(422, "no rows", field="rows", allowed=f"1 to {max_rows}", got="0")
        )
    writer.close()
    return rows, rows - good


def _read(model: ServedModel, piece: dict[str, Any]) -> Events:
    reader = model.reader
    for name in piece:
        if name not in OBSERVABLES and name != "stations":
            raise Refusal(422, f"unknown column {name!r}", field=name, allowed=nearest(name, OBSERVABLES))
    needed = [*reader.names, *["stations"] * (reader.shape is not None)]
    if lacking := [name for name in needed if name not in piece]:
        raise Refusal(422, f"this model needs {lacking[0]!r}", field=lacking[0], allowed=", ".join(needed))
    stations = piece.pop("stations", None)
    return reader.read_table(piece, stations)


def _pieces(body: IO[bytes], kind: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    try:
        if kind == NPY:
            yield from _npy_pieces(body, columns)
        else:
            for batch in _arrow_batches(body, kind):
                for start in range(0, batch.num_rows, ASK_ROWS):
                    yield _arrow_columns(batch.slice(start, ASK_ROWS))
    except _UNREADABLE as error:
        raise Refusal(422, "the table cannot be read", field="body", allowed=kind, got=str(error)[:300]) from error


def _arrow_batches(body: IO[bytes], kind: str) -> Iterator[pa.RecordBatch]:
    if kind == ARROW_STREAM:
        yield from pa.ipc.open_stream(body)
    elif kind == ARROW_FILE:
        file = pa.ipc.open_file(body)
        yield from (file.get_batch(i) for i in range(file.num_record_batches))
    else:
        yield from pa.parquet.ParquetFile(body).iter_batches(batch_size=ASK_ROWS)


def _arrow_columns(batch: pa.RecordBatch) -> dict[str, Any]:
    names = batch.schema.names
    if not names or len(set(names)) < len(names):
        raise Refusal(422, "every column has a name of its own", field="body", got=", ".join(names)[:300])
    return {name: _arrow_values(name, column) for name, column in zip(names, batch.columns, strict=True)}


def _arrow_values(name: str, column: pa.Array) -> Any:
    kind = column.type
    if name == "stations":
        return column.to_pylist()
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise Refusal(422, f"column {name!r} holds no numbers", field=name, allowed="floats or integers", got=str(kind))
    return np.ascontiguousarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _npy_pieces(body: IO[bytes], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    shape, fortran, dtype = _npy_header(body)
    names = list(dtype.names or columns)
    plain = [dtype] if dtype.names is None else [dtype[name] for name in names]
    if any(kind.kind not in "fiu" or kind.subdtype for kind in plain):
        raise Refusal(
            422, "an npy array holds numbers", field="body", allowed="floats or integers", got=str(dtype)[:300]
        )
    if len(shape) != (1 if dtype.names else 2) or fortran or (not dtype.names and shape[1] != len(names)):
        raise Refusal(
            422, "an npy array is a structured one of shape (n,), or of shape (n, columns) in C order with X-Columns",
            field="X-Columns", allowed=f"{shape[1] if len(shape) > 1 else 0} names", got=",".join(names)[:300],
        )  # fmt: skip
    for start in range(0, shape[0], ASK_ROWS):
        rows = min(ASK_ROWS, shape[0] - start)
        width = dtype.itemsize * (1 if dtype.names else len(names))
        content = body.read(rows * width)
        array = np.frombuffer(content, dtype).reshape(rows, *shape[1:])
        listed = [array[name] for name in names] if dtype.names else list(array.T)
        yield {name: np.array(values, np.float64) for name, values in zip(names, listed, strict=True)}


def _npy_header(body: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(body)
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(body)


class _Writer(ABC):
    """Writes answers, piece by piece, into a file."""

    def __init__(self, file: IO[bytes], model: ServedModel) -> None:
        self._file, self._model = file, model

    @abstractmethod
    def write(self, answer: Answer) -> None:
        """Write the answer to one piece."""

    def close(self) -> None:  # noqa: B027 - most formats have nothing to add at the end
        """Write what stands at the end."""


class _JsonWriter(_Writer):
    _before = b'{"predictions":['

    def write(self, answer: Answer) -> None:
        self._file.write(self._before + orjson.dumps(answer.as_objects())[1:-1])
        self._before = b","

    def close(self) -> None:
        self._file.write(b'],"model":' + self._model.identity + b"}")


def _record_batch(answer: Answer) -> pa.RecordBatch:
    columns: dict[str, Any] = answer.as_columns()
    if answer.ln_mass is None:
        columns |= dict.fromkeys(("ln_mass", "ln_mass_sigma"), pa.nulls(len(answer.p_value), pa.float64()))
    batch = pa.record_batch(columns)
    if answer.good is None:
        return batch.append_column("error", pa.nulls(batch.num_rows, pa.string()))
    place = np.full(answer.rows, -1, np.int64)
    place[answer.good] = np.arange(batch.num_rows)
    batch = batch.take(pa.array(place, mask=place < 0))
    errors = [answer.troubles.get(row) for row in range(answer.rows)]
    told = [each and orjson.dumps(each.as_json()).decode() for each in errors]
    return batch.append_column("error", pa.array(told, pa.string()))


class _ArrowWriter(_Writer):
    _sink: Any = None

    def _open(self, schema: pa.Schema) -> Any:
        return pa.ipc.new_stream(self._file, schema)

    def write(self, answer: Answer) -> None:
        batch = _record_batch(answer)
        if self._sink is None:
            self._sink = self._open(batch.schema)
        self._sink.write_batch(batch)

    def close(self) -> None:
        self._sink.close()


class _ArrowFileWriter(_ArrowWriter):
    def _open(self, schema: pa.Schema) -> Any:
        return pa.ipc.new_file(self._file, schema)


class _ParquetWriter(_ArrowWriter):
    def _open(self, schema: pa.Schema) -> Any:
        return pa.parquet.ParquetWriter(self._file, schema)


class _NpyWriter(_Writer):
    """A structured array; its header, which holds the number of rows, is written again at the end."""

    _rows = 0
    _dtype: np.dtype[Any] = np.dtype([])

    def write(self, answer: Answer) -> None:
        columns = answer.as_columns()
        if not self._dtype.names:
            kinds = {name: values.dtype for name, values in columns.items()} | {"primary": np.dtype(f"U{_NAME_WIDTH}")}
            self._dtype = np.dtype([*kinds.items(), ("error", f"S{_ERROR_WIDTH}")])
            self._write_header(0)
        table = np.zeros(answer.rows, self._dtype)
        good: Any = slice(None) if answer.good is None else answer.good
        for name, values in columns.items():
            if values.dtype.kind == "f":
                table[name] = np.nan
            table[name][good] = values
        for row, trouble in answer.troubles.items():
            table["error"][row] = f"{trouble.field}: {trouble.allowed}; got {trouble.got}".encode()[:_ERROR_WIDTH]
        self._file.write(table.tobytes())
        self._rows += answer.rows

    def _write_header(self, rows: int) -> None:
        facts = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (rows,)}
        np.lib.format.write_array_header_2_0(self._file, facts)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header(self._rows)  # NumPy leaves room for longer numbers in it
        self._file.seek(0, 2)


_WRITERS: dict[str, type[_Writer]] = {
    JSON: _JsonWriter, NPY: _NpyWriter, PARQUET: _ParquetWriter,
    ARROW_STREAM: _ArrowWriter, ARROW_FILE: _ArrowFileWriter,
}  # fmt: skip

"""Full-content hashes of tables, computed chunk by chunk: the same hash only if every value is the same.

The ordered hash is SHA-256 over each column's values, so it is the identity of a data set; it depends on the order of
rows and on names, types and units, but neither on the order of columns nor on how the table was cut into chunks. The
unordered hash tells whether two tables hold the same rows in another order: a sum over rows of a 128-bit mix of their
values. It is made for comparison, not against forgery.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_WORKERS = 2  # hashing one column releases the interpreter's lock
_NULL = np.uint64(0x9E3779B97F4A7C15)
_SECOND_LANE = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class TableDigest:
    """The hashes of a table, hexadecimal, and its number of rows."""

    ordered: str
    unordered: str
    rows: int


def table_sha256(frame: pl.DataFrame, units: Mapping[str, str]) -> str:
    """Hash a table in memory, in row order; see `hash_table`."""
    return hash_table([frame], units).ordered


def hash_table(chunks: Iterable[pl.DataFrame], units: Mapping[str, str]) -> TableDigest:
    """Hash a table that comes in chunks of any size.

    Parameters
    ----------
    chunks
        At least one frame; all with the same columns. Numbers, text, truth values and lists of numbers.
    units
        Name to unit; a column without one counts as "".

    Raises
    ------
    TypeError
        If a column is of another type.
    """
    columns: dict[str, _Column] = {}
    lanes, rows = [0, 0], 0
    with ThreadPoolExecutor(_WORKERS) as pool:
        for chunk in chunks:
            columns = columns or {
                name: _Column(name, chunk.schema[name], units.get(name, "")) for name in chunk.columns
            }
            mixed = pool.map(lambda column, chunk=chunk: column.update(chunk[column.name]), columns.values())
            row = np.zeros(chunk.height, np.uint64)
            for words in mixed:
                row += words
            for lane, salt in enumerate((np.uint64(0), _SECOND_LANE)):
                lanes[lane] = (lanes[lane] + int(_mix(row ^ salt).sum(dtype=np.uint64))) % 2**64
            rows += chunk.height
    ordered = sorted(columns.values(), key=lambda column: column.name)
    values = [column.header() | column.digests() for column in ordered]
    bag = [[column.header() for column in ordered], f"{lanes[0]:016x}{lanes[1]:016x}"]
    return TableDigest(_json_sha256([values, rows]), _json_sha256([bag, rows]), rows)


def _json_sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass
class _Column:
    """The running hash of one column.

    Attributes
    ----------
    values
        Over the values, nulls as zeros; of text the bytes, of lists the elements.
    lengths
        Over the lengths of texts and lists.
    nulls
        Over the positions of the nulls.
    """

    name: str
    dtype: pl.DataType
    unit: str
    values: Any = field(default_factory=hashlib.sha256)
    lengths: Any = field(default_factory=hashlib.sha256)
    nulls: Any = field(default_factory=hashlib.sha256)
    rows: int = 0

    def __post_init__(self) -> None:
        _type_name(self.dtype)

    def header(self) -> dict[str, str]:
        return {"name": self.name, "dtype": _type_name(self.dtype), "unit": self.unit}

    def digests(self) -> dict[str, str]:
        return {name: getattr(self, name).hexdigest() for name in ("values", "lengths", "nulls")}

    def update(self, series: pl.Series) -> Words:
        """Hash one more chunk and return a word a row for the unordered hash."""
        if series.is_empty():
            return np.empty(0, np.uint64)
        words = self._update_values(series)
        if series.null_count():
            null = series.is_null().to_numpy()
            self.nulls.update((np.flatnonzero(null) + self.rows).astype("<i8").tobytes())
            words = np.where(null, _NULL, words)
        self.rows += len(series)
        salt = np.frombuffer(hashlib.sha256(self.name.encode()).digest()[:8], "<u8")[0]
        return _mix(words ^ salt)

    def _update_values(self, series: pl.Series) -> Words:
        if _is_text(self.dtype):
            return self._update_text(series.cast(pl.String).fill_null(""))
        if isinstance(self.dtype, (pl.List, pl.Array)):
            return self._update_lists(series)
        numbers = _little_endian(series)
        self.values.update(numbers.view(np.uint8).data)
        return _bits(numbers)

    def _update_text(self, series: pl.Series) -> Words:
        self.lengths.update(series.str.len_bytes().to_numpy().astype("<i8").tobytes())
        self.values.update(series.str.join("").item().encode())
        distinct = series.unique()
        words = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") for text in distinct]
        return series.replace_strict(distinct, words, return_dtype=pl.UInt64).to_numpy()

    def _update_lists(self, series: pl.Series) -> Words:
        lists = series.cast(pl.List(_inner(self.dtype)))
        lengths = lists.list.len().fill_null(0).to_numpy().astype("<i8")
        numbers = _little_endian(lists.filter(lists.list.len() > 0).explode())
        self.lengths.update(lengths.tobytes())
        self.values.update(numbers.view(np.uint8).data)
        ends = np.cumsum(lengths)
        position = np.arange(numbers.size, dtype=np.uint64) - np.repeat(ends - lengths, lengths).astype(np.uint64)
        summed = np.concatenate(
            [np.zeros(1, np.uint64), np.cumsum(_mix(_bits(numbers) ^ _mix(position)), dtype=np.uint64)]
        )
        return _mix(summed[ends] - summed[ends - lengths] + lengths.astype(np.uint64))


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))


def _inner(dtype: pl.DataType) -> pl.DataType:
    inner = getattr(dtype, "inner", None)
    if not isinstance(inner, pl.DataType):
        raise TypeError(f"{dtype} holds nothing")
    return inner


def _type_name(dtype: pl.DataType) -> str:
    if _is_text(dtype):
        return "str"
    if isinstance(dtype, (pl.List, pl.Array)):
        return f"list[{_type_name(_inner(dtype))}]"
    if not (dtype.is_numeric() or isinstance(dtype, pl.Boolean)):
        raise TypeError(f"columns of type {dtype} cannot be hashed")
    return _little_endian(pl.Series([], dtype=dtype)).dtype.str


def _little_endian(series: pl.Series) -> NDArray[Any]:
    filled = series.fill_null(False) if series.dtype == pl.Boolean else series.fill_null(0)
    values = (filled.cast(pl.UInt8) if series.dtype == pl.Boolean else filled).to_numpy()
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)


def _bits(numbers: NDArray[Any]) -> Words:
    return numbers.view(f"<u{numbers.dtype.itemsize}").astype(np.uint64)


def _mix(words: Words) -> Words:
    """Mix bits (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195)."""
    mixed = words ^ (words >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed

"""Source sections that read the open data sets, and damaged copies of files for every binary format."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from projects import REPOSITORY

from cascada.data.catalog import find_entry, read_catalog


def open_data_section(name: str) -> Any:
    """Return the source section of an open data set, as the catalogue has it."""
    return find_entry(read_catalog(REPOSITORY / "data" / "catalog.yaml"), name).dataset.source


def damaged(whole: bytes, first: int = 0) -> st.SearchStrategy[bytes]:
    """Draw copies of a file that lack their end, or have some bytes changed from the position `first` on."""
    changes = st.lists(st.tuples(st.integers(first, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=20)
    lengths = st.integers(0, len(whole) - 1)
    return lengths.map(lambda length: whole[:length]) | changes.map(lambda some: _changed(whole, some))


def _changed(whole: bytes, changes: list[tuple[int, int]]) -> bytes:
    copy = bytearray(whole)
    for position, value in changes:
        copy[position] = value
    return bytes(copy)

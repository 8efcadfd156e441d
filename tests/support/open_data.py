"""Source sections that read the open data sets, and damaged copies of files for every binary format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cascada.config import Source

_SECTIONS = Path(__file__).with_name("sections.yaml")


def open_data_section(name: str) -> Any:
    """Make the source section of an open data set, by its name in ``sections.yaml``."""
    section = yaml.safe_load(_SECTIONS.read_text(encoding="utf-8"))[name]
    return TypeAdapter(Source).validate_json(json.dumps(section))


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

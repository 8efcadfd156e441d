"""HDF5 files: records, groups of columns, tables of pandas; and files that are none, not whole or not a table."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from open_data import damaged

from cascada.config import Hdf5Source
from cascada.data.sources import hdf5
from cascada.data.sources.hdf5 import read_hdf5
from cascada.data.sources.table import SourceTable
from cascada.errors import CascadaError, SourceError

COLUMNS = {
    "shower_id": {"column": "id"},
    "energy_eev": {"column": "E", "unit": "GeV"},
    "zenith_deg": {"column": "cos", "unit": "cos"},
}
LABEL = {"column": "label", "values": {"p": "p", "Fe": "Fe"}}
ROWS = 25
RECORDS = np.zeros(ROWS, [("id", "<i8"), ("E", ">f8"), ("cos", "<f4"), ("label", "S2"), ("block", "<f8", (3,))])
RECORDS["id"], RECORDS["E"], RECORDS["cos"] = np.arange(ROWS) + 2**53, np.arange(ROWS) * 1e9, np.linspace(0.5, 1, ROWS)
RECORDS["label"] = [b"p", b"Fe"] * 12 + [b"p"]
RECORDS["block"] = np.arange(3 * ROWS).reshape(ROWS, 3)


def one_table(file: h5py.File) -> None:
    file.create_dataset("run/showers", data=RECORDS, chunks=(10,), compression="gzip")


def one_table_in_a_row(file: h5py.File) -> None:
    file["run/showers"] = RECORDS


def one_data_set_a_column(file: h5py.File) -> None:
    for name in ("id", "E", "cos", "block"):
        file[f"run/showers/{name}"] = RECORDS[name]
    file["run/showers/label"] = [text.decode() for text in RECORDS["label"]]
    file["run/showers/about"] = "a scalar"
    file["run/showers/deeper/id"] = np.zeros(3)


def table_of_pytables(file: h5py.File) -> None:
    """As pandas writes it: the group holds a data set "table" of records, and indices."""
    file["run/showers/table"] = RECORDS
    file["run/showers/_i_table/index"] = np.zeros(7)


LAYOUTS = (one_table, one_table_in_a_row, one_data_set_a_column, table_of_pytables)


def written(layout: Callable[[h5py.File], None]) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        layout(file)
    return content.getvalue()


def read(folder: Path, content: bytes, **settings_: object) -> SourceTable:
    (folder / "showers.h5").write_bytes(content)
    shape = {"kind": "hdf5", "files": ["showers.h5"], "table": "run/showers", "columns": COLUMNS, "label": LABEL}
    return read_hdf5(Hdf5Source.model_validate(shape | settings_), folder)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chunk_rows", [1, 7, 100])
def test_the_same_showers_from_every_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[[h5py.File], None], chunk_rows: int
) -> None:
    monkeypatch.setattr(hdf5, "CHUNK_ROWS", chunk_rows)
    frame = read(tmp_path, written(layout)).frame.collect()
    assert frame["shower_id"].to_list() == [n + 2**53 for n in range(ROWS)]
    assert frame["energy_eev"].to_list() == pytest.approx(list(range(ROWS)))
    assert frame["zenith_deg"][0] == pytest.approx(60)
    assert frame["primary"].to_list() == ["p", "Fe"] * 12 + ["p"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_of_several_numbers_a_row(tmp_path: Path, layout: Callable[[h5py.File], None]) -> None:
    columns = COLUMNS | {"n_mu": {"column": "block[2]"}}
    frame = read(tmp_path, written(layout), columns=columns).frame.collect()
    assert frame["n_mu"].to_list() == [3.0 * n + 2 for n in range(ROWS)]


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    content = written(lambda file: file.create_dataset("run/showers", data=RECORDS[:0]))
    frame = read(tmp_path, content).frame.collect()
    assert (frame.height, frame.columns) == (0, ["shower_id", "group_id", "primary", "energy_eev", "zenith_deg"])


def test_columns_of_different_lengths(tmp_path: Path) -> None:
    def layout(file: h5py.File) -> None:
        one_data_set_a_column(file)
        del file["run/showers/E"]
        file["run/showers/E"] = np.zeros(ROWS - 1)

    with pytest.raises(SourceError, match="differ in length") as caught:
        read(tmp_path, written(layout))
    assert caught.value.got == f"E: {ROWS - 1} rows, label: {ROWS} rows"


def test_rows_that_were_never_written(tmp_path: Path) -> None:
    """HDF5 would fill them with zeros: showers out of nothing."""

    def layout(file: h5py.File) -> None:
        one_data_set_a_column(file)
        del file["run/showers/E"]
        file.create_dataset("run/showers/E", shape=(ROWS,), dtype="f8", chunks=(10,))[:15] = 1.0

    with pytest.raises(SourceError, match="column 'E' is not whole") as caught:
        read(tmp_path, written(layout))
    assert (caught.value.expected, caught.value.got) == ("3 chunks", "2 chunks")


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        ({"table": "run/shower"}, ["no 'run/shower'", "mean run/showers?"]),
        ({"table": "/"}, ["column 'id', mapped to shower_id", "0 columns"]),
        ({"columns": {"n_mu": {"column": "Label"}}}, ["column 'Label', mapped to n_mu", "7 columns", "mean label?"]),
        ({"columns": {"n_mu": {"column": "block"}}}, ["column 'block'", "block[0]"]),
        ({"columns": {"n_mu": {"column": "block[3]"}}}, ["column 'block[3]'", "block[2]"]),
        ({"columns": {"n_mu": {"column": "label"}}}, ["column 'label', mapped to n_mu, holds text", "showers.h5"]),
        ({"label": {"column": "label", "values": {"p": "p"}}}, ["column 'label'", "data row 2", "'Fe'"]),
    ],
)
def test_what_does_not_fit_the_map(tmp_path: Path, settings_: dict[str, object], told: list[str]) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, written(one_table), **settings_).frame.collect()
    for words in told:
        assert words in str(caught.value)


@pytest.mark.parametrize("values", [np.zeros(ROWS, "c16"), np.zeros(ROWS, "V3")])
def test_neither_numbers_nor_text(tmp_path: Path, values: np.ndarray) -> None:
    content = written(lambda file: file.create_dataset("run/showers/odd", data=values))
    with pytest.raises(SourceError, match="'odd' holds neither numbers nor text"):
        read(tmp_path, content, columns={"n_mu": {"column": "odd"}}, label=None).frame.collect()


CONTENT = written(one_table)


@pytest.mark.parametrize("content", [b"", b"no table", b"\x89HDF\r\n\x1a\n", CONTENT[:100], CONTENT[:-100]])
def test_what_is_no_whole_hdf5_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="not an HDF5 file, or not a whole one") as caught:
        read(tmp_path, content)
    assert caught.value.where == str(tmp_path / "showers.h5")


@settings(max_examples=150, deadline=None)
@given(damaged(CONTENT) | damaged(written(lambda file: file.create_dataset("run/showers", data=RECORDS))))
def test_damage_is_refused_in_our_words(content: bytes) -> None:
    """Whatever bytes: a table, or an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder), content).frame.collect()
        except CascadaError:
            return

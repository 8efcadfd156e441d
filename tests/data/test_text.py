"""Text tables: the column map, its units, and what is refused with which words."""

from __future__ import annotations

import gzip
import math
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascada.config import TextSource
from cascada.data.sources import read_source, text
from cascada.data.sources.text import read_text
from cascada.errors import CascadaError, ConfigError, SourceError
from cascada.repro.fingerprint import file_sha256

BY_POSITION = {
    "shower_id": {"column": 0},
    "energy_eev": {"column": 1, "unit": "EeV"},
    "zenith_deg": {"column": 2, "unit": "deg"},
}
BY_NAME = {
    "shower_id": {"column": "id"},
    "energy_eev": {"column": "E", "unit": "EeV"},
    "zenith_deg": {"column": "theta", "unit": "deg"},
}
GOOD = "0 10 30\n1 20 60\n"
NAMED = "id E theta\n0 10 30\n1 20 60\n"


def read(folder: Path, content: str | bytes, **changes: object) -> pl.DataFrame:
    (folder / "protons.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    return read_text(source(**changes), folder).frame.collect()


def source(**changes: object) -> TextSource:
    facts = {"kind": "text", "origin": "zenodo.org/17", "licence": "CC0", "citation": "Doe 2020"}
    shape = {"files": {"p": "protons.txt"}, "columns": BY_POSITION}
    return TextSource.model_validate(facts | shape | changes)


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (GOOD, {}),
        ("  0   10\t30  \n\n 1 20 60", {}),
        (GOOD.replace(" ", ","), {"separator": ","}),
        (GOOD.replace(" ", ";"), {"separator": ";"}),
        (GOOD.replace(" ", "\t"), {"separator": "\t"}),
        (GOOD.replace("\n", "\r\n"), {}),
        ("0 1.0e1 3E1\n1 +20. 60.000\n", {}),
        (NAMED, {"header": True, "columns": BY_NAME}),
        ("theta,extra,id,E\n30,x,0,10\n60,y,1,20\n", {"header": True, "separator": ",", "columns": BY_NAME}),
        (b"\xef\xbb\xbf" + NAMED.encode(), {"header": True, "columns": BY_NAME}),
    ],
)
def test_the_same_showers_from_many_layouts(tmp_path: Path, content: str | bytes, changes: dict[str, object]) -> None:
    frame = read(tmp_path, content, **changes)
    assert frame.to_dict(as_series=False) == {
        "shower_id": [0, 1], "group_id": [0, 1], "primary": ["p", "p"],
        "energy_eev": [10.0, 20.0], "zenith_deg": [30.0, 60.0],
    }  # fmt: skip


def test_positions_pick_columns_in_any_order(tmp_path: Path) -> None:
    columns = {
        "zenith_deg": {"column": 0, "unit": "deg"}, "energy_eev": {"column": 3, "unit": "EeV"},
        "shower_id": {"column": 2},
    }  # fmt: skip
    frame = read(tmp_path, "30 7 5 10\n", columns=columns)
    assert frame.select("shower_id", "energy_eev", "zenith_deg").row(0) == (5, 10.0, 30.0)


def test_positions_hold_in_a_table_with_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, NAMED, header=True)["energy_eev"].to_list() == [10.0, 20.0]


@pytest.mark.parametrize(
    ("column", "unit", "value", "expected"),
    [
        ("energy_eev", "GeV", 1e10, 10.0),
        ("energy_eev", "TeV", 1e7, 10.0),
        ("energy_eev", "PeV", 1e4, 10.0),
        ("energy_eev", "eV", 1e19, 10.0),
        ("zenith_deg", "rad", math.pi / 6, 30.0),
        ("n_mu", "1", 1e7, 1e7),
        ("xmax_g_cm2", "g/cm2", 800.0, 800.0),
        ("xmax_g_cm2", "kg/m2", 8000.0, 800.0),
        ("xmax_g_cm2", "g/cm2 vertical", 400.0, 800.0),  # at 60 degrees
    ],
)
def test_units_become_canonical(tmp_path: Path, column: str, unit: str, value: float, expected: float) -> None:
    columns = BY_POSITION | {column: {"column": 3, "unit": unit}}
    assert read(tmp_path, f"0 10 60 {value!r}\n", columns=columns)[column].to_list() == pytest.approx([expected])


def test_vertical_depths_take_the_zenith_in_the_unit_of_the_file(tmp_path: Path) -> None:
    columns = BY_POSITION | {
        "zenith_deg": {"column": 2, "unit": "rad"}, "xmax_g_cm2": {"column": 3, "unit": "g/cm2 vertical"},
    }  # fmt: skip
    frame = read(tmp_path, f"0 10 {math.pi / 3!r} 400\n", columns=columns)
    assert frame["xmax_g_cm2"].to_list() == pytest.approx([800.0])


def test_floor_divide_turns_ids_into_groups(tmp_path: Path) -> None:
    columns = BY_POSITION | {"group_id": {"column": 0, "floor_divide": 10}}
    frame = read(tmp_path, "119 10 30\n120 10 30\n129 10 30\n", columns=columns)
    assert frame["shower_id"].to_list() == [119, 120, 129]
    assert frame["group_id"].to_list() == [11, 12, 12]


def test_one_file_a_primary_in_the_order_of_classes(tmp_path: Path) -> None:
    (tmp_path / "iron.txt").write_text("7 1 2\n")
    (tmp_path / "photons.txt").write_text("8 1 2\n9 1 2\n")
    table = read_text(source(files={"Fe": "iron.txt", "photon": "photons.txt"}), tmp_path)
    assert table.frame.collect()["primary"].to_list() == ["photon", "photon", "Fe"]
    assert table.frame.collect()["shower_id"].to_list() == [8, 9, 7]
    assert table.files == {"photon": str(tmp_path / "photons.txt"), "Fe": str(tmp_path / "iron.txt")}
    assert table.origin["sha256"] == {name: file_sha256(tmp_path / name) for name in ("photons.txt", "iron.txt")}
    assert (table.origin["origin"], table.origin["licence"]) == ("zenodo.org/17", "CC0")


def test_numbers_that_are_none_wait_for_the_sieve(tmp_path: Path) -> None:
    energies = read(tmp_path, "0 nan 30\n1 inf 30\n2 NaN 30\n")["energy_eev"].to_list()
    assert [math.isfinite(energy) for energy in energies] == [False] * 3


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_text(source(), tmp_path)
    message = str(caught.value)
    for told in (str(tmp_path / "protons.txt"), "zenodo.org/17", "CC0", "Doe 2020", "--data"):
        assert told in message


def test_a_missing_folder_says_where_to_get_the_files() -> None:
    with pytest.raises(ConfigError) as caught:
        read_source(source(), directory=None, seed=1, threads=1)
    for told in ("zenodo.org/17", "CC0", "Doe 2020", "--data"):
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("content", "changes", "told"),
    [
        ("", {}, ["an input file is empty", "protons.txt"]),
        ("\n \n", {}, ["protons.txt"]),
        ("id E theta\n", {"header": True, "columns": BY_NAME}, ["a header but no rows", "protons.txt"]),
        ("id E Theta\n0 1 2\n", {"header": True, "columns": BY_NAME}, ["'theta'", "zenith_deg", "mean Theta?"]),
        ("0 1\n", {}, ["column 2", "zenith_deg", "2 columns"]),
        ("0,1,2\n", {}, ["one column", "source.separator", "'0,1,2'"]),
        ("0 1 2\n1 20\n", {}, ["zenith_deg", "data row 2", "''"]),
        (NAMED, {}, ["column 0", "shower_id", "data row 1", "'id'"]),
        ("0 1 2\n1 ten 2\n", {}, ["energy_eev", "data row 2", "'ten'"]),
        ("0 1,5 2\n", {}, ["energy_eev", "data row 1", "'1,5'"]),
        ("0 1 2\n1.5 1 2\n", {}, ["shower_id must be whole numbers", "data row 2", "1.5"]),
        ("0 1 2\nnan 1 2\n", {}, ["shower_id must be whole numbers", "data row 2", "nan"]),
        ("0 1 2\n1 1 2 3\n", {}, ["not a text table", "line 2"]),
        (b"\x1f\x8b\x08" + bytes(range(256)), {}, ["not a text table", "protons.txt"]),
        (bytes(range(256)) * 8, {}, ["not a text table", "protons.txt"]),
        (b"\0" * 64, {}, ["one column", "protons.txt"]),
        (GOOD.encode("utf-16"), {}, ["not a text table", "protons.txt"]),
    ],
)
def test_what_is_no_table_of_numbers(
    tmp_path: Path, content: str | bytes, changes: dict[str, object], told: list[str]
) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, content, **changes)
    for words in told:
        assert words in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "protons.txt").mkdir()
    with pytest.raises(SourceError, match=r"protons\.txt"):
        read_text(source(), tmp_path)


@pytest.mark.parametrize(
    ("column", "unit", "hint"),
    [("energy_eev", "Gev", "GeV"), ("zenith_deg", "radian", "rad"), ("energy_eev", "1", "EeV, GeV")],
)
def test_an_unknown_unit(tmp_path: Path, column: str, unit: str, hint: str) -> None:
    with pytest.raises(SourceError, match=column) as caught:
        read(tmp_path, GOOD, columns=BY_POSITION | {column: {"column": 1, "unit": unit}})
    assert repr(unit) in caught.value.what
    assert hint in caught.value.hint


@pytest.mark.parametrize(("column", "hint"), [("n_muon", "n_mu"), ("zenit_deg", "zenith_deg"), ("primary", "valid")])
def test_a_map_names_columns_of_the_shower_table_only(tmp_path: Path, column: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=repr(column)) as caught:
        read(tmp_path, GOOD, columns=BY_POSITION | {column: {"column": 1}})
    assert hint in caught.value.hint


def test_an_unknown_primary(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'Fee'") as caught:
        read(tmp_path, GOOD, files={"Fee": "protons.txt"})
    assert "Fe" in caught.value.hint


def test_a_header_with_fewer_names_than_columns(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Expected 3 fields in line 2, saw 4"):
        read(tmp_path, "id E theta\n0 10 30 800\n1 20 60 810\n", header=True, columns=BY_NAME)


@pytest.mark.parametrize("number", [2**53 + 1, 10**30])
def test_an_id_is_read_exactly_or_refused(tmp_path: Path, number: int) -> None:
    try:
        found = read(tmp_path, f"{number} 10 30\n")["shower_id"].item()
    except SourceError:
        return
    assert found == number


def many(rows: int) -> str:
    return "".join(f"{n} {n + 1} 30\n" for n in range(rows))


def test_a_table_is_read_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(tmp_path, many(25))
    monkeypatch.setattr(text, "CHUNK_ROWS", 10)
    assert read(tmp_path, many(25)).equals(whole)
    assert whole["energy_eev"].to_list() == [n + 1 for n in range(25)]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize(("row", "bad"), [(3, "x 1 2"), (2017, "2017 ten 2"), (2345, "2345.5 1 2"), (2500, "2500 1")])
def test_a_bad_row_is_named_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: int, bad: str, engine: str
) -> None:
    monkeypatch.setattr(text, "CHUNK_ROWS", 1000)
    lines = many(2600).splitlines()
    lines[row] = bad
    (tmp_path / "protons.txt").write_text("\n".join(lines))
    frame = read_text(source(), tmp_path).frame
    with pytest.raises(SourceError) as caught:
        frame.collect(engine=engine)  # type: ignore[call-overload]
    assert f"data row {row + 1}" in caught.value.where


def test_a_bad_row_stops_the_writing_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "protons.txt").write_text(many(2000) + "2000 ten 30\n")
    with pytest.raises(SourceError, match="holds text where a number belongs"):
        read_text(source(), tmp_path).frame.sink_parquet(tmp_path / "out.parquet")


def test_packed_files(tmp_path: Path) -> None:
    (tmp_path / "protons.txt.gz").write_bytes(gzip.compress(many(5).encode()))
    packed = source(files={"p": "protons.txt.gz"})
    assert read_text(packed, tmp_path).frame.collect().height == 5
    whole = gzip.compress(many(5000).encode())
    for content in (whole[:-500], whole[:12] + b"\xff" * 500, b"no gzip", b"", bytes(100)):
        (tmp_path / "protons.txt.gz").write_bytes(content)
        with pytest.raises(SourceError, match=r"protons\.txt\.gz"):
            read_text(packed, tmp_path).frame.collect()


def test_labels_in_a_column(tmp_path: Path) -> None:
    label = {"column": 3, "values": {"g": "photon", "1": "p"}}
    frame = read(tmp_path, "0 1 2 g\n1 1 2 1\n", files=["protons.txt"], label=label)
    assert frame["primary"].to_list() == ["photon", "p"]
    frame = read(tmp_path, "0 1 2 1\n1 1 2 1\n", files=["protons.txt"], label=label)
    assert frame["primary"].to_list() == ["p", "p"]
    with pytest.raises(SourceError, match="column 3 holds a label that") as caught:
        read(tmp_path, "0 1 2 g\n1 1 2 h\n", files=["protons.txt"], label=label)
    assert caught.value.where.endswith("protons.txt, data row 2")
    assert caught.value.got == "'h'"


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "NA", "null"])
def test_nothing_between_separators_is_no_number_and_passes_on(tmp_path: Path, missing: str) -> None:
    energies = read(tmp_path, f"0,{missing},30\n1,10,30\n", separator=",")["energy_eev"].to_list()
    assert math.isnan(energies[0])
    assert energies[1] == 10


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text("0123456789 .\n\t,;-+eEnaif\"'#", max_size=40).map(str.encode))
def test_any_bytes_are_refused_in_our_words(content: bytes) -> None:
    """Whatever bytes: a table, or an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder), content)
        except CascadaError:
            return


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_are_read_to_the_last_bit(values: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        frame = read(Path(folder), "".join(f"{n} {value!r} 30\n" for n, value in enumerate(values)))
    assert frame["energy_eev"].to_list() == values

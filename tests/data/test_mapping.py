"""The column map, on Parquet files since they bring types: labels, ids, positions, types, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from cascada.config import ParquetSource
from cascada.data.sources import read_source
from cascada.data.sources.table import SourceTable
from cascada.errors import ConfigError, SourceError

ENERGY = {"energy_eev": {"column": "E", "unit": "EeV"}}
ENERGIES = [1.0, 2.0, 3.0]


def read(folder: Path, *files: dict[str, object], **settings: object) -> SourceTable:
    for number, columns in enumerate(files):
        pl.DataFrame(columns).write_parquet(folder / f"{number}.parquet")
    shape = {"kind": "parquet", "files": ["*.parquet"], "columns": ENERGY}
    return read_source(ParquetSource.model_validate(shape | settings), directory=folder, seed=1, threads=1)


def test_without_a_label_there_is_no_primary(tmp_path: Path) -> None:
    table = read(tmp_path, {"E": ENERGIES})
    assert table.frame.collect().columns == ["shower_id", "group_id", "energy_eev"]
    assert table.files == {"": str(tmp_path / "0.parquet")}


def test_showers_are_numbered_over_all_files(tmp_path: Path) -> None:
    """Expected: numbers in file order, whatever the label of the file, for every slice and selection of the table."""
    frame = read(tmp_path, {"E": ENERGIES}, {"E": [4.0]}, files={"Fe": "0.parquet", "p": "1.parquet"}).frame
    whole = frame.collect(engine="streaming")
    assert whole["primary"].to_list() == ["p", "Fe", "Fe", "Fe"]
    assert whole["shower_id"].to_list() == whole["group_id"].to_list() == [0, 1, 2, 3]
    assert frame.slice(2, 1).collect()["shower_id"].to_list() == [2]
    assert frame.filter(pl.col("energy_eev") == 3).collect()["shower_id"].to_list() == [3]
    assert frame.select("group_id").collect()["group_id"].to_list() == [0, 1, 2, 3]


def test_groups_are_showers_unless_mapped(tmp_path: Path) -> None:
    ids = {"shower_id": {"column": "n"}}
    frame = read(tmp_path, {"E": ENERGIES, "n": [71, 72, 80]}, columns=ENERGY | ids).frame.collect()
    assert frame["group_id"].to_list() == [71, 72, 80]
    groups = ids | {"group_id": {"column": "n", "floor_divide": 10}}
    frame = read(tmp_path, {"E": ENERGIES, "n": [71, 72, 80]}, columns=ENERGY | groups).frame.collect()
    assert frame["group_id"].to_list() == [7, 7, 8]


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (["g", "h", "g"], {"g": "photon", "h": "hadron"}),
        ([" g", "h ", "g"], {"g": "photon", "h": "hadron"}),
        ([1, 14, 1], {"1": "photon", "14": "hadron"}),
        ([1.0, 14.0, 1.0], {"1": "photon", "14": "hadron"}),
        ([0.5, 1.5, 0.5], {"0.5": "photon", "1.5": "hadron"}),
        ([True, False, True], {"true": "photon", "false": "hadron"}),
        (pl.Series(["g", "h", "g"], dtype=pl.Categorical), {"g": "photon", "h": "hadron"}),
        (pl.Series([b"g", b"h", b"g"]), {"g": "photon", "h": "hadron"}),
    ],
)
def test_labels_come_from_a_column_of_any_type(tmp_path: Path, labels: object, values: dict[str, str]) -> None:
    table = read(tmp_path, {"E": ENERGIES, "class": labels}, label={"column": "class", "values": values})
    assert table.frame.collect()["primary"].to_list() == ["photon", "hadron", "photon"]
    assert table.files == dict.fromkeys(("photon", "hadron"), str(tmp_path / "0.parquet"))


@pytest.mark.parametrize("odd", ["x", "", None, "G"])
def test_a_label_outside_the_map_is_refused(tmp_path: Path, odd: str | None) -> None:
    label = {"column": "class", "values": {"g": "photon", "h": "hadron"}}
    with pytest.raises(SourceError, match=r"column 'class' holds a label that source\.label\.values") as caught:
        read(tmp_path, {"E": [1.0], "class": ["g"]}, {"E": ENERGIES, "class": ["g", odd, "z"]}, label=label)
    assert caught.value.where == f"{tmp_path / '1.parquet'}, data row 2"
    assert (caught.value.got, caught.value.expected) == (repr(odd), "g, h")


def test_a_label_maps_to_a_known_primary(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'phton'") as caught:
        read(tmp_path, {"E": ENERGIES}, label={"column": "E", "values": {"1": "phton"}})
    assert "photon" in caught.value.hint


def test_a_label_comes_from_a_column_or_from_the_file() -> None:
    with pytest.raises(ValidationError, match="from a column or from the file"):
        ParquetSource.model_validate(
            {"kind": "parquet", "files": {"p": "x"}, "columns": ENERGY, "label": {"column": "c", "values": {"a": "p"}}}
        )


@pytest.mark.parametrize(
    "values",
    [
        pl.Series(ENERGIES, dtype=pl.Float32),
        pl.Series([1, 2, 3], dtype=pl.UInt8),
        pl.Series([1, 2, 3], dtype=pl.Int64),
        pl.Series([Decimal(1), Decimal(2), Decimal(3)]),
    ],
)
def test_numbers_of_any_type(tmp_path: Path, values: pl.Series) -> None:
    assert read(tmp_path, {"E": values}).frame.collect()["energy_eev"].to_list() == ENERGIES


def test_what_is_no_number_passes_on(tmp_path: Path) -> None:
    energies = read(tmp_path, {"E": [float("nan"), float("inf"), None, -1.0]}).frame.collect()["energy_eev"].to_list()
    assert [str(energy) for energy in energies] == ["nan", "inf", "None", "-1.0"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1", "2", "3"], "holds text where a number belongs"),
        ([[1.0], [2.0], [3.0]], "holds no single numbers where a number belongs"),
        (pl.Series([1, 2, 3]).cast(pl.Date), "holds no single numbers"),
    ],
)
def test_columns_without_numbers(tmp_path: Path, values: object, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        read(tmp_path, {"E": values})
    assert str(tmp_path / "0.parquet") in caught.value.where
    assert "'E', mapped to energy_eev" in caught.value.what


@pytest.mark.parametrize(
    ("ids", "row"),
    [
        ([1.0, 2.5, 3.0], 2),
        ([1.0, 2.0, float("nan")], 3),
        ([float("inf"), 2.0, 3.0], 1),
        ([1.0, 2.0**53, 3.0], 2),
        ([1, None, 3], 2),
        (pl.Series([1, 2**63, 3], dtype=pl.UInt64), 2),
    ],
)
def test_ids_are_whole_numbers(tmp_path: Path, ids: object, row: int) -> None:
    with pytest.raises(SourceError, match="shower_id must be whole numbers") as caught:
        read(tmp_path, {"E": ENERGIES, "n": ids}, columns=ENERGY | {"shower_id": {"column": "n"}})
    assert caught.value.where.endswith(f"data row {row}")


def test_ids_are_exact(tmp_path: Path) -> None:
    ids = [2**53 + 1, 2**63 - 1, -(2**63)]
    frame = read(tmp_path, {"E": ENERGIES, "n": ids}, columns=ENERGY | {"shower_id": {"column": "n"}}).frame
    assert frame.collect()["shower_id"].to_list() == ids


def test_positions_pick_columns_of_every_format(tmp_path: Path) -> None:
    columns = {"energy_eev": {"column": 1, "unit": "EeV"}}
    assert read(tmp_path, {"x": [7.0] * 3, "E": ENERGIES}, columns=columns).frame.collect()["energy_eev"][2] == 3


@pytest.mark.parametrize(
    ("column", "hint"), [("EE", "mean E"), ("Zenith", "mean zenith"), (2, "E, zenith"), (-1, "E, zenith")]
)
def test_an_unknown_column_names_the_nearest(tmp_path: Path, column: int | str, hint: str) -> None:
    columns = {"energy_eev": {"column": column, "unit": "EeV"}}
    with pytest.raises(SourceError, match=f"column {column!r}, mapped to energy_eev, is not in the file") as caught:
        read(tmp_path, {"E": ENERGIES, "zenith": ENERGIES}, columns=columns)
    assert caught.value.got == "2 columns"
    assert hint in caught.value.hint


def test_floor_divide_is_for_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.columns\.energy_eev: floor_divide"):
        read(tmp_path, {"E": ENERGIES}, columns={"energy_eev": {"column": "E", "unit": "EeV", "floor_divide": 2}})


def test_a_vertical_depth_needs_the_zenith_angle(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs the zenith angle"):
        read(tmp_path, {"E": ENERGIES}, columns={"xmax_g_cm2": {"column": "E", "unit": "g/cm2 vertical"}})

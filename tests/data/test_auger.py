"""Pierre Auger Open Data: small files as published (opendata.auger.org), and what is not as published."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data import damaged

from cascada.config import AugerSource
from cascada.data.sources import read_source
from cascada.data.sources.auger import STATIONS, read_auger
from cascada.data.sources.table import SourceTable
from cascada.errors import CascadaError, ConfigError, SourceError

ID = 51035232600
"""Of the form yydddsssssxx."""

# A surface event; a hybrid one that two telescopes saw; a hybrid one without reconstruction by the surface detector.
SUMMARY = f"""\
id,sdid,gpstime,multiEye,sd_theta,sd_dtheta,sd_phi,sd_energy,sd_denergy,sd_s1000,sd_s38,sd_nbstat,sd_x,sd_y,fd_id,\
fd_theta,fd_phi,fd_totalEnergy,fd_dtotalEnergy,fd_calEnergy,fd_xmax,fd_dxmax,fd_heightXmax,fd_dEdXmax
71234567800,1,1000,0,30.5,0.2,120.1,5.2,0.4,22.1,27.0,7,-1200.5,340,,,,,,,,,,
{ID},2,1001,1,44.2,0.3,12.9,2.1,0.2,9.8,13.1,5,900,-20,1,44.0,13.1,2.2,0.2,1.9,731.4,15.1,5100,3.7
{ID},2,1001,1,44.2,0.3,12.9,2.1,0.2,9.8,13.1,5,900,-20,3,44.3,12.7,2.3,0.1,2.0,722.6,8.8,5210,3.9
61234567801,,1002,0,,,,,,,,,,,4,12.5,250,0.9,0.1,0.77,690.2,11.4,4800,1.2
"""

EVENT: dict[str, Any] = {
    "meta": {"release": "3"},
    "info": {"id": ID, "sdid": 2, "gpstime": 1001},
    "flags": {"sd1500": 1, "hdXmax": 1, "multiEye": 1},
    "sdrec": {"theta": 44.2, "phi": 12.9, "energy": 2.1, "denergy": 0.2, "s1000": 9.8, "s38": 13.1, "nbstat": 5,
              "x": 900, "y": -20},
    "eyes": [{"id": 1}, {"id": 3}],
    "fdrec": [
        {"id": 1, "theta": 44.0, "phi": 13.1, "totalEnergy": 2.2, "dtotalEnergy": 0.2, "calEnergy": 1.9,
         "xmax": 731.4, "dxmax": 15.1, "heightXmax": 5100, "dEdXmax": 3.7},
        {"id": 3, "theta": 44.3, "phi": 12.7, "totalEnergy": 2.3, "dtotalEnergy": 0.1, "calEnergy": 2.0,
         "xmax": 722.6, "dxmax": 8.8, "heightXmax": 5210, "dEdXmax": 3.9},
    ],
    "stations": [
        {"id": 101, "x": 0, "y": 750.5, "z": 1400, "t": 12.5, "dt": 3, "signal": 21.5, "isSelected": 1,
         "pmt1": [0, 1, 2], "pmt2": [0, 3, 4]},
        {"id": 102, "x": 1500, "y": 0, "z": 1401, "t": 900, "dt": 8, "signal": 2, "isSelected": 0},
    ],
}  # fmt: skip


def write_events(folder: Path, *events: dict[str, Any]) -> None:
    for event in events:
        (folder / f"Auger_{event.get('info', {}).get('id', ID):012d}.json").write_text(json.dumps(event))


def read(folder: Path, *files: str) -> SourceTable:
    source = AugerSource.model_validate({"kind": "auger", "files": list(files)})
    return read_source(source, directory=folder, seed=1, threads=1)


def changed(**sections: Any) -> dict[str, Any]:
    event = copy.deepcopy(EVENT) | sections
    return {name: section for name, section in event.items() if section is not ...}


def test_a_summary_table(tmp_path: Path) -> None:
    (tmp_path / "dataSummary.csv").write_text(SUMMARY)
    table = read(tmp_path, "*.csv")
    frame = table.frame.collect()
    assert frame["shower_id"].to_list() == frame["group_id"].to_list() == [71234567800, ID, 61234567801]
    assert "primary" not in frame.columns
    assert frame["energy_eev"].to_list() == [5.2, 2.1, 0.9]
    assert frame["zenith_deg"].to_list() == [30.5, 44.2, 12.5]
    assert frame["xmax_g_cm2"].to_list() == [None, 722.6, 690.2]
    assert frame["xmax_uncertainty_g_cm2"].to_list() == [None, 8.8, 11.4]
    assert frame["s1000_vem"].to_list() == [22.1, 9.8, None]
    assert frame["n_stations"].to_list() == [7, 5, None]
    assert frame["core_x_m"].to_list() == [-1200.5, 900, None]
    assert (table.origin["repeated_rows"], table.files) == (1, {"": str(tmp_path / "dataSummary.csv")})


def test_without_uncertainties_the_first_telescope_counts(tmp_path: Path) -> None:
    lines = [line.split(",") for line in SUMMARY.splitlines()]
    drop = lines[0].index("fd_dxmax")
    text = "\n".join(",".join(value for n, value in enumerate(line) if n != drop) for line in lines)
    (tmp_path / "dataSummary.csv").write_text(text)
    assert read(tmp_path, "*.csv").frame.collect()["xmax_g_cm2"].to_list() == [None, 731.4, 690.2]


def test_a_telescope_without_uncertainty_counts_last(tmp_path: Path) -> None:
    (tmp_path / "dataSummary.csv").write_text(SUMMARY.replace(",731.4,15.1,", ",731.4,,"))
    assert read(tmp_path, "*.csv").frame.collect()["xmax_g_cm2"].to_list() == [None, 722.6, 690.2]


def test_an_event_says_the_same_in_both_formats(tmp_path: Path) -> None:
    (tmp_path / "dataSummary.csv").write_text(SUMMARY)
    write_events(tmp_path, EVENT)
    summary, event = read(tmp_path, "*.csv"), read(tmp_path, "Auger_*.json")
    expected = summary.frame.collect().filter(pl.col("shower_id") == ID)
    assert event.frame.collect().equals(expected)
    assert event.origin["repeated_rows"] == 1
    assert not summary.tables


def test_stations(tmp_path: Path) -> None:
    write_events(tmp_path, EVENT, changed(info={"id": 7}, stations=...))
    stations = read(tmp_path, "Auger_*.json").tables["stations"].collect()
    assert stations.schema == pl.Schema(STATIONS)
    assert stations.to_dicts() == [
        {"shower_id": ID, "station_id": 101, "station_x_m": 0, "station_y_m": 750.5, "station_z_m": 1400,
         "time_ns": 12.5, "signal_vem": 21.5, "selected": True, "trace_vem": [0, 2, 3]},
        {"shower_id": ID, "station_id": 102, "station_x_m": 1500, "station_y_m": 0, "station_z_m": 1401,
         "time_ns": 900, "signal_vem": 2, "selected": False, "trace_vem": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "energy", "xmax"),
    [
        (changed(fdrec=..., eyes=...), 2.1, None),
        (changed(fdrec=[]), 2.1, None),
        (changed(fdrec=None), 2.1, None),
        (changed(sdrec=...), 2.3, 722.6),
        (changed(fdrec=EVENT["fdrec"][0]), 2.1, 731.4),
        (changed(sdrec=..., fdrec=..., stations=...), None, None),
        (changed(info=..., id=ID), 2.1, 722.6),
        (changed(info={"id": f"0{ID}"}), 2.1, 722.6),
    ],
)
def test_sections_may_be_absent(
    tmp_path: Path, event: dict[str, Any], energy: float | None, xmax: float | None
) -> None:
    (tmp_path / "Auger_051035232600.json").write_text(json.dumps(event))
    frame = read(tmp_path, "*.json").frame.collect()
    assert frame.select("shower_id", "energy_eev", "xmax_g_cm2").rows() == [(ID, energy, xmax)]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ([], "an event of an Auger event is not as published"),
        (changed(info=...), "id of an Auger event"),
        (changed(info={"id": 1.5}), "id of an Auger event"),
        (changed(info={"id": True}), "id of an Auger event"),
        (changed(info={"id": 2**63}), "id of an Auger event"),
        (changed(sdrec=[1]), "sdrec of an Auger event"),
        (changed(sdrec={"energy": "2.1"}), "sd_energy of an Auger event"),
        (changed(sdrec={"energy": 10**400}), "sd_energy of an Auger event"),
        (changed(fdrec=[1]), "fdrec of an Auger event"),
        (changed(fdrec="none"), "fdrec of an Auger event"),
        (changed(stations={"a": 1}), "stations of an Auger event"),
        (changed(stations=[{"x": 1}]), "id of an Auger event"),
        (changed(stations=[{"id": 1, "t": [1]}]), r"stations\.t of an Auger event"),
        (changed(stations=[{"id": 1, "pmt1": [1, 2], "pmt2": [1]}]), "pmt1 to pmt3 of an Auger event"),
        (changed(stations=[{"id": 1, "pmt1": ["1", "2"]}]), "pmt1 to pmt3 of an Auger event"),
    ],
)
def test_what_is_not_as_published(tmp_path: Path, event: object, told: str) -> None:
    (tmp_path / "Auger_051035232600.json").write_text(json.dumps(event))
    with pytest.raises(SourceError, match=told) as caught:
        read(tmp_path, "*.json").tables["stations"].collect()
    assert caught.value.where == str(tmp_path / "Auger_051035232600.json")


def test_an_event_stands_in_one_file(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(EVENT))
    with pytest.raises(SourceError, match=f"event {ID} stands in two files"):
        read(tmp_path, "*.json")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a summary table"),
        ("a,b\n1,2\n", "no event ids"),
        ("id,b\n1,2\n", "no known reconstruction"),
        ("id,sd_energy\n1,2\n2,three\n", "column 'sd_energy' holds text where a number belongs"),
        ("id,sd_energy\n1,2\n,3\n", "column 'id' holds no event id"),
        ("id,sd_energy\n1,2\n2,3,4\n", "not a summary table"),
    ],
)
def test_what_is_no_summary_table(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "summary.csv").write_text(text)
    with pytest.raises(SourceError, match=told) as caught:
        read(tmp_path, "summary.csv")
    assert str(tmp_path / "summary.csv") in caught.value.where


def test_nature_gives_no_labels(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no labels"):
        read_auger(AugerSource.model_validate({"kind": "auger", "files": {"p": "a.csv"}}), tmp_path)


def test_files_are_of_one_kind(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.json").touch()
    with pytest.raises(ConfigError, match="of one kind"):
        read(tmp_path, "a.csv", "b.json")


def refused_or_read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "event.json").write_bytes(content)
        try:
            table = read(Path(folder), "event.json")
            table.frame.collect()
            table.tables["stations"].collect()
        except CascadaError:
            return


@settings(max_examples=100, deadline=None)
@given(damaged(json.dumps(EVENT).encode()))
def test_damage_is_refused_in_our_words(content: bytes) -> None:
    refused_or_read(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "x", "pmt1", "xmax"]), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["id", "info", "sdrec", "fdrec", "stations"]), JSON))
def test_any_structure_is_refused_in_our_words(sections: dict[str, Any]) -> None:
    refused_or_read(json.dumps(EVENT | sections).encode())

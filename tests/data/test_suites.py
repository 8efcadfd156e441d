"""Every suite as it stands: only rules that can be judged chunk by chunk, with the unit in the notes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from projects import REPOSITORY

FOLDER = REPOSITORY / "expectations"
ROW_RULES = {
    "expect_column_values_to_be_between",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_in_set",
}
NEW = ("images", "events", "corsika", "depths", "detector")
SUITES = [f"{stage}_{data}" for data in NEW for stage in ("raw", "training")]
UNITS = {"_eev": "EeV", "_deg": "degrees", "_g_cm2": "g/cm2", "_mm": "mm", "_ns": "ns", "_m": "Unit m", "_vem": "VEM"}


def suite(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return read


def ranges(name: str) -> list[dict[str, Any]]:
    return [rule for rule in suite(name)["rows"] if rule["type"] == "expect_column_values_to_be_between"]


@pytest.mark.parametrize("name", SUITES)
def test_the_rules_are_of_the_kinds_that_chunks_allow(name: str) -> None:
    read = suite(name)
    assert read["name"] == name
    assert set(read) <= {"name", "rows", "per_primary", "table"}
    for section in ("rows", "per_primary", "table"):
        for rule in read.get(section, []):
            assert rule["type"] in ROW_RULES
            assert set(rule) <= {"type", "kwargs", "severity", "notes", "when_present"}
            low, high = (rule["kwargs"].get(key) for key in ("min_value", "max_value"))
            assert all(isinstance(bound, int | float) for bound in (low, high) if bound is not None)
            assert low is None or high is None or low < high


@pytest.mark.parametrize("name", SUITES)
def test_no_column_is_judged_twice_by_its_range(name: str) -> None:
    columns = [rule["kwargs"]["column"] for rule in ranges(name)]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize("data", NEW)
def test_what_the_raw_suite_forgives_the_training_suite_refuses_in_the_same_range(data: str) -> None:
    raw, training = (
        {r["kwargs"]["column"]: (r["kwargs"].get("min_value"), r["kwargs"].get("max_value")) for r in ranges(name)}
        for name in (f"raw_{data}", f"training_{data}")
    )
    assert raw == training
    assert all("mostly" in rule["kwargs"] for rule in ranges(f"raw_{data}"))
    assert not any("mostly" in rule["kwargs"] for rule in ranges(f"training_{data}"))


@pytest.mark.parametrize("name", [name for name in SUITES if name.startswith("raw")])
def test_the_notes_name_the_unit(name: str) -> None:
    for rule in ranges(name):
        column, notes = rule["kwargs"]["column"], rule.get("notes", "")
        unit = next((unit for ending, unit in UNITS.items() if column.endswith(ending)), "")
        if notes and not notes.startswith(("Truth", "Share", "Unit")):
            assert unit in notes


@pytest.mark.parametrize("data", NEW)
def test_labels_are_asked_of_simulations_and_not_of_nature(data: str) -> None:
    for name in (f"raw_{data}", f"training_{data}"):
        judged = {rule["kwargs"]["column"] for rule in suite(name)["rows"]}
        assert ("primary" in judged) is (data != "events")

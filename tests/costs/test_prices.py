"""Price tables as they are shipped, and what is refused."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
from pathlib import Path

import pytest
from projects import REPOSITORY

from cascada.agents.fleet import fleet_file, read_fleet, read_rates
from cascada.costs.prices import PROVIDERS, price_folder, read_own, read_prices
from cascada.errors import ConfigError, SourceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(price_folder(REPOSITORY), price_folder(tmp_path))
    return tmp_path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_shipped_table_is_valid_dated_and_says_what_it_is_worth(provider: str) -> None:
    table = read_prices(REPOSITORY, provider)
    assert table.provider == provider
    assert table.source.startswith("https://")
    assert "to be checked" in table.note
    own = read_own(REPOSITORY)
    assert table.cheapest(own.gpu, 1)
    assert own.converted(1.0, table.currency) > 0


def test_the_shipped_fleet_can_be_started_at_the_shipped_prices() -> None:
    fleet = read_fleet(fleet_file(REPOSITORY))
    assert list(read_rates(fleet, REPOSITORY)) == list(fleet.types)


def test_a_missing_table_is_refused_by_name(root: Path) -> None:
    (price_folder(root) / "gcp.yaml").unlink()
    with pytest.raises(SourceError, match=r"the price table gcp\.yaml is missing") as caught:
        read_prices(root, "gcp")
    assert "aws.yaml" in caught.value.got


def test_an_old_table_is_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    today = dt.datetime.now(dt.UTC).date()
    edit(price_folder(root) / "aws.yaml", "2025-06-15", f"{today:%Y-%m-%d}")
    edit(price_folder(root) / "gcp.yaml", "2025-06-15", f"{today - dt.timedelta(days=400):%Y-%m-%d}")
    with caplog.at_level(logging.WARNING):
        read_prices(root, "aws"), read_prices(root, "gcp")
    (message,) = caplog.messages
    assert message.startswith("gcp.yaml is 400 days old")


def test_a_table_with_a_wrong_key_or_price_is_refused(root: Path) -> None:
    edit(price_folder(root) / "aws.yaml", "per_hour: 0.526", "per_hour: -1")
    with pytest.raises(ConfigError, match=r"instances\.0\.per_hour"):
        read_prices(root, "aws")
    edit(price_folder(root) / "azure.yaml", "region:", "regio:")
    with pytest.raises(ConfigError, match=r"unknown key 'regio'|region: Field required"):
        read_prices(root, "azure")


def test_an_unknown_gpu_names_the_nearest(root: Path) -> None:
    with pytest.raises(SourceError, match="no machine with a GPU 'A100-8'") as caught:
        read_prices(root, "gcp").cheapest("A100-8", 1)
    assert "A100-80" in caught.value.hint


def test_the_cheapest_machines_for_several_gpus() -> None:
    table = read_prices(REPOSITORY, "gcp")
    instance, count = table.cheapest("A100-80", 3)
    assert (instance.name, count) == ("a2-ultragpu-1g", 3)
    eight, one = read_prices(REPOSITORY, "aws").cheapest("A100-80", 8)
    assert (eight.gpus, one) == (8, 1)


def test_a_currency_without_a_rate_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="no rate from JPY to EUR") as caught:
        read_own(root).converted(1.0, "JPY")
    assert caught.value.got == "rates of USD"


def test_dear_types_are_left_out_and_none_left_is_refused(root: Path) -> None:
    fleet = read_fleet(fleet_file(REPOSITORY))
    assert list(read_rates(fleet.model_copy(update={"max_price": 0.9}), root)) == ["g4dn.xlarge", "g6.xlarge"]
    with pytest.raises(ConfigError, match="every type of machine is dearer"):
        read_rates(fleet.model_copy(update={"max_price": 0.1}), root)
    with pytest.raises(ConfigError, match="two currencies"):
        read_rates(fleet.model_copy(update={"currency": "EUR"}), root)

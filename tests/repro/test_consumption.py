"""Time and energy of what ran: counters where they can be read, an estimate elsewhere."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from repositories import repository

from cascada.jobs.execute import execute
from cascada.repro.consumption import Meter, count_gpus
from cascada.repro.environment import Hardware

JOULES_PER_KWH = 3.6e6


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def zone(folder: Path, name: str, joules: float, *, largest: float = 1000.0) -> Path:
    made = folder / name
    made.mkdir(parents=True, exist_ok=True)
    (made / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
    (made / "max_energy_range_uj").write_text(f"{int(largest * 1e6)}\n")
    return made


def test_without_counters_energy_is_processor_time_at_a_stated_power(tmp_path: Path) -> None:
    meter = Meter(10.0, powercap=tmp_path)
    burn(0.2)
    found = meter.stop()
    assert 0.2 <= found.cpu_s <= found.wall_s * (os.cpu_count() or 1) + 0.1
    assert found.cpu_kwh == pytest.approx(found.cpu_s * 10 / JOULES_PER_KWH, rel=1e-2)
    assert found.method["cpu"] == "estimate: processor time at 10 W a core"
    assert found.money is None


def test_counters_of_whole_processors_are_added_and_may_wrap(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 100), zone(tmp_path, "intel-rapl:1", 990), zone(tmp_path, "intel-rapl:0:0", 50)
    meter = Meter(powercap=tmp_path)
    zone(tmp_path, "intel-rapl:0", 130), zone(tmp_path, "intel-rapl:1", 20), zone(tmp_path, "intel-rapl:0:0", 80)
    found = meter.stop()
    assert found.cpu_kwh * JOULES_PER_KWH == pytest.approx(30 + 30), "a part of a processor counts once"
    assert found.method["cpu"] == "RAPL counters of the whole processor"


def test_power_that_nvidia_smi_reads_is_summed_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\necho 300.00\necho "[N/A]"\necho 100.50\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    meter = Meter(every_s=0.05, powercap=tmp_path / "none")
    time.sleep(0.3)
    found = meter.stop()
    assert found.gpu_kwh * JOULES_PER_KWH == pytest.approx(400.5 * found.wall_s, rel=0.2)
    assert "--id=0,2" in (tmp_path / "nvidia-smi.calls").read_text()


@pytest.mark.parametrize(
    ("visible", "count"), [(None, 2), ("", 0), ("-1", 0), ("0,-1,1", 1), ("1", 1), ("0,1", 2), ("0,1,2", 2)]
)
def test_gpus_are_counted_as_the_process_may_see_them(visible: str | None, count: int) -> None:
    machine = Hardware(machine="m", processor="p", cores=1, memory_gib=1.0, gpus=("a", "b"))
    assert count_gpus(machine, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == count


def test_a_recorded_run_knows_its_consumption_and_money_where_the_project_has_prices(tmp_path: Path) -> None:
    prices = """
currency: EUR
date: 2026-01-01
source: test
gpu: T4
gpus: 1
purchase: 1000
years: 5
utilisation: 0.5
watts_per_gpu: 70
watts_per_core: 36
price_per_kwh: 100
pue: 2
people_per_year: 0
"""
    burner = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\n"
    work = repository(tmp_path / "work", {"train.py": burner})
    plain = execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / "a").manifest.consumption
    (work / "infra" / "prices").mkdir(parents=True)
    (work / "infra" / "prices" / "own.yaml").write_text(prices)
    priced = execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / "b").manifest.consumption
    assert plain is not None
    assert (plain.money, plain.currency) == (None, "")
    assert plain.cpu_s >= 0.5
    assert priced is not None
    assert priced.currency == "EUR"
    assert priced.money == pytest.approx(priced.cpu_kwh * 2 * 100, rel=1e-3), "a run without a GPU pays its energy"

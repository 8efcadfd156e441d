"""`cascada data` as a user types it: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import yaml
from http_files import FileServer, serving
from projects import REPOSITORY, Project


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    """A project with two snapshots; no server is needed for data."""
    made = new_project()
    for name, seed in (("one", "1"), ("other", "2")):
        answer = made.cascada("data", "simulate", name, "--showers", "600", "--seed", seed)
        assert answer.returncode == 0, answer.stderr
    return made


def refusal(project: Project, code: int, *arguments: str) -> str:
    answer = project.cascada("data", *arguments)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stderr


def as_json(project: Project, *arguments: str) -> object:
    answer = project.cascada("data", *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_snapshot_is_listed_shown_and_checked(project: Project) -> None:
    listed = as_json(project, "list")
    assert isinstance(listed, dict)
    assert {card["name"] for card in listed["snapshots"]} >= {"one", "other"}
    assert {"composition", "kcdc"} <= {entry["name"] for entry in listed["catalogue"]}
    shown = as_json(project, "show", "one")
    assert isinstance(shown, dict)
    assert (shown["rows_in"], shown["valid"], shown["suites"]) == (600, True, ["raw_showers", "training_showers"])
    assert "running sums" in project.cascada("data", "show", "composition").stdout
    checked = project.cascada("data", "check", "one")
    assert checked.returncode == 0
    assert shown["content_sha256"][:12] in checked.stderr
    assert "muon_mass_exponent" in checked.stdout


def test_an_altered_snapshot_is_brought_back_by_its_version(project: Project) -> None:
    file = project.root / "data" / "other" / "showers.parquet"
    good = file.read_bytes()
    file.unlink()
    file.write_bytes((project.root / "data" / "one" / "showers.parquet").read_bytes())
    assert project.cascada("data", "check", "other").returncode == 0
    assert file.read_bytes() == good


def test_two_snapshots_are_compared(project: Project) -> None:
    found = as_json(project, "diff", "one", "other")
    assert isinstance(found, dict)
    assert (found["same_rows"], found["common"]) == (False, 0)
    printed = project.cascada("data", "diff", "one", "one").stdout
    assert "the same" in printed


def test_names_that_do_not_exist_bring_the_nearest(project: Project) -> None:
    assert "did you mean one" in refusal(project, 6, "diff", "on", "other")
    assert "did you mean composition" in refusal(project, 2, "show", "compositon")
    assert "did you mean corsika7" in refusal(project, 2, "import", ".", "--kind", "corsika7x")
    assert "--map" in refusal(project, 2, "import", ".")
    assert "QGSJetII-04" in refusal(project, 2, "simulate", "x", "--set", "hadronic_model=QGSJet2")


def test_an_unknown_branch_of_a_map_is_named(project: Project) -> None:
    table = project.root / "mine.csv"
    table.write_text("energy,theta\n1.0,30\n")
    columns = {"energy_eev": {"column": "enrgy", "unit": "EeV"}}
    source = {"kind": "text", "separator": ",", "header": True, "files": ["mine.csv"], "columns": columns}
    (project.root / "map.yaml").write_text(yaml.safe_dump({"source": source}))
    assert "did you mean energy" in refusal(project, 4, "check", str(project.root), "--map", "map.yaml")


def test_wrong_bytes_are_refused_with_what_they_are(project: Project) -> None:
    for name, content in (("DAT000001", b""), ("DAT000002", b"what is this" * 10_000)):
        folder = project.root / "runs" / name
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        assert name in refusal(project, 4, "import", str(folder), "--kind", "corsika7", "--as", "mine")
    assert not (project.root / "data" / "mine").exists()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


def test_a_data_set_is_fetched_verified_and_imported(project: Project, server: FileServer) -> None:
    numbers = ((i, 10 + i / 7, i % 50 + 1, 1e7 + 1e3 * (i * 7919 % 613), 1e10 + i) for i in range(600))
    rows = "".join(" ".join(map(str, row)) + "\n" for row in numbers)
    server.files["table.txt"] = rows.encode()
    catalog = project.root / "data" / "catalog.yaml"
    entries = yaml.safe_load(catalog.read_text())
    columns = {name: {"column": i} for i, name in enumerate(("shower_id", "energy_eev", "zenith_deg", "n_mu", "n_em"))}
    columns["energy_eev"]["unit"], columns["zenith_deg"]["unit"] = "EeV", "deg"
    entries["datasets"]["local"] = {
        "title": "served here", "origin": "this test", "licence": "none", "citation": "none",
        "base_url": server.address,
        "files": {"table.txt": [{"sha256": hashlib.sha256(rows.encode()).hexdigest(), "bytes": len(rows)}]},
        "source": {"kind": "text", "files": ["table.txt"], "columns": columns},
        "expectations": {"raw": "raw_events", "training": "training_events"},
    }  # fmt: skip
    catalog.write_text(yaml.safe_dump(entries))
    fetched = project.cascada("data", "fetch", "local")
    assert fetched.returncode == 0, fetched.stderr
    assert "published" in fetched.stdout
    assert "cascada data import data/raw/local --as local" in fetched.stdout
    taken = project.cascada("data", "import", "data/raw/local", "--as", "local")
    assert taken.returncode == 0, taken.stderr
    card = json.loads((project.root / "data" / "local" / "snapshot.json").read_text())
    assert card["origin"]["versions"] == {"table.txt": "published"}
    server.files["table.txt"] = rows.replace("1", "2").encode()
    (project.root / "data" / "raw" / "local" / "table.txt").unlink()
    assert "expected" in refusal(project, 6, "fetch", "local")
    assert not (project.root / "data" / "raw" / "local" / "table.txt").exists()


def test_a_kill_leaves_no_partial_snapshot(project: Project) -> None:
    data = project.root / "data"
    command = ["cascada", "data", "simulate", "big", "--showers", "3000000"]
    child = subprocess.Popen(command, cwd=project.root, env=project.environment, stderr=subprocess.DEVNULL)
    while not list(data.glob(".big.writing-*")):
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (data / "big").exists()
    assert project.cascada("data", "simulate", "big", "--showers", "600").returncode == 0
    assert not list(data.glob(".big.*"))


def test_a_terminal_shows_rows_and_rate(project: Project) -> None:
    shell = "script -qec 'cascada data simulate shown --showers 200000' /dev/null"
    answer = project.run("bash", "-c", shell)
    assert answer.returncode == 0, answer.stdout
    for told in ("reading", "writing", "200,000 rows", "/s"):
        assert told in answer.stdout


def test_the_guide_names_every_command() -> None:
    guide = (REPOSITORY / "docs" / "data.md").read_text()
    for command in ("simulate", "fetch", "import", "check", "list", "show", "diff", "push", "pull"):
        assert f"cascada data {command}" in guide

"""The commands of docs/data.md, executed in order on files of every format."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import uproot
from intakes import simulated
from projects import REPOSITORY, Project

from cascada.physics.primaries import PRIMARIES

pytestmark = pytest.mark.slow

GUIDE = REPOSITORY / "docs" / "data.md"
SHOWERS = 600


def commands_and_maps() -> list[tuple[str, str]]:
    """The blocks of the page: ("sh", a command) and (file name, a map)."""
    found = []
    for language, name, body in re.findall(r"```(\w+) ?(\S*)\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL):
        found += [("sh", line) for line in body.splitlines()] if language == "sh" else [(name, body)]
    return found


def write_tables(folder: Path) -> None:
    """The same showers in the user's own columns and units, in every format of the page."""
    folder.mkdir()
    frame = simulated(SHOWERS)
    ids = frame["primary"].replace_strict({name: PRIMARIES[name].corsika_id for name in frame["primary"].unique()})
    column = {name: frame[name].to_numpy() for name in frame.columns if name != "primary"}
    halves = np.stack([column["n_mu"] / 2, column["n_mu"] / 2], axis=1)
    with uproot.recreate(folder / "showers.root") as file:
        file["showers"] = {
            "id": ids.to_numpy(), "energy": column["energy_eev"] * 1e9, "theta": np.radians(column["zenith_deg"]),
            "muons": halves, "particles": np.stack([column["n_em"], column["n_mu"]], axis=1),
            "xmax": column["xmax_g_cm2"],
        }  # fmt: skip
    names = {"energy": "energy_eev", "zenith": "zenith_deg", "muons": "n_mu", "electromagnetic": "n_em"}
    for primary, name in (("photon", "gamma.h5"), ("p", "proton.h5")):
        rows = frame.filter(pl.col("primary") == primary)
        with h5py.File(folder / name, "w") as file:
            for theirs, ours in names.items():
                file[f"events/{theirs}"] = rows[ours].to_numpy()
    cosine = (pl.col("zenith_deg").radians()).cos()
    frame.select(
        number="shower_id", primary="primary", lg_energy=pl.col("energy_eev").log10() + 18, cos_theta=cosine,
        muons="n_mu", electromagnetic="n_em", xmax_vertical=pl.col("xmax_g_cm2") * cosine,
    ).write_csv(folder / "showers.csv")  # fmt: skip
    for i, part in enumerate(frame.iter_slices(SHOWERS // 2)):
        part.write_parquet(folder / f"part-{i}.parquet")


@pytest.mark.timeout(600)
def test_every_command_of_the_page_works_in_order(project: Project, tmp_path: Path, shared_data: Path) -> None:
    places = {"/data/mine": tmp_path / "mine", "/data/share": tmp_path / "share"}
    write_tables(places["/data/mine"])
    places["/data/share"].mkdir()
    said = {}
    for kind, text in commands_and_maps():
        if kind != "sh":
            (project.root / kind).write_text(text)
            continue
        command = text
        for written, real in (*places.items(), ("/data", shared_data)):
            command = re.sub(rf"(?<=\s){written}(?=[/\s]|$)", str(real), command)
        answer = project.run("bash", "-c", command)
        assert answer.returncode == 0, f"{text}\n{answer.stdout}\n{answer.stderr}"
        assert "Traceback" not in answer.stderr
        said[text] = answer.stdout + answer.stderr
    cards = {card.parent.name: json.loads(card.read_text()) for card in (project.root / "data").glob("*/snapshot.json")}
    made = {"magic", "runs", "c8", "from_root", "from_hdf5", "from_csv", "from_parquet", "showers", "array"}
    assert made <= set(cards)
    for name, card in cards.items():
        assert card["valid"], name
        assert card["rows_in"] == card["rows_kept"] + card["rows_quarantined"]
    rows = {name: cards[name]["rows_in"] for name in ("from_root", "from_csv", "from_parquet", "runs", "c8", "array")}
    assert rows == dict.fromkeys(("from_root", "from_csv", "from_parquet"), SHOWERS) | {"runs": 415, "c8": 1} | {
        "array": cards["array"]["rows_in"]
    }
    assert cards["array"]["tables"] == ["stations", "truth"]
    assert cards["corsika7_pycorsikaio"]["tables"] == ["hits"]
    refused = next(text for command, text in said.items() if command.startswith("! "))
    assert "decreasing_share_n_mu" in refused

"""Where two traces part and why, on traces and manifests written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cascada.errors import ArtifactError
from cascada.repro.causes import both_traced, diff_traces, likely_causes
from cascada.repro.diff import diff_runs
from cascada.repro.diff_page import write_page
from cascada.repro.environment import CodeState, Hardware, Software
from cascada.repro.manifest import Manifest
from cascada.repro.trace import Divergence, describe_trace, first_divergence, read_trace

SOFTWARE = Software(python="3.11.7", system="Linux", packages={"NumPy": "2.2", "pip": "1"}, imported={"NumPy": "2.2"})
HARDWARE = Hardware(machine="x86_64", processor="Cray-1", cores=1, memory_gib=1.0, gpus=(), threads={"torch": 1})
NEWER = SOFTWARE.model_copy(update={"packages": {"numpy": "2.3", "pip": "2"}, "imported": {"NumPy": "2.3"}})
PARALLEL = HARDWARE.model_copy(update={"threads": {"torch": 4}})
HEADER = {"trace": 1, "every": 2, "rng": ["python", "numpy", "torch"]}


def steps(count: int = 5) -> list[dict[str, Any]]:
    """A trace of two layers, hashed by parameter at every second step."""
    made: list[dict[str, Any]] = [
        {"step": n, "ids": f"i{n}", "rng": ["a", "b", "c"], "loss": [f"0x1.{n}p+0"], "norm": "0x1p-1"}
        for n in range(count)
    ]
    made[0]["initial"] = {"net.0": "x", "net.1": "y"}
    for number in range(0, count, 2):
        made[number] |= {
            "batch": f"b{number}",
            "gradients": {"net.0": f"g{number}", "net.1": f"h{number}"},
            "weights": {"net.0": f"v{number}", "net.1": f"w{number}"},
        }
    return made


def written(folder: Path, lines: list[dict[str, Any]], *, ending: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    text = "".join(f"{json.dumps(line)}\n" for line in (HEADER, *lines))
    (folder / "trace.jsonl").write_text(text + ending)
    return folder


def found(tmp_path: Path, one: list[dict[str, Any]], other: list[dict[str, Any]]) -> Divergence | None:
    return first_divergence(*(read_trace(written(tmp_path / n, t)) for n, t in (("one", one), ("other", other))))


def manifest(**changes: Any) -> Manifest:
    content: dict[str, Any] = {
        "dataset": {"inputs": [{"path": "x.npy", "sha256": "a" * 64, "bytes": 1, "files": 1}]},
        "preprocessing": {},
        "partitions": {},
        "training": {"parameters": {"Adam.lr": 0.1}, "code_sha256": "c"},
        "assessment": {},
        "randomness": {"root_seed": 1, "seeds": {"torch": 11}, "flags": {"PYTHONHASHSEED": "1"}},
        "software": SOFTWARE,
        "hardware": HARDWARE,
        "command": ("train.py",),
    }  # fmt: skip
    code = CodeState(commit="d" * 40, dirty=False, changes=(), changes_sha256="")
    return Manifest(run_id="one", experiment="x", kind="script", **({"code": code} | content | changes))


def test_equal_traces_have_no_divergence(tmp_path: Path) -> None:
    assert found(tmp_path, steps(), steps()) is None
    told = diff_traces(tmp_path / "one", tmp_path / "other", (manifest(), manifest()))
    assert (str(told), told.causes) == ("the traces are equal over 5 steps", ())


def test_the_first_link_of_the_chain_at_the_first_step_is_named(tmp_path: Path) -> None:
    other = steps()
    other[2]["loss"], other[2]["gradients"] = ["0x1.9p+0"], {"net.0": "g2", "net.1": "?"}
    other[4]["ids"] = "?"
    where = found(tmp_path, steps(), other)
    assert where is not None
    assert (where.step, where.part, where.also) == (2, "loss", ("gradients",))
    assert (where.layers, where.layers_of, where.layers_step, where.of_layers) == (("net.1",), "gradients", 2, 2)
    assert str(where) == "step 2: the loss, and then the gradients; the gradients: net.1 (1 of 2 parameters)"


def test_the_layer_is_looked_up_at_the_next_step_that_has_it(tmp_path: Path) -> None:
    other = steps()
    other[1]["norm"] = "0x1.8p-1"
    other[2]["weights"] = {"net.0": "?", "net.1": "?"}
    where = found(tmp_path, steps(), other)
    assert str(where) == (
        "step 1: the norm of the gradients; the weights after the update in step 2, the next that is hashed by "
        "parameter: net.0, net.1 (2 of 2 parameters)"
    )


def test_weights_name_their_layer_and_states_their_generator(tmp_path: Path) -> None:
    other = steps()
    other[0]["initial"] = {"net.0": "x", "net.1": "?"}
    assert str(found(tmp_path, steps(), other)) == "step 0: the initial weights of net.1 (1 of 2 parameters)"
    other = steps()
    other[3]["rng"] = ["a", "?", "c"]
    assert str(found(tmp_path, steps(), other)) == "step 3: the random states (numpy)"


def test_what_only_one_trace_has_is_not_compared(tmp_path: Path) -> None:
    sparse = [{key: value for key, value in step.items() if key != "weights"} for step in steps()]
    sparse[2].pop("gradients")
    assert found(tmp_path, steps(), sparse) is None


def test_a_trace_that_goes_on_differs_where_the_other_ends(tmp_path: Path) -> None:
    where = found(tmp_path, steps(3), steps(5))
    assert where is not None
    assert (where.step, where.part, str(where)) == (3, "length", "equal for 3 steps, where one of the two ends")


@pytest.mark.parametrize(("other_set", "same"), [("s", True), ("t", False)])
def test_whole_passes_tell_order_from_other_samples(tmp_path: Path, other_set: str, same: bool) -> None:
    other = steps()
    other[0]["ids"] = "?"
    one = [*steps(), {"rows": 8, "set": "s"}]
    where = found(tmp_path, one, [*other, {"rows": 8, "set": other_set}])
    assert where is not None
    assert where.same_samples is same
    name = likely_causes(where, manifest(), manifest())[0].name
    assert name == ("data order" if same else "other samples")


def test_a_missing_a_foreign_and_a_cut_trace(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no trace") as refused:
        read_trace(tmp_path)
    assert "cascada run --trace" in str(refused.value)
    assert both_traced(tmp_path, tmp_path, (manifest(), manifest())) is None
    assert describe_trace(tmp_path) == {"steps": 0, "sha256": ""}
    assert len(read_trace(written(tmp_path / "cut", steps(), ending='{"step": 5, "lo')).steps) == 5
    assert describe_trace(tmp_path / "cut")["steps"] == 6 - 1 + 1, (
        "a line that a kill cut short is hashed with the rest"
    )
    (tmp_path / "trace.jsonl").write_text('{"trace": 99}\n')
    with pytest.raises(ArtifactError, match="not a trace"):
        read_trace(tmp_path)


@pytest.mark.parametrize(
    ("part", "changes", "name", "evidence"),
    [
        ("rng", {"randomness": {"root_seed": 2, "seeds": {"torch": 22}}}, "seed", "root_seed 1 → 2"),
        ("rng", {}, "seed", "the code seeds itself"),
        ("loss", {"dataset": {"inputs": [{"path": "x.npy", "sha256": "b" * 64}]}}, "data", "other content of x.npy"),
        ("batch", {}, "data", "the same samples hold other numbers"),
        ("weights", {"training": {"parameters": {"Adam.lr": 0.2}}}, "parameters", "Adam.lr 0.1 → 0.2"),
        ("loss", {"training": {"parameters": {"Adam.lr": 0.1}, "code_sha256": "e"}}, "code", "another script"),
        ("loss", {"software": NEWER}, "package", "numpy 2.2 → 2.3"),
        ("loss", {"software": SOFTWARE.model_copy(update={"python": "3.12.1"})}, "package", "Python 3.11.7 → 3.12.1"),
        ("gradients", {"hardware": PARALLEL}, "thread count", "torch: 1 → 4"),
        ("loss", {"hardware": HARDWARE.model_copy(update={"processor": "Cray-2"})}, "hardware", "Cray-1 → Cray-2"),
        ("loss", {"command": ("train.py", "--fast")}, "parameters", "command train.py → train.py --fast"),
        ("loss", {}, "non-determinism", "cascada doctor"),
    ],
)  # fmt: skip
def test_each_cause_has_its_name(part: str, changes: dict[str, Any], name: str, evidence: str) -> None:
    generators = ("torch",) if part == "rng" else ()
    causes = likely_causes(Divergence(step=0, part=part, generators=generators), manifest(), manifest(**changes))
    assert causes[0].name == name, causes
    assert evidence in causes[0].evidence
    assert causes[0].explains


def test_what_cannot_explain_comes_last() -> None:
    other = manifest(hardware=PARALLEL)
    causes = likely_causes(Divergence(step=3, part="ids"), manifest(), other)
    assert [(c.name, c.explains) for c in causes] == [("data order", True), ("thread count", False)]
    installed = manifest(software=SOFTWARE.model_copy(update={"packages": {"NumPy": "2.2", "pip": "9"}}))
    causes = likely_causes(Divergence(step=3, part="loss"), manifest(), installed)
    assert [(c.name, c.explains) for c in causes] == [("non-determinism", True), ("package", False)]


def test_the_page_shows_where_and_why(tmp_path: Path) -> None:
    other = steps()
    other[2]["loss"] = ["0x1.9p+0"]
    folders = written(tmp_path / "one", steps()), written(tmp_path / "other", other)
    pair = manifest(), manifest(hardware=PARALLEL)
    diff = diff_runs(*pair, repository=tmp_path, kept=(tmp_path, tmp_path))
    assert diff.trace is None
    write_page(diff, tmp_path / "plain.html")
    assert "First divergence" not in (tmp_path / "plain.html").read_text()
    write_page(diff.model_copy(update={"trace": diff_traces(*folders, pair)}), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "step 2: the loss." in page
    assert "<td>thread count<td>torch: 1 → 4" in page

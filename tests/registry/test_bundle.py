"""A bundle on disk says what the network said, holds no pickle and notices every change."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from bundles import CLASSES, LINEAGE, MODEL, NAMES, export, network, observables

from cascada.config import DeepAutoencoder
from cascada.errors import ArtifactError
from cascada.physics.observables import feature_matrix
from cascada.registry.bundle import GRAPH, OUTPUTS, REFERENCE, SPEC, WEIGHTS, Bundle
from cascada.training.scaling import fit_scaling
from models import build

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def copied(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, tmp_path / "copy"))


def test_the_bundle_answers_as_the_network_does(bundle: Bundle) -> None:
    showers = observables(500)
    scaling = fit_scaling(feature_matrix(observables(999, seed=2), NAMES), NAMES)
    x = torch.from_numpy(scaling.apply(feature_matrix(showers, NAMES)))
    with torch.no_grad():
        said = network()(x)
    answer = bundle.predict(showers)
    assert answer.probabilities == pytest.approx(torch.softmax(said.logits / 2.0, 1).numpy(), abs=1e-5)
    assert answer.anomaly_score == pytest.approx(said.error.numpy(), rel=1e-5)
    assert answer.probabilities.sum(axis=1) == pytest.approx(np.ones(500), abs=1e-6)
    assert np.ptp(answer.probabilities, axis=0).min() > 1e-3
    assert np.ptp(answer.anomaly_score) > 0.1


def test_latent_coordinates_are_those_of_the_network_and_change_no_other_answer(bundle: Bundle) -> None:
    features = feature_matrix(observables(500), NAMES)
    x = torch.from_numpy(fit_scaling(feature_matrix(observables(999, seed=2), NAMES), NAMES).apply(features))
    with torch.no_grad():
        latent = network()(x).latent.numpy()
    assert bundle.encode(observables(500)) == pytest.approx(latent, abs=1e-5)
    session = onnxruntime.InferenceSession(str(bundle.folder / GRAPH), providers=["CPUExecutionProvider"])
    alone, together = (session.run(names, {"features": features}) for names in (OUTPUTS[:2], OUTPUTS))
    for one, other in zip(alone, together, strict=False):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_do_not_depend_on_the_batch(bundle: Bundle, size: int) -> None:
    showers = observables(1000)
    whole = bundle.predict(showers)
    parts = [
        bundle.predict({name: values[start : start + size] for name, values in showers.items()})
        for start in range(0, 1000, size)
    ]
    for kind in ("probabilities", "anomaly_score", "p_value"):
        joined = np.concatenate([getattr(part, kind) for part in parts])
        assert joined == pytest.approx(getattr(whole, kind), abs=1e-6)


def test_no_shower_gets_no_answer(bundle: Bundle) -> None:
    answer = bundle.predict({name: values[:0] for name, values in observables(1).items()})
    assert (answer.probabilities.shape, answer.anomaly_score.shape, answer.p_value.shape) == ((0, 5), (0,), (0,))


def test_inputs_stay_as_they_were(bundle: Bundle) -> None:
    showers = observables(50)
    before = {name: values.copy() for name, values in showers.items()}
    bundle.predict(showers)
    assert all(np.array_equal(showers[name], before[name]) for name in showers)


def test_p_values_of_showers_like_the_calibration_ones_are_uniform(bundle: Bundle) -> None:
    p_values = bundle.predict(observables(4000, seed=9)).p_value
    assert p_values.min() >= 1 / 1000
    assert p_values.max() <= 1
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        # both samples are finite: 4000 showers ranked among 999
        spread = (level * (1 - level) * (1 / 4000 + 1 / 999)) ** 0.5
        assert (p_values <= level).mean() == pytest.approx(level, abs=5 * spread)


def test_p_values_of_the_calibration_scores_are_their_ranks(bundle: Bundle) -> None:
    p_values = bundle.predict(observables(999, seed=2)).p_value
    assert np.sort(p_values) == pytest.approx((1 + np.arange(1, 1000)) / 1000, abs=2e-3)


def test_a_stranger_shower_has_a_smaller_p_value(bundle: Bundle) -> None:
    showers = observables(1000)
    usual = bundle.predict(showers)
    strange = bundle.predict(showers | {"n_mu": showers["n_mu"] * 1000})
    stranger = strange.anomaly_score > usual.anomaly_score
    assert stranger.mean() > 0.99, "the network is not even fitted"
    assert (strange.p_value <= usual.p_value)[stranger].all()
    # A p-value is a rank: the floor, 1 / (1 + 999), belongs to who is stranger than every calibration shower.
    reference = np.load(bundle.folder / REFERENCE, allow_pickle=False)
    for answer in (usual, strange):
        assert answer.p_value == pytest.approx([(1 + (reference >= s).sum()) / 1000 for s in answer.anomaly_score])
    stranger_than_all = strange.anomaly_score > reference.max()
    assert (strange.p_value == 1 / 1000).tolist() == stranger_than_all.tolist()
    assert np.median(strange.p_value) < 0.01 < np.median(usual.p_value)


def test_the_spec_names_what_a_user_must_know(bundle: Bundle) -> None:
    assert (bundle.spec.classes, bundle.spec.reference, bundle.spec.features) == (CLASSES, CLASSES[1:], NAMES)
    assert bundle.spec.lineage == LINEAGE
    assert bundle.columns == ("energy_eev", "n_em", "n_mu", "xmax_g_cm2", "zenith_deg")
    assert sorted(bundle.spec.files) == sorted((GRAPH, WEIGHTS, REFERENCE))
    assert DeepAutoencoder.model_validate_json(json.dumps(bundle.spec.model)) == MODEL
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted((SPEC, GRAPH, WEIGHTS, REFERENCE))


def test_the_weights_rebuild_the_network(bundle: Bundle) -> None:
    from safetensors.torch import load_file

    weights = load_file(bundle.folder / WEIGHTS)
    rebuilt = build(MODEL, features=len(NAMES), reference=tuple(name != "photon" for name in CLASSES))
    first = "networks.0."
    rebuilt.load_state_dict({key.removeprefix(first): value for key, value in weights.items() if key.startswith(first)})
    x = torch.randn(10, len(NAMES))
    assert all(torch.equal(a, b) for a, b in zip(rebuilt(x), network()(x), strict=True))


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS, REFERENCE])
@pytest.mark.parametrize("position", [0, 0.5, 1])
def test_one_altered_byte_is_noticed(copied: Path, name: str, position: float) -> None:
    data = bytearray((copied / name).read_bytes())
    data[int(position * (len(data) - 1))] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(ArtifactError, match="altered") as caught:
        Bundle(copied)
    assert caught.value.where == str(copied / name)
    assert caught.value.hint


def test_an_altered_spec_is_refused_or_has_another_identity(copied: Path, bundle: Bundle) -> None:
    good = (copied / SPEC).read_bytes()
    outcomes = set()
    for position in range(0, len(good), 97):
        data = bytearray(good)
        data[position] ^= 1
        (copied / SPEC).write_bytes(data)
        try:
            assert Bundle(copied).sha256 != bundle.sha256
            outcomes.add("another identity")
        except ArtifactError:
            outcomes.add("refused")
    assert outcomes == {"refused", "another identity"}


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS, REFERENCE])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ArtifactError, match="missing") as caught:
        Bundle(copied)
    assert caught.value.where == str(copied / name)


def test_a_folder_without_a_spec_is_no_bundle(copied: Path) -> None:
    (copied / SPEC).unlink()
    with pytest.raises(ArtifactError, match="holds no bundle") as caught:
        Bundle(copied)
    assert caught.value.expected == SPEC


def drop_classes(text: str) -> str:
    return json.dumps({key: value for key, value in json.loads(text).items() if key != "classes"})


def unhash(name: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        spec = json.loads(text)
        del spec["files"][name]
        return json.dumps(spec)

    return change


def rename_feature(text: str) -> str:
    return text.replace("muon_residual", "muon_residuam")


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "not JSON",
        lambda _: "[]",
        lambda text: text[:-10],
        drop_classes,
        unhash(GRAPH),
        unhash(WEIGHTS),
        unhash(REFERENCE),
        rename_feature,
    ],
    ids=[
        "empty",
        "not JSON",
        "a list",
        "cut off",
        "no classes",
        "no " + GRAPH,
        "no " + WEIGHTS,
        "no " + REFERENCE,
        "a feature",
    ],
)
def test_a_spec_that_is_none_is_refused(copied: Path, change: Callable[[str], str]) -> None:
    (copied / SPEC).write_text(change((copied / SPEC).read_text()))
    with pytest.raises(ArtifactError, match="spec is not valid") as caught:
        Bundle(copied)
    assert caught.value.where == str(copied / SPEC)


def is_pickle(data: bytes) -> bool:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(is_pickle(archive.read(name)) for name in archive.namelist())
    return data[:1] == b"\x80" and data[1:2] <= b"\x05"


def test_pickles_are_recognised(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "zipped.pt")
    assert is_pickle((tmp_path / "zipped.pt").read_bytes())


def test_no_file_holds_a_pickle(bundle: Bundle) -> None:
    for path in bundle.folder.iterdir():
        assert not is_pickle(path.read_bytes()), path
    assert np.load(bundle.folder / REFERENCE, allow_pickle=False).dtype == np.float64


@pytest.mark.parametrize("trace", [b"/work", b"/tmp", b".py", b"/root", str(REPOSITORY).encode(), b"site-packages"])
def test_no_file_says_where_it_was_made(bundle: Bundle, trace: bytes) -> None:
    for path in bundle.folder.iterdir():
        assert trace not in path.read_bytes(), path


def test_the_same_network_makes_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    again = export(tmp_path / "again")
    for path in bundle.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert again.sha256 == bundle.sha256


def test_predicting_alone_is_light_and_quiet(bundle: Bundle, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
import numpy as np
from cascada.registry.bundle import Bundle
bundle = Bundle(Path(sys.argv[1]))
answer = bundle.predict({name: np.array([30.0, 31.0]) for name in bundle.columns})
heavy = {"torch", "mlflow", "prefect", "lightning", "polars", "pandas", "great_expectations", "dvc"}
print(answer.probabilities.shape, sorted(heavy & set(sys.modules)))
"""
    # Nothing that would silence telemetry: no settings of ours, no mark of a CI machine.
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-c", program, str(bundle.folder)]
    answer = subprocess.run(command, cwd=REPOSITORY, env=bare, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "(2, 5) []", answer.stderr
    assert list(tmp_path.rglob("*")) == [], "ONNX Runtime's telemetry keeps a device id and a queue there"

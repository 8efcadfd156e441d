"""Building a Bento from a bundle: the sources that serve, the bundle and the model's identity, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import bentoml
import yaml
from bentoml.exceptions import NotFound

from cascada.errors import ArtifactError
from cascada.registry.package import ModelIdentity, write_package
from cascada.repro.fingerprint import file_sha256, json_sha256

_ROOT = Path(__file__).resolve().parents[1]
_SOURCES = (
    "cascada/__init__.py", "cascada/errors.py",
    "cascada/physics/__init__.py", "cascada/physics/columns.py", "cascada/physics/primaries.py",
    "cascada/physics/array.py", "cascada/physics/footprint.py",
    "cascada/physics/ground.py", "cascada/physics/observables/__init__.py",
    "cascada/physics/observables/feature.py", "cascada/physics/observables/features.py",
    "cascada/physics/observables/showers.py", "cascada/physics/observables/events.py",
    "cascada/physics/observables/images.py",
    "cascada/repro/__init__.py", "cascada/repro/fingerprint.py", "cascada/repro/signing.py",
    "cascada/evaluation/__init__.py", "cascada/evaluation/domain.py", "cascada/evaluation/predictions.py",
    "cascada/registry/__init__.py", "cascada/registry/bundle.py", "cascada/registry/deployment.py",
    "cascada/registry/package.py",
    "serving/__init__.py", "serving/answers.py", "serving/app.py", "serving/counts.py", "serving/events.py",
    "serving/keys.py", "serving/limits.py", "serving/lineage.py", "serving/model.py", "serving/openapi.py",
    "serving/prediction_log.py", "serving/refusals.py", "serving/requests.py", "serving/schemas.py",
    "serving/service.py", "serving/settings.py", "serving/shadow.py",
    "serving/tables.py",
)  # fmt: skip
_BENTOFILE = {
    "service": "serving.service:PrimaryService",
    "include": ["*"],
    "python": {"requirements_txt": "requirements.txt", "lock_packages": False},
}


def build_bento(bundle: Path, identity: ModelIdentity, *, key: Path) -> Path:
    """Build the Bento of a model version, unless it is in the store already, and return its folder.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    identity
        Name, version and lineage, answered with every prediction.
    key
        Private key that signs the package inside.

    Raises
    ------
    ArtifactError
        If BentoML cannot build it.
    """
    version = f"{identity.name}-v{identity.version}-{_content(identity)[:12]}"
    try:
        return Path(bentoml.get(f"cascada:{version}").path)
    except NotFound:
        pass
    with tempfile.TemporaryDirectory(prefix="cascada-bento-") as scratch:
        context = Path(scratch)
        _stage(context)
        write_package(bundle, identity, context, key=key)
        # In a process of its own: BentoML imports the service from the build folder, not from this checkout.
        command = [sys.executable, "-m", "bentoml", "build", "--version", version, str(context)]
        built = subprocess.run(command, cwd=context, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise ArtifactError(
            "BentoML could not build the service", where=str(bundle), got=(built.stderr or built.stdout)[-2000:]
        )
    return Path(bentoml.get(f"cascada:{version}").path)


def _content(identity: ModelIdentity) -> str:
    """Hash what a Bento is made of: sources, lock and identity, which names the bundle by its hash."""
    staged = {name: file_sha256(_ROOT / name) for name in (*_SOURCES, "requirements/serving.txt")}
    return json_sha256([staged, _BENTOFILE, identity.model_dump(mode="json")])


def _stage(context: Path) -> None:
    for name in _SOURCES:
        target = context / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / name, target)
    shutil.copyfile(_ROOT / "requirements" / "serving.txt", context / "requirements.txt")
    (context / "bentofile.yaml").write_text(yaml.safe_dump(_BENTOFILE), encoding="utf-8")

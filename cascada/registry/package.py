"""A signed package: the bundle of a model version and its identity, as they are served.

::

    <folder>/
        package/bundle/          see `cascada.registry.bundle`
        package/identity.json    which version this is, and where it came from
        package.sig              signature of all of it (`cascada.repro.signing`)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cascada.errors import ArtifactError
from cascada.registry.bundle import Bundle
from cascada.repro.signing import require_signature, sign

PACKAGE, SIGNATURE = "package", "package.sig"


class ModelIdentity(BaseModel):
    """Which model answers, and where it came from.

    Attributes
    ----------
    manifest_sha256
        Of the manifest of the run that made it.
    verdict
        Outcome of the gate: passed, failed, forced, or empty before it.
    verification
        Verdict of the last replay of its run (`cascada verify`); empty when there was none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    run_id: str
    data_sha256: str
    git_commit: str
    bundle_sha256: str
    manifest_sha256: str = ""
    verdict: str = ""
    verification: str = ""


@dataclass(frozen=True)
class Package:
    """A package, opened and checked.

    Attributes
    ----------
    signer
        Name of the trusted key that signed it.
    """

    bundle: Bundle
    identity: ModelIdentity
    signer: str


def write_package(bundle: Path, identity: ModelIdentity, folder: Path, *, key: Path) -> None:
    """Write and sign a package into a folder that does not hold one yet.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    key
        Private key.
    """
    inside = folder / PACKAGE
    inside.mkdir(parents=True)
    shutil.copytree(bundle, inside / "bundle")
    (inside / "identity.json").write_text(identity.model_dump_json(indent=2) + "\n", encoding="utf-8")
    sign(inside, folder / SIGNATURE, key=key)


def open_package(folder: Path, *, trusted: Path) -> Package:
    """Open a package that somebody trusted has signed.

    Parameters
    ----------
    trusted
        Folder of public keys.

    Raises
    ------
    ArtifactError
        If it is unsigned or altered, holds anything that is not of a bundle, or its identity names another bundle.
    """
    inside = folder / PACKAGE
    signer = require_signature(inside, folder / SIGNATURE, trusted=trusted)
    bundle = Bundle(inside / "bundle")
    identity = read_identity(folder)
    known = {inside / "identity.json", *(bundle.folder / name for name in ("bundle.json", *bundle.spec.files))}
    strange = sorted(
        str(path.relative_to(inside)) for path in inside.rglob("*") if path.is_file() and path not in known
    )
    if strange:
        raise ArtifactError(
            "a package holds a bundle and an identity, and nothing else", where=str(inside), got=", ".join(strange[:5])
        )
    if bundle.sha256 != identity.bundle_sha256:
        raise ArtifactError(
            "the identity is of another bundle", where=str(inside), expected=identity.bundle_sha256, got=bundle.sha256
        )
    return Package(bundle, identity, signer)


def read_identity(folder: Path) -> ModelIdentity:
    """Read which version a package says that it is; whether that is true, `open_package` checks.

    Raises
    ------
    ArtifactError
        If it does not say.
    """
    inside = folder / PACKAGE
    try:
        return ModelIdentity.model_validate_json((inside / "identity.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactError("the package has no valid identity", where=str(inside), got=str(error)) from error

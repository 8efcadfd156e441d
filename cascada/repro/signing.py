"""Signatures of files and folders: the one door to OpenSSF model-signing.

A signature is a file in the format of Sigstore's bundles: a DSSE envelope of an in-toto statement with the SHA-256 of
every file. Keys are elliptic (NIST P-256): a private ``signing.pem`` that stays on its machine, and public ``*.pub``
files in the folder of those who are trusted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cascada.errors import ArtifactError

if TYPE_CHECKING:  # what serves has no settings of the platform
    from cascada.settings import Settings

PRIVATE, PUBLIC = "signing.pem", "signing.pub"
_OTHER_KEY = "Key mismatch"  # how model-signing begins its word on a key that is not the signer's


def signing_key(settings: Settings) -> Path:
    """Find the private key that signs: the one of the settings, or this machine's own."""
    return settings.signing_key or own_key(settings.keys)


def own_key(folder: Path) -> Path:
    """Find a machine's private key; at the first use it is made, with the public one beside it."""
    key = folder / PRIVATE
    if not key.exists():
        _make_keys(folder)
    return key


def _make_keys(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    made = ec.generate_private_key(ec.SECP256R1())
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{PRIVATE}.{os.getpid()}"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    try:
        os.link(partial, folder / PRIVATE)  # of two processes that make one, the first wins
        (folder / PUBLIC).write_bytes(public)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def sign(target: Path, signature: Path, *, key: Path) -> None:
    """Sign a file, or a folder with all that is in it.

    Raises
    ------
    ArtifactError
        If the key cannot be used, or the folder is empty or holds links.
    """
    from model_signing import signing

    try:
        config = signing.Config()  # type: ignore[no-untyped-call]
        config.use_elliptic_key_signer(private_key=key).sign(target, signature)
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            "this cannot be signed", where=str(target), got=str(error),
            expected=f"an elliptic private key in PEM at {key}, without a password",
        ) from error  # fmt: skip


def require_signature(target: Path, signature: Path, *, trusted: Path) -> str:
    """Check that somebody who is trusted signed a file or folder as it is now.

    Parameters
    ----------
    trusted
        Folder of public keys, ``*.pub``.

    Returns
    -------
    str
        Name of the key's file, without its ending.

    Raises
    ------
    ArtifactError
        If there is no signature, none of the keys made it, or the content is not what was signed.
    """
    if not signature.is_file():
        raise ArtifactError("this is not signed", where=str(target), expected=f"a signature {signature.name}")
    keys = sorted(trusted.glob("*.pub"))
    if not keys:
        raise ArtifactError(
            "nobody's signature is trusted here", where=str(trusted), expected="public keys, *.pub",
            hint="put the public key of whoever signed into this folder",
        )  # fmt: skip
    troubles = {key.stem: _trouble(target, signature, key) for key in keys}
    passed = [name for name, trouble in troubles.items() if not trouble]
    if passed:
        return passed[0]
    known = [f"{name}: {trouble}" for name, trouble in troubles.items() if _OTHER_KEY not in trouble]
    raise ArtifactError(
        "this is not what was signed" if known else "this was signed with a key that is not trusted here",
        where=str(target), got="; ".join(known) or f"none of {', '.join(troubles)}",
        hint="fetch it again from where it was signed" if known else f"put the public key into {trusted}",
    )  # fmt: skip


def _trouble(target: Path, signature: Path, key: Path) -> str:
    from model_signing import verifying

    try:
        config = verifying.Config()  # type: ignore[no-untyped-call]
        config.use_elliptic_key_verifier(public_key=key).verify(target, signature)
    except Exception as error:  # noqa: BLE001 - the boundary to three libraries that read files of strangers
        return f"{type(error).__name__}: {error}"[:300]
    return ""

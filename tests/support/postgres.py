"""A real PostgreSQL server in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import free_port


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start a server with one user and give its address; skip where PostgreSQL is not installed."""
    found = [shutil.which("pg_ctl"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))]
    programs = next((Path(path).resolve().parent for path in reversed(found) if path), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # It does not run as root, and pytest closes its own folders to everybody else.
    drop = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="cascada-postgres-") as folder:
        if drop:
            shutil.chown(folder, "postgres")
        port, data, secret = free_port(), Path(folder) / "data", Path(folder) / "secret"
        secret.write_text("s3cret-word")

        def call(program: str, *arguments: str) -> None:
            command = [*drop, str(programs / program), *arguments]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

        call("initdb", "-D", str(data), "-U", "cascada", "-A", "scram-sha-256", f"--pwfile={secret}")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-D", str(data), "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://cascada:s3cret-word@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")

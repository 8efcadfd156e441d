"""The systemd unit of an agent on a machine of one's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascada.errors import ConfigError, PlatformError

NAME = "cascada-agent.service"

_UNIT = """# Written by `cascada agent install`.
[Unit]
Description=cascada agent: Prefect workers of the pool {pool}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User={user}
WorkingDirectory={root}
EnvironmentFile={environment}
ExecStart={command} agent start --pool {pool}
Restart=always
RestartSec=10
# The agent puts its runs back when it is stopped; systemd kills what is left.
KillMode=mixed
TimeoutStopSec=60

UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateTmp=yes
{devices}
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={root}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_ENVIRONMENT = """# Read by {unit}. Only its owner may read it: it holds a login.
PREFECT_API_URL={api}
# PREFECT_API_AUTH_STRING=user:password
# MLFLOW_TRACKING_URI=https://mlflow.example.org
"""


@dataclass(frozen=True)
class Install:
    """What an agent is installed as.

    Attributes
    ----------
    root
        The project, with its .venv; the agent writes nowhere else.
    command
        The program `cascada`.
    environment
        The file with addresses and login.
    devices
        Device files that it may use; see `cascada.agents.gpus.gpu_devices`.
    """

    pool: str
    user: str
    root: Path
    command: Path
    environment: Path
    devices: Sequence[str] = ()

    def unit(self) -> str:
        """Write the unit.

        Raises
        ------
        ConfigError
            If it would run as root.
        """
        if self.user in {"root", "0"}:
            raise ConfigError("an agent must not run as root", hint="name another user: --user NAME")
        return _UNIT.format(
            pool=self.pool, user=self.user, root=_escaped(self.root), environment=_escaped(self.environment),
            command=_escaped(self.command), devices=_device_lines(self.devices),
        )  # fmt: skip

    def write(self, folder: Path, *, api: str) -> list[Path]:
        """Write the unit, and the file of its environment unless there is one; returns what was written.

        Raises
        ------
        PlatformError
            If this user may not write there.
        """
        unit, written = self.unit(), [folder / NAME]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / NAME).write_text(unit, encoding="utf-8")
            if not self.environment.exists():
                self.environment.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.environment, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(_ENVIRONMENT.format(unit=NAME, api=api))
                written.append(self.environment)
        except PermissionError as error:
            raise PlatformError(
                "the unit cannot be written", where=str(error.filename),
                hint="run it with sudo, or take what --print prints",
            ) from error  # fmt: skip
        return written


def _escaped(path: Path) -> str:
    """Spell a path for systemd: its own marks doubled, spaces as it wants them."""
    return str(path).replace("\\", "\\\\").replace("%", "%%").replace(" ", "\\x20")


def _device_lines(devices: Sequence[str]) -> str:
    if not devices:
        return "PrivateDevices=yes"
    return "\n".join(["DevicePolicy=closed", *(f"DeviceAllow={device} rw" for device in devices)])

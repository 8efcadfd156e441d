"""The unit is one that systemd takes without a word, and a hard one; the scripts are sound shell."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fleets import fleet
from projects import REPOSITORY
from pydantic import ValidationError

from cascada.agents.boot import boot_script
from cascada.agents.gpus import find_gpus
from cascada.agents.units import NAME, Install
from cascada.errors import ConfigError

SHELLCHECK = Path(sys.executable).parent / "shellcheck"
MAX_EXPOSURE = 2.5
"""systemd's own scale: 0 is closed, 10 is open; "OK" begins at 5."""

ANALYSE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYSE is None, reason="systemd-analyze is not installed (Debian package systemd)")


def made(root: Path, *, user: str = "daemon", devices: tuple[str, ...] = ()) -> Install:
    command = root / ".venv" / "bin" / "cascada"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return Install("gpu-onprem", user, root, command, root / "agent.env", devices)


@needs_systemd
@pytest.mark.parametrize("devices", [(), ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")])
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path, devices: tuple[str, ...]) -> None:
    (path, _) = made(tmp_path, devices=devices).write(tmp_path / "units", api="http://127.0.0.1:4200/api")
    verified = subprocess.run([ANALYSE, "verify", str(path)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, ""), "it returns 0 on unknown keys too"
    rated = subprocess.run(
        [ANALYSE, "security", "--offline=true", str(path)], capture_output=True, text=True, check=False
    )
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert exposure is not None, rated.stdout + rated.stderr
    print(f"exposure {exposure[1]} of 10 with {len(devices)} devices")  # noqa: T201
    assert float(exposure[1]) <= MAX_EXPOSURE


@needs_systemd
def test_a_wrong_key_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(made(tmp_path).unit().replace("NoNewPrivileges=", "NoNewPrivilege="))
    assert subprocess.run([ANALYSE, "verify", str(path)], capture_output=True, text=True, check=False).stderr


def test_a_unit_names_only_the_devices_that_are_there(tmp_path: Path) -> None:
    assert "PrivateDevices=yes" in made(tmp_path / "a").unit()
    unit = made(tmp_path / "b", devices=("/dev/nvidia0",)).unit()
    assert "DevicePolicy=closed\nDeviceAllow=/dev/nvidia0 rw" in unit
    assert "PrivateDevices" not in unit


def test_marks_of_systemd_in_a_path_are_doubled(tmp_path: Path) -> None:
    assert f"WorkingDirectory={tmp_path}/50%%\\x20off" in made(tmp_path / "50% off").unit()


def test_an_agent_of_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not run as root"):
        made(tmp_path, user="root").unit()


def test_the_login_is_written_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    install = made(tmp_path)
    install.write(tmp_path / "units", api="https://prefect.example.org/api")
    assert stat.S_IMODE(install.environment.stat().st_mode) == 0o600
    assert "PREFECT_API_URL=https://prefect.example.org/api\n" in install.environment.read_text()
    install.environment.write_text("PREFECT_API_AUTH_STRING=kept\n")
    assert install.write(tmp_path / "units", api="x") == [tmp_path / "units" / NAME]
    assert install.environment.read_text() == "PREFECT_API_AUTH_STRING=kept\n"


def test_gpus_are_found_by_their_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0, NVIDIA A100-SXM4-80GB, 81920\\n1, Tesla T4, 15360\\n'\n")
    tool.chmod(0o755)
    assert [gpu.label for gpu in find_gpus()] == ["gpu0-a100-sxm4-80gb", "gpu1-tesla-t4-15gib"]


@pytest.mark.parametrize("parameter", ["", "/cascada/prefect-auth"])
def test_scripts_are_sound_shell(tmp_path: Path, parameter: str) -> None:
    boot = tmp_path / "boot.sh"
    boot.write_text(boot_script("cascada-0123", fleet(auth_parameter=parameter)))
    assert ("aws ssm get-parameter" in boot.read_text()) == bool(parameter)
    assert "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000\n" in boot.read_text()
    for script in (boot, REPOSITORY / "infra" / "agents" / "agent.sbatch"):
        subprocess.run(["bash", "-n", str(script)], check=True)
        checked = subprocess.run([SHELLCHECK, str(script)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("environment", "told"),
    [({}, "MLFLOW_TRACKING_URI"), ({"MLFLOW_TRACKING_URI": "http://x", "A;B": "1"}, "no name of a variable")],
)
def test_a_fleet_whose_work_would_be_lost_is_refused(environment: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fleet(environment=environment)


def test_a_job_of_slurm_hands_the_signal_to_its_agent(tmp_path: Path) -> None:
    agent = tmp_path / ".venv" / "bin" / "cascada"
    agent.parent.mkdir(parents=True)
    agent.write_text(
        "#!/bin/bash\ntrap 'echo put back; exit 0' TERM\necho \"$@\"; sleep 0.3; kill -TERM $PPID\n"
        "while :; do sleep 0.1; done\n"
    )
    agent.chmod(0o755)
    job = {"PREFECT_API_URL": "x", "MLFLOW_TRACKING_URI": "x", "SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(REPOSITORY / "infra" / "agents" / "agent.sbatch")], env=os.environ | job, capture_output=True,
        text=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.stdout.splitlines()[0].startswith("agent start --pool gpu-onprem --name slurm-7 --idle-minutes 15")
    assert done.stdout.splitlines()[-1] == "put back"

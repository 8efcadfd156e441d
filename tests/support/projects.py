"""A project as a user has one: a git repository of its own, and the commands run in it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascada.settings import Settings, process_environment


def free_port() -> int:
    """Find a port that nothing uses, and whose next one nothing uses either."""
    while True:
        with socket.socket() as probe, socket.socket() as following:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                following.bind(("127.0.0.1", port + 1))
                return port


REPOSITORY = Path(__file__).resolve().parents[2]

DEMO = "flows/experiments/demo.yaml"
SMALL = (
    *(DEMO, "--set", "source.showers=8000", "--set", "training.epochs=4", "--set", "training.batch_size=64"),
    *("--set", "gate.min_accuracy=0.6", "--set", "baselines={supervised: [logistic], anomaly: [pca]}"),
    *("--set", "shifts={hadronic_models: [EPOS-LHC], muon_scales: [], ageing_years: []}"),
)
"""Arguments of a training that takes seconds and still makes a champion."""
TOY_EXPERIMENT: dict[str, Any] = {
    "name": "toy",
    "seed": 7,
    "source": {"kind": "simulator", "showers": 1000},
    "features": ["lg_energy", "muon_residual"],
    "model": {"kind": "deep"},
    "gate": {"min_accuracy": 0.5, "min_anomaly_auc": 0.6},
}
"""What an experiment file must say, and nothing more."""


@dataclass(frozen=True)
class Project:
    """A git repository with suites and experiments, and the environment that its commands run in."""

    root: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *command: str, timeout: float = 240, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the project."""
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def cascada(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user does."""
        return self.run("cascada", *arguments, timeout=timeout)

    def train(self, *arguments: str) -> dict[str, Any]:
        """Train and return the outcome, or fail with what the command said."""
        answer = self.cascada("train", *arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        outcome: dict[str, Any] = json.loads(answer.stdout)
        return outcome

    def git(self, *arguments: str) -> str:
        """Run git, as somebody."""
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        answer = self.run("git", *identity, *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    @property
    def settings(self) -> Settings:
        """The settings that its commands read."""
        names = ("prefect", "mlflow", "service", "overview")
        ports = {f"{n}_port": int(self.environment[f"CASCADA_{n.upper()}_PORT"]) for n in names}
        return Settings(root=self.root, **ports)  # type: ignore[arg-type]

    @property
    def stores(self) -> dict[str, str]:
        """The environment in which its commands find this project's stores."""
        return process_environment(self.settings)

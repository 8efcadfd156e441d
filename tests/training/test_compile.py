"""A compiled training step: the same fit, and a network that knows nothing of it. Compiling takes a while."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from toys import fit_toy, toy_experiment

from cascada.errors import PlatformError

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_is_compiled_once_and_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    plain = fit_toy(toy_experiment("variational", epochs=12), tmp_path / "plain")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = fit_toy(toy_experiment("variational", epochs=12, compile=True), tmp_path / "compiled")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1, "annealing is no reason to compile anew"
    one, other = plain.members[0].network, compiled.members[0].network
    assert type(one) is type(other)
    assert list(one.state_dict()) == list(other.state_dict())
    assert other._compiled_call_impl is None, "what is exported is the plain network"
    # Compiled code draws other random numbers than plain code.
    ends = [fitted.history[-1]["validation_loss"] for fitted in (plain, compiled)]
    assert ends[1] == pytest.approx(ends[0], rel=0.3)
    assert ends[1] < 0.3 * plain.history[0]["validation_loss"]


def test_without_a_compiler_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(PlatformError, match="needs a C"):
        fit_toy(toy_experiment(compile=True), tmp_path)

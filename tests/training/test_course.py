"""The course of a fit, on rows written by hand."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cascada.errors import ArtifactError, InvalidDataError
from cascada.training.course import Course


def run(losses: list[float], *, patience: int = 0, settled: int = 0, untrained: float = 1.0) -> Course:
    """Let epochs have these validation losses and their number as weights, until the course says stop."""
    course = Course(untrained=untrained)
    for epoch, loss in enumerate(losses):
        row = {"train_loss": loss, "validation_loss": loss}
        course.network = weights(epoch + 1)
        if not course.add_epoch(row, course.network, patience=patience, comparable=epoch >= settled):
            break
    return course


def weights(epoch: int) -> dict[str, Tensor]:
    return {"w": torch.tensor(float(epoch))}


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best"),
    [
        ([0.9, 0.8, 0.7], 0, 3, 3),
        ([0.9, 0.5, 0.7, 0.8, 0.6], 0, 5, 2),
        ([0.9, 0.5, 0.7, 0.8, 0.6], 2, 4, 2),
        ([0.9, 0.5, 0.7, 0.4, 0.6], 2, 5, 4),
        ([0.9, 0.5, 0.5, 0.4], 1, 3, 2),
        ([0.9, math.nan, 0.5], 0, 2, 1),
        ([0.9, 0.8, math.inf, 0.5], 0, 3, 2),
        ([0.9, 10.9, 11.1, 0.5], 0, 3, 1),
    ],
)
def test_when_a_fit_ends_and_which_epoch_was_best(losses: list[float], patience: int, epochs: int, best: int) -> None:
    course = run(losses, patience=patience)
    assert (course.epoch, course.best_epoch) == (epochs, best)
    assert [row["validation_loss"] for row in course.history] == pytest.approx(losses[:epochs], nan_ok=True)
    assert bool(course.stopped) == (epochs < len(losses))
    course.end_stage(keep_best=True)
    assert course.network == weights(best)


def test_why_a_fit_ended_is_told() -> None:
    assert run([0.9, math.nan]).stopped == ["the loss ran away in epoch 2; the weights of epoch 1 are kept"]
    (told,) = run([0.5, 0.6, 0.7], patience=2).stopped
    assert told == "the validation loss has not fallen for 2 epochs; the weights of epoch 1 are kept"


def test_a_training_loss_that_is_not_finite_ends_a_fit() -> None:
    course = Course(untrained=1.0)
    assert not course.add_epoch(
        {"train_loss": math.inf, "validation_loss": 0.5}, weights(1), patience=0, comparable=True
    )


def test_losses_that_do_not_compare_yet_neither_end_a_fit_nor_stand_in_the_way_of_later_ones() -> None:
    course = run([0.1, 0.2, 0.3, 0.4, 0.5, 0.45], patience=2, settled=3)
    assert (course.epoch, course.best_epoch) == (6, 4)
    assert course.stopped == ["the validation loss has not fallen for 2 epochs; the weights of epoch 4 are kept"]
    assert run([0.1, 0.2, math.nan], settled=9).best == weights(2)


def test_the_best_weights_are_a_copy() -> None:
    course, live = Course(untrained=1.0), weights(1)
    course.add_epoch({"train_loss": 0.5, "validation_loss": 0.5}, live, patience=0, comparable=True)
    live["w"].fill_(9.0)
    assert course.best == weights(1)


def test_a_loss_that_runs_away_before_the_first_epoch_is_an_error() -> None:
    course = run([math.nan])
    with pytest.raises(InvalidDataError, match="ran away") as caught:
        course.end_stage(keep_best=True)
    assert "learning_rate" in caught.value.hint


def test_the_next_stage_has_the_weights_and_the_history_and_a_best_epoch_of_its_own() -> None:
    course = run([0.9, 0.5, 0.7])
    course.end_stage(keep_best=False)
    assert (course.stage, course.epoch, course.network, len(course.history)) == (1, 0, weights(3), 3)
    assert (course.best, course.best_loss, course.optimizer) == ({}, math.inf, {})


def test_a_course_comes_back_from_its_file(tmp_path: Path) -> None:
    course = run([0.9, 0.5, 0.7])
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    course.optimizer = optimizer.state_dict()
    course.save(tmp_path / "below" / "fit.pt")
    again = Course.load(tmp_path / "below" / "fit.pt")
    assert again.history == course.history
    assert (again.epoch, again.best_epoch, again.best, again.network) == (3, 2, course.best, course.network)
    assert torch.equal(again.optimizer["state"][0]["exp_avg"], course.optimizer["state"][0]["exp_avg"])
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["fit.pt"]


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/cascada-evil"),))  # noqa: S108


@pytest.mark.parametrize("content", [b"", b"not a file of torch", pickle.dumps(Evil())])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fit.pt").write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        Course.load(tmp_path / "fit.pt")
    assert "--resume" in caught.value.hint


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    torch.save({"network": Evil()}, tmp_path / "fit.pt")
    with pytest.raises(ArtifactError):
        Course.load(tmp_path / "fit.pt")
    assert not Path("/tmp/cascada-evil").exists()  # noqa: S108

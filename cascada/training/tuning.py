"""Searching with Ray Tune, proposals by Optuna: the one door to both."""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from cascada.config import METRICS, Range, Search, Values
from cascada.errors import ConfigError, PlatformError

Parameters = dict[str, JsonValue]
Report = Callable[[int, float], None]
"""Takes an epoch, counted from 1, and the value after it; it does not return where the trial is to end there."""

Objective = Callable[[Parameters, Any, Report | None], float]
"""Fits with parameters on shared data, reports epochs if it is given what takes them, and returns the value.

A function of a module: it is called by its name in processes of their own.
"""


class Tried(BaseModel):
    """One trial of a search.

    Attributes
    ----------
    number
        In the order of proposals, from 1.
    state
        ``finished``; ``stopped`` early, with the value of its last epoch; or ``failed``, without a value.
    seconds
        From its start to its end.
    cpu_seconds
        CPU time of its fit, in this search; 0 when its value was known, or when its process died.
    error
        Why it failed.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    parameters: Parameters
    state: Literal["finished", "stopped", "failed"]
    value: float | None = None
    seconds: float
    cpu_seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Resources:
    """What a trial has to itself.

    Attributes
    ----------
    gpus
        GPUs of the machine, of which trials that run at a time have equal shares.
    """

    threads: int = 1
    epochs: int = 1
    gpus: int = 0


def search(
    objective: Objective, shared: Any, config: Search, *, seed: int, resources: Resources,
    known: Mapping[str, float] | None = None, on_trial: Callable[[Tried], None],
) -> list[Tried]:  # fmt: skip
    """Try parameters, proposed by a tree-structured Parzen estimator from what was tried before.

    The same seed proposes the same trials while they run one at a time and give the same values; in parallel, what is
    proposed depends on which trials have ended by then.

    Parameters
    ----------
    shared
        Data that every trial sees; kept once, read-only.
    seed
        Of the proposals.
    known
        Values by `identify`: what was tried before and need not be tried again.
    on_trial
        Called with each trial when it has ended.

    Returns
    -------
    list of Tried
        In the order of proposals, the failed ones too.

    Raises
    ------
    PlatformError
        If Ray does not start.

    References
    ----------
    Bergstra et al., NIPS 24 (2011) 2546 (the estimator); Li et al., arXiv:1810.05934 (ASHA, which stops trials early).
    """
    with _ray(cpus=config.parallel * resources.threads, gpus=resources.gpus) as storage:
        from ray import tune

        watch = _watch(on_trial)
        run = tune.with_parameters(
            _run, objective=objective, shared=shared, known=dict(known or {}), early=config.early_stopping,
            epochs=resources.epochs,
        )  # fmt: skip
        share = {"cpu": resources.threads, "gpu": _share(resources.gpus, config.parallel)}
        tune.Tuner(
            tune.with_resources(run, share),
            tune_config=tune.TuneConfig(
                num_samples=config.trials, max_concurrent_trials=config.parallel, search_alg=_proposals(config, seed),
                scheduler=_scheduler(config, resources.epochs), reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="search", storage_path=str(storage), callbacks=[watch], verbose=0),
        ).fit()  # fmt: skip
    return sorted(watch.tried, key=lambda tried: tried.number)


def _share(gpus: int, parallel: int) -> float:
    """Give a trial's part of one GPU, so that all trials at a time fit: a part never reaches over two.

    Examples
    --------
    >>> _share(0, 2), _share(4, 2), _share(1, 2), _share(2, 3)
    (0.0, 1.0, 0.5, 0.5)
    """
    return 1.0 / math.ceil(parallel / gpus) if gpus else 0.0


def identify(parameters: Parameters) -> str:
    """Name parameters by their content."""
    return json.dumps(parameters, sort_keys=True)


def order(tried: Sequence[Tried], metric: str) -> list[Tried]:
    """Order the trials that finished, the best first; of equal ones the one that was proposed first."""
    sign = 1.0 if METRICS[metric] == "min" else -1.0
    finished = [(sign * one.value, one) for one in tried if one.state == "finished" and one.value is not None]
    return [one for _, one in sorted(finished, key=lambda pair: (pair[0], pair[1].number))]


def find_best(tried: Sequence[Tried], metric: str) -> Tried:
    """Find the best of the trials that finished.

    Raises
    ------
    ConfigError
        If none finished.
    """
    ordered = order(tried, metric)
    if not ordered:
        reasons = sorted({one.error for one in tried})
        raise ConfigError(
            f"all {len(tried)} trials failed", where="search", got="; ".join(reasons[:3]),
            hint="`cascada train` of the same file says whether the experiment itself can be trained",
        )  # fmt: skip
    return ordered[0]


def _run(
    config: dict[str, Any], *, objective: Objective, shared: Any, known: dict[str, float], early: bool, epochs: int
) -> None:
    """Run a trial, in a process of Ray's."""
    from ray import tune

    def report(epoch: int, value: float) -> None:
        tune.report({"epoch": epoch, "value": value, "finished": False, "error": "", "cpu_s": _cpu_s() - began})

    parameters, error, began = _decode(config), "", _cpu_s()
    value = known.get(identify(parameters))
    try:
        if value is None:
            value = objective(parameters, shared, report if early else None)
    except Exception as failure:  # noqa: BLE001  # told, not raised: Ray would start the next in another process
        value, error = math.nan, f"{type(failure).__name__}: {str(failure).partition(chr(10))[0]}"
    tune.report({"epoch": epochs + 1, "value": value, "finished": not error, "error": error, "cpu_s": _cpu_s() - began})


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _decode(config: Mapping[str, Any]) -> Parameters:
    return {key: json.loads(value) if isinstance(value, str) else value for key, value in config.items()}


def _proposals(config: Search, seed: int) -> Any:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    class Proposals(OptunaSearch):  # type: ignore[misc]  # untyped library
        """Lets Optuna know of a trial that failed, rather than of a value that is no number."""

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            if not result["error"]:
                super().on_trial_result(trial_id, result)

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            failed = error or bool(result and result["error"])
            super().on_trial_complete(trial_id, None if failed else result, error=failed)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # A liar tells the estimator of trials that still run, so that trials in parallel differ.
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=config.parallel > 1)
    space = {key: _distribution(values) for key, values in config.space.items()}
    return Proposals(space, metric="value", mode=METRICS[config.metric], sampler=sampler)


def _distribution(values: Values) -> Any:
    """Choices are written as JSON: Optuna knows no lists and no sections."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Range):
        return CategoricalDistribution([json.dumps(value) for value in values])
    if values.integer:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _scheduler(config: Search, epochs: int) -> Any:
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    if not config.early_stopping:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="epoch", metric="value", mode=METRICS[config.metric], max_t=epochs + 1,
        grace_period=max(1, epochs // 4), reduction_factor=2,
    )  # fmt: skip


def _watch(on_trial: Callable[[Tried], None]) -> Any:
    from ray import tune

    class Watch(tune.Callback):  # type: ignore[misc]  # untyped library
        """Notes how trials end, as they do."""

        def __init__(self) -> None:
            self.tried: list[Tried] = []
            self._began: dict[str, float] = {}

        def on_trial_start(self, trial: Any, **_: Any) -> None:
            self._began[trial.trial_id] = time.monotonic()

        def on_trial_complete(self, trials: list[Any], trial: Any, **_: Any) -> None:
            told = trial.last_result
            facts = {"error": told["error"]} if told["error"] else {"value": told["value"]}
            state = "failed" if told["error"] else "finished" if told["finished"] else "stopped"
            self._note(trials, trial, state=state, cpu_seconds=round(told["cpu_s"], 3), **facts)

        def on_trial_error(self, trials: list[Any], trial: Any, **_: Any) -> None:
            self._note(trials, trial, state="failed", error=f"its process ended: {_last_sentence(trial.error_file)}")

        def _note(self, trials: list[Any], trial: Any, **facts: Any) -> None:
            seconds = time.monotonic() - self._began.get(trial.trial_id, time.monotonic())
            self.tried.append(
                Tried(
                    number=trials.index(trial) + 1, parameters=_decode(trial.config), seconds=round(seconds, 3), **facts
                )
            )
            on_trial(self.tried[-1])

    return Watch()


def _last_sentence(file: str | None) -> str:
    lines = Path(file).read_text(encoding="utf-8").split("\n") if file else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing is known of it")
    return last.partition(". ")[0]


@contextmanager
def _ray(*, cpus: int, gpus: int) -> Iterator[Path]:
    """Start a Ray of this process's own, quiet and on this machine alone; give the folder of its files."""
    if "ray" not in sys.modules:  # it reads them when it is imported
        for name, value in _environment().items():
            os.environ.setdefault(name, value)
    import ray

    # Ray's own choice of a folder, not that of TMPDIR: it makes sockets there, whose paths have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir=os.environ.get("RAY_TMPDIR", "/tmp")))  # noqa: S108
    try:
        with redirect_stdout(sys.stderr):  # Ray prints what happens to its processes
            _start(folder, cpus=cpus, gpus=gpus)
            try:
                yield folder / "results"
            finally:
                ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, *, cpus: int, gpus: int) -> None:
    import ray

    try:
        with _without_web():
            ray.init(
                address="local", num_cpus=cpus, num_gpus=gpus, include_dashboard=False, log_to_driver=False,
                logging_level=logging.CRITICAL, _node_ip_address="127.0.0.1", _temp_dir=str(folder / "session"),
            )  # fmt: skip
    except (RuntimeError, OSError, ValueError) as error:
        raise PlatformError(
            "Ray does not start", where=str(folder), got=str(error).partition("\n")[0],
            hint="its files need a folder with a short path: set RAY_TMPDIR",
        ) from error  # fmt: skip


def _environment() -> dict[str, str]:
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one into the home folder
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # that is: no cluster, so that it listens on the loopback alone
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_AIR_NEW_OUTPUT": "0",  # the old one is silent when it is told to be
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupted search has no winner
    }


@contextmanager
def _without_web() -> Iterator[None]:
    """Give the processes of Ray's a proxy that is none: one of them asks the clouds where it is, whatever is set."""
    name, nobody = "http_proxy", "http://127.0.0.1:9"
    before = os.environ.get(name)
    os.environ[name] = nobody
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

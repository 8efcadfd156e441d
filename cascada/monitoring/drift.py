"""Drift: windows of what a model is asked, held against what its bundle knows of the reference showers.

Four questions of each window: is a feature distributed as in the reference, is a latent coordinate, are more showers
anomalous than in the reference, and do more than one in a hundred lie outside the domain? Each is a test with a stated
rate of false alarms; a window drifts when any of them says so. Latent coordinates mix features: they move also when
every feature is distributed as before and only what binds them has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

from cascada.monitoring.windows import Window, read_windows
from cascada.physics.observables import feature_matrix
from cascada.registry.bundle import Bundle, ReferenceQuantiles

WINDOW, WINDOWS, NEEDED = 1000, 5, 3
"""Events of a window; the alarm asks for `NEEDED` of the last `WINDOWS`, and the latest."""

FALSE_ALARMS = 0.01
"""Highest rate at which a window that is exchangeable with the reference drifts, all of its questions together."""

LEAST_DISTANCE = 0.1
"""Distances of distributions below this are not told, however sure: with many events every difference is."""

_ANOMALOUS = 0.01
_OUTSIDE = 0.01


class Finding(BaseModel):
    """The answer to one question about a window.

    Attributes
    ----------
    name
        A feature, `latent 1` and so on, `anomalous` or `outside`.
    value, expected
        Of a feature or coordinate, its distance from the reference (0 to 1) and the least that counts; else a share of
        the events, and the share in the reference.
    p_value
        Chance of such a value without drift.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    expected: float
    p_value: float
    drifted: bool


class WindowVerdict(BaseModel):
    """What was found in a window."""

    model_config = ConfigDict(frozen=True)

    first: str
    last: str
    findings: tuple[Finding, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """What has drifted, strongest first."""
        found = sorted((one for one in self.findings if one.drifted), key=lambda one: one.p_value)
        return tuple(one.name for one in found)


class Drift(BaseModel):
    """Whether a model's input has drifted.

    Attributes
    ----------
    state
        `too few` while fewer windows are there than an alarm asks for.
    compared
        Whether the bundle keeps a reference of its features; those of before do not.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    state: Literal["none", "drifted", "too few"]
    events: int
    compared: bool
    windows: tuple[WindowVerdict, ...]

    @property
    def told(self) -> str:
        """Say it in a line."""
        if self.state == "too few":
            return f"{len(self.windows)} windows of {self.events} events, and {NEEDED} are needed"
        bad = sum(bool(window.drifted) for window in self.windows)
        names = ", ".join(self.windows[-1].drifted)
        return f"{bad} of {len(self.windows)} windows of {self.events} events drift" + (f": {names}" if names else "")


def find_drift(log: Path, bundle: Bundle, *, model: str, version: int, events: int = WINDOW) -> Drift:
    """Judge the latest windows of a prediction log.

    Parameters
    ----------
    log
        Its folder.
    events
        Of a window.

    Raises
    ------
    SourceError
        If a file of the log cannot be read.
    """
    windows = tuple(judge(window, bundle) for window in read_windows(log, bundle, size=events, count=WINDOWS))
    compared = bundle.spec.feature_reference is not None
    state = "drifted" if alarms(windows) else "none" if len(windows) >= NEEDED else "too few"
    return Drift(model=model, version=version, state=state, events=events, compared=compared, windows=windows)


def alarms(windows: Sequence[WindowVerdict]) -> bool:
    """Tell whether the latest window drifts, and enough of the last ones with it."""
    last = windows[-WINDOWS:]
    return bool(last) and bool(last[-1].drifted) and sum(bool(window.drifted) for window in last) >= NEEDED


def judge(window: Window, bundle: Bundle) -> WindowVerdict:
    """Ask all questions about a window; together they find drift where there is none at most at `FALSE_ALARMS`."""
    anomalous = _anomalous(window.p_value, bundle.reference_showers)
    asked = [*_features(window, bundle), *_latents(window, bundle), anomalous, _outside(window)]
    bound = FALSE_ALARMS / len(asked)
    findings = tuple(
        Finding(name=name, value=value, expected=expected, p_value=chance, drifted=chance <= bound and value > expected)
        for name, value, expected, chance in asked
    )
    return WindowVerdict(first=window.first, last=window.last, findings=findings)


_Asked = tuple[str, float, float, float]


def _features(window: Window, bundle: Bundle) -> Iterator[_Asked]:
    if (reference := bundle.spec.feature_reference) is not None:
        yield from _distances(feature_matrix(window.observables, bundle.spec.features).astype(np.float64), reference)


def _latents(window: Window, bundle: Bundle) -> Iterator[_Asked]:
    if (reference := bundle.spec.latent_reference) is not None:
        yield from _distances(bundle.encode(window.observables), reference)


def _distances(values: NDArray[np.float64], reference: ReferenceQuantiles) -> Iterator[_Asked]:
    size = len(values) * reference.showers / (len(values) + reference.showers)
    for column, (name, quantiles) in zip(values.T, reference.quantiles.items(), strict=True):
        value = distance(column, np.array(quantiles))
        yield name, value, LEAST_DISTANCE, float(stats.kstwobign.sf(value * np.sqrt(size)))


def distance(values: NDArray[np.float64], quantiles: NDArray[np.float64]) -> float:
    """Measure how far values lie from a reference: the Kolmogorov-Smirnov distance at the quantiles of the reference.

    It is at most the distance of the two samples, so the test of Kolmogorov and Smirnov with it is conservative; equal
    quantiles (a feature of few values) make it more so.

    Parameters
    ----------
    values
        Shape (n,).
    quantiles
        Ascending, at evenly spaced shares from 0 to 1; each a value of the reference.

    Examples
    --------
    >>> distance(np.array([0.5, 1.0, 1.5, 2.0]), np.array([0.0, 1.0, 2.0]))
    0.0
    >>> distance(np.array([3.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    1.0
    """
    ordered, shares = np.sort(values), np.linspace(0.0, 1.0, len(quantiles))
    at_most = np.searchsorted(ordered, quantiles, side="right") / len(values)
    below = np.searchsorted(ordered, quantiles, side="left") / len(values)
    return float(max(0.0, (shares - at_most).max(), (below - shares).max()))


def _anomalous(p_value: NDArray[np.float64], showers: int) -> _Asked:
    """Count p <= 0.01 among n events.

    Of exchangeable events the count follows a beta-binomial law, exactly: the reference, too, is a sample (Vovk, Mach.
    Learn. 92 (2013) 349).
    """
    n, rank = len(p_value), int(_ANOMALOUS * (showers + 1))
    count = int((p_value <= _ANOMALOUS).sum())
    chance = float(stats.betabinom.sf(count - 1, n, rank, showers + 1 - rank)) if rank else 1.0
    return "anomalous", count / n, rank / (showers + 1), chance


def _outside(window: Window) -> _Asked:
    n, count = len(window.in_domain), int((~window.in_domain).sum())
    return "outside", count / n, _OUTSIDE, float(stats.binom.sf(count - 1, n, _OUTSIDE))

"""How well a score tells two kinds of showers apart: ROC, merit factor, fixed contamination, Q-factor and SIC."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from cascada.evaluation.metrics import FEWEST, Floats, Integers, Mask, Metric, Resampling, defined, wilson
from cascada.evaluation.predictions import mean_ln_mass
from cascada.physics.primaries import PRIMARIES

CONTAMINATIONS = (1e-1, 1e-2, 1e-3, 1e-4)
"""Shares of the background above a cut, at which photon searches quote their efficiency."""


@dataclass(frozen=True)
class Ranking:
    """Scores of signal and background, sorted once for any number of weightings.

    Attributes
    ----------
    values
        Different scores, ascending, shape (m,).
    position
        Place of each row among them, shape (n,).
    signal
        Shape (n,).
    """

    values: Floats
    position: Integers
    signal: Mask

    def auc(self, weight: Floats) -> float:
        """Measure the area under the ROC curve; see `roc_auc`."""
        up, down = self._sums(weight)
        below = np.cumsum(down) - down
        pairs = up.sum() * down.sum()
        return float(np.sum(up * (below + down / 2.0)) / pairs) if pairs > 0.0 else math.nan

    def above(self, weight: Floats) -> tuple[Floats, Floats]:
        """Count signal and background at or above each score, from the highest score down, both of shape (m,)."""
        up, down = self._sums(weight)
        return np.cumsum(up[::-1]), np.cumsum(down[::-1])

    def _sums(self, weight: Floats) -> tuple[Floats, Floats]:
        size = self.values.size
        up = np.bincount(self.position, weights=weight * self.signal, minlength=size)
        down = np.bincount(self.position, weights=weight * ~self.signal, minlength=size)
        return up.astype(np.float64, copy=False), down.astype(np.float64, copy=False)


def rank(score: Floats, signal: Mask) -> Ranking:
    """Sort scores, both of shape (n,)."""
    values, position = np.unique(score, return_inverse=True)
    return Ranking(values, position, signal)


def roc_auc(score: Floats, positive: Mask, weight: Floats) -> float:
    """Measure the area under the ROC curve: P(score of a positive > score of a negative), ties counted half.

    Parameters
    ----------
    score, positive, weight
        Shape (n,).

    Returns
    -------
    float
        NaN if all the weight lies on one side.
    """
    return rank(score, positive).auc(weight)


def merit_factor(value: Floats, first: Mask, weight: Floats) -> float:
    """Measure how far two classes stand apart: ``|mean1 - mean2| / sqrt(var1 + var2)``.

    Parameters
    ----------
    value, weight
        Shape (n,).
    first
        Shape (n,): which rows are of the first class; the others are of the second.

    Returns
    -------
    float
        NaN if a class has no weight or neither has any spread.
    """
    moments = []
    for mask in (first, ~first):
        if not weight[mask].any():
            return math.nan
        mean = np.average(value[mask], weights=weight[mask])
        moments.append((mean, np.average((value[mask] - mean) ** 2, weights=weight[mask])))
    (mean1, var1), (mean2, var2) = moments
    spread = math.sqrt(var1 + var2)
    return float(abs(mean1 - mean2) / spread) if spread > 0.0 else math.nan


def efficiency_at(ranking: Ranking, contamination: float, weight: Floats) -> float:
    """Measure the share of the signal above the lowest cut that lets at most this share of the background through.

    Returns
    -------
    float
        NaN if all the weight lies on one side; 0 if even the highest score lets more through.
    """
    signal, background = ranking.above(weight)
    if signal[-1] <= 0.0 or background[-1] <= 0.0:
        return math.nan
    cuts = np.flatnonzero(background <= contamination * background[-1] * (1.0 + 1e-12))
    return float(signal[cuts[-1]] / signal[-1]) if cuts.size else 0.0


def improvement_curve(ranking: Ranking, weight: Floats) -> tuple[Floats, Floats]:
    """Compute the gain in significance of every cut: the efficiency of the signal over the root of the background's.

    Known as the Q-factor in gamma astronomy and as SIC, significance improvement characteristic, in collider physics
    (Gallicchio et al., JHEP 04 (2011) 069, arXiv:1010.3698).

    Returns
    -------
    tuple of numpy.ndarray
        Efficiency of the signal, and gain, of the cuts that let at least `FEWEST` background showers through.
    """
    signal, background = ranking.above(weight)
    enough = background >= FEWEST
    if not enough.any() or signal[-1] <= 0.0:
        return np.empty(0), np.empty(0)
    efficiency = signal[enough] / signal[-1]
    return efficiency, efficiency / np.sqrt(background[enough] / background[-1])


def best_improvement(ranking: Ranking, weight: Floats) -> float:
    """Find the highest gain in significance of any cut (`improvement_curve`); NaN where none has enough showers."""
    gain = improvement_curve(ranking, weight)[1]
    return float(gain.max()) if gain.size else math.nan


def log_odds(probabilities: Floats, first: int, second: int) -> Floats:
    """Compute ln(P(second) / P(first)), shape (n,): for calibrated probabilities the best score for this pair alone."""
    floor = np.finfo(np.float64).tiny
    odds: Floats = np.log(np.maximum(probabilities[:, second], floor) / np.maximum(probabilities[:, first], floor))
    return odds


def pairs_of(classes: tuple[str, ...]) -> list[tuple[str, str]]:
    """List the pairs to tell apart: neighbours in mass, and p and Fe.

    Examples
    --------
    >>> pairs_of(("photon", "p", "He", "Fe"))
    [('photon', 'p'), ('p', 'He'), ('He', 'Fe'), ('p', 'Fe')]
    """
    pairs = list(itertools.pairwise(classes))
    return pairs + [("p", "Fe")] * (("p", "Fe") not in pairs and {"p", "Fe"} <= set(classes))


def measure_pair(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], pair: tuple[str, str], resampling: Resampling
) -> list[Metric]:
    """Measure AUC and merit factor of one pair on the showers of the two.

    Notes
    -----
    AUC is that of the log-odds of the two. The merit factor of two nuclei is that of the estimated ln A. It depends on
    how an estimator is scaled: this one saturates at the masses of the lightest and the heaviest nucleus, so it can lie
    above the factors of linear discriminants and compares only with its own kind; AUC knows no scale. What has no
    mass, such as a photon, is told from its neighbour by the log-odds.
    """
    first, second = (classes.index(name) for name in pair)
    rows = np.isin(labels, [first, second])
    is_second = labels[rows] == second
    odds = log_odds(probabilities[rows], first, second)
    massive = all(PRIMARIES[name].is_nucleus for name in pair)
    value = mean_ln_mass(probabilities[rows], classes) if massive else odds
    ranking, tail = rank(odds, is_second), "_".join(pair).lower()
    return defined([
        resampling.measure(f"auc_{tail}", ranking.auc, rows),
        resampling.measure(f"merit_factor_{tail}", lambda w: merit_factor(value, is_second, w), rows),
    ])  # fmt: skip


def measure_one_against_rest(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    """Measure the AUC of each primary's probability against all the other primaries."""
    rankings = {name: rank(probabilities[:, i], labels == i) for i, name in enumerate(classes)}
    return defined([resampling.measure(f"auc_{name}_against_rest", r.auc) for name, r in rankings.items()])


def measure_signal(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], resampling: Resampling
) -> tuple[list[Metric], dict[str, str]]:
    """Measure the search for the lightest primary (the photon, where there are photons) among all the others.

    Returns
    -------
    tuple
        Efficiencies at fixed contamination, contamination at 50 % efficiency and the best Q-factor; and what cannot be
        measured, because fewer than `FEWEST` showers of the background would be left, with the counts.
    """
    signal, name = labels == 0, classes[0]
    background = int((~signal).sum())
    if not signal.any() or not background:
        return [], {}
    ranking = rank(probabilities[:, 0], signal)
    possible = [share for share in CONTAMINATIONS if share * background >= FEWEST]
    names = [f"efficiency_{name}_at_{share:.0e}" for share in possible]
    drawn = resampling.measure_all(names, lambda w: [efficiency_at(ranking, share, w) for share in possible])
    metrics = [_at_least_wilson(metric, int(signal.sum())) for metric in drawn]
    metrics.append(_half_efficiency(ranking, name))
    if background > FEWEST:
        q_factor = resampling.measure(f"q_factor_{name}", lambda w: best_improvement(ranking, w), centred=True)
        metrics.append(q_factor)
    unmeasured = {
        f"efficiency_{name}_at_{share:.0e}": f"{share:g} of {background} background showers is {share * background:.2g}"
        f", fewer than {FEWEST}"
        for share in CONTAMINATIONS
        if share not in possible
    }
    return defined(metrics), unmeasured


def _at_least_wilson(metric: Metric, trials: int) -> Metric:
    """Widen an interval to Wilson's: the bootstrap of an efficiency of 1 knows no other value."""
    counted = wilson(metric.name, round(metric.value * trials), trials)
    ends = {"low": min(metric.low, counted.low), "high": max(metric.high, counted.high)}
    return metric.model_copy(update=ends)


def _half_efficiency(ranking: Ranking, name: str) -> Metric:
    signal, background = ranking.above(np.ones(ranking.position.size))
    cut = int(np.argmax(signal >= 0.5 * signal[-1]))
    return wilson(f"contamination_{name}_at_efficiency_0.5", int(background[cut]), int(background[-1]))

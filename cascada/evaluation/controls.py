"""The control of shuffled labels: where labels mean nothing, nothing may be learnt.

A classifier that learns by heart is fitted on labels that were dealt out at random, and asked about the test partition,
whose labels were dealt out in the same deal. What it then knows beyond chance it knows from showers that stand on both
sides of the split, as stations of one shower do in a split by rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascada.evaluation.metrics import Integers, Metric, Resampling
from cascada.training.dataset import Sample

CONTROL, CHANCE = "shuffled_labels_accuracy", "shuffled_labels_chance"
"""Names of the two metrics of the control."""

MOST_ROWS = 40_000
"""Rows of a partition that the control looks at."""


def deal_labels(labels: Integers, groups: Integers, rng: np.random.Generator) -> Integers:
    """Deal labels out anew, whole showers at a time: rows of one group that shared a label share one again.

    Parameters
    ----------
    labels, groups
        Shape (n,), of all partitions together.

    Returns
    -------
    numpy.ndarray
        Shape (n,); the showers have the same labels as before, in another order.
    """
    size = int(labels.max()) + 1
    showers, position = np.unique(groups * size + labels, return_inverse=True)
    return np.asarray(rng.permutation(showers % size)[position], np.int64)


def shuffled_label_control(train: Sample, test: Sample, *, rng: np.random.Generator) -> list[Metric]:
    """Measure the accuracy on dealt-out labels, and the chance to be right by always naming the most frequent one.

    Parameters
    ----------
    train, test
        The partitions of the experiment, with its features. Of large ones, `MOST_ROWS` rows are looked at.

    Returns
    -------
    list of Metric
        `CONTROL` and `CHANCE`, with intervals by group. Empty without rows.

    Notes
    -----
    The classifier is a fully grown forest of extremely randomised trees (Geurts, Ernst, Wehenkel, Mach. Learn. 63
    (2006) 3). A smooth one would name one primary in a whole region of the features, and be right about it by luck.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    if not train.labels.size or not test.labels.size:
        return []
    dealt = deal_labels(np.concatenate([train.labels, test.labels]), np.concatenate([train.groups, test.groups]), rng)
    seen, asked = _some(train.labels.size, rng), _some(test.labels.size, rng)
    answers = dealt[train.labels.size :][asked]
    forest = ExtraTreesClassifier(n_estimators=10, max_features=None, random_state=int(rng.integers(2**31)))
    forest.fit(train.features[seen], dealt[: train.labels.size][seen])
    right = forest.predict(test.features[asked]) == answers
    common = answers == np.bincount(answers).argmax()
    resampling = Resampling(test.groups[asked], rng)
    return [_share(CONTROL, right, resampling), _share(CHANCE, common, resampling)]


def _some(size: int, rng: np.random.Generator) -> Integers:
    return rng.permutation(size)[:MOST_ROWS].astype(np.int64)


def _share(name: str, hits: NDArray[np.bool_], resampling: Resampling) -> Metric:
    values = hits.astype(np.float64)
    return resampling.measure(name, lambda w: float(np.average(values, weights=w)))

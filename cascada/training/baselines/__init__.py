"""Classical models behind one interface: the classifiers and anomaly scores that a network has to beat."""

from cascada.training.baselines.anomaly import AnomalyScore, fit_anomaly
from cascada.training.baselines.supervised import Classifier, fit_supervised

__all__ = ["AnomalyScore", "Classifier", "fit_anomaly", "fit_supervised"]

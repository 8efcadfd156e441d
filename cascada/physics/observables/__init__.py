"""Physics features of showers, events and images, each a named function of observables; all that models see.

Every function takes the observables as a mapping from column name to a float64 array of shape (n,) and returns
shape (n,). Training, evaluation and the service call the same functions. Beside them every observable column of the
shower table is a feature under its own name.
"""

from cascada.physics.observables.feature import Feature, Floats, Observables
from cascada.physics.observables.features import FEATURES, feature_matrix, find_feature, required_columns

__all__ = ["FEATURES", "Feature", "Floats", "Observables", "feature_matrix", "find_feature", "required_columns"]

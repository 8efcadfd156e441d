"""Configuration files: experiments and sources. Defaults stand here, differences stand in the YAML."""

from cascada.config.baselines import Baselines
from cascada.config.dataset import Dataset, Expectations
from cascada.config.experiment import Experiment, Gate, Mode, Split, load_experiment, override_value, put_value
from cascada.config.models import (
    Anomaly,
    DeepAutoencoder,
    Model,
    PerClassAutoencoders,
    SimpleAutoencoder,
    TraceAutoencoder,
    VariationalAutoencoder,
)
from cascada.config.reading import read_yaml, validate_section
from cascada.config.search import METRICS, Range, Search, Values
from cascada.config.section import Section
from cascada.config.shifts import Shifts
from cascada.config.simulator import Detector, SimulatorSource
from cascada.config.sources import (
    AugerSource,
    ColumnMap,
    Corsika7Source,
    Corsika8Source,
    FileSource,
    Hdf5Source,
    LabelMap,
    MappedSource,
    ParquetSource,
    RootSource,
    SnapshotSource,
    Source,
    TextSource,
)
from cascada.config.training import Training

__all__ = [
    "METRICS",
    "Anomaly",
    "AugerSource",
    "Baselines",
    "ColumnMap",
    "Corsika7Source",
    "Corsika8Source",
    "Dataset",
    "DeepAutoencoder",
    "Detector",
    "Expectations",
    "Experiment",
    "FileSource",
    "Gate",
    "Hdf5Source",
    "LabelMap",
    "MappedSource",
    "Mode",
    "Model",
    "ParquetSource",
    "PerClassAutoencoders",
    "Range",
    "RootSource",
    "Search",
    "Section",
    "Shifts",
    "SimpleAutoencoder",
    "SimulatorSource",
    "SnapshotSource",
    "Source",
    "Split",
    "TextSource",
    "TraceAutoencoder",
    "Training",
    "Values",
    "VariationalAutoencoder",
    "load_experiment",
    "override_value",
    "put_value",
    "read_yaml",
    "validate_section",
]

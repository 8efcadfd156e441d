"""Where showers come from; one reader a file."""

from __future__ import annotations

from pathlib import Path

from cascada.config import (
    AugerSource,
    Corsika7Source,
    Corsika8Source,
    FileSource,
    Hdf5Source,
    MappedSource,
    ParquetSource,
    RootSource,
    SimulatorSource,
    SnapshotSource,
    Source,
    TextSource,
)
from cascada.data.sources.table import SourceTable
from cascada.errors import ConfigError


def read_source(config: Source, *, directory: Path | None, seed: int, threads: int) -> SourceTable:
    """Open (or simulate) the showers of a source; rows are read when the table is collected or sunk.

    Parameters
    ----------
    directory
        Folder of the input files, or of the snapshots; required by sources that read either.

    Raises
    ------
    ConfigError
        If a source that reads files has no folder.
    """
    if isinstance(config, SimulatorSource):
        from cascada.data.sources.simulator import simulate

        return simulate(config, seed, threads=threads)
    if isinstance(config, SnapshotSource):
        from cascada.data.sources.snapshot import read_snapshot

        return read_snapshot(config, directory)
    return _read_files(config, _require(config, directory))


# Each reader is imported where it is used: uproot, h5py and pyarrow take their time.
def _read_files(config: FileSource, directory: Path) -> SourceTable:
    match config:
        case MappedSource():
            return _read_tables(config, directory)
        case Corsika7Source():
            from cascada.data.sources.corsika7 import read_corsika7

            return read_corsika7(config, directory)
        case Corsika8Source():
            from cascada.data.sources.corsika8 import read_corsika8

            return read_corsika8(config, directory)
        case AugerSource():
            from cascada.data.sources.auger import read_auger

            return read_auger(config, directory)
    raise ConfigError(f"no reader for {type(config).__name__}")


def _read_tables(config: MappedSource, directory: Path) -> SourceTable:
    match config:
        case TextSource():
            from cascada.data.sources.text import read_text

            return read_text(config, directory)
        case ParquetSource():
            from cascada.data.sources.parquet import read_parquet

            return read_parquet(config, directory)
        case Hdf5Source():
            from cascada.data.sources.hdf5 import read_hdf5

            return read_hdf5(config, directory)
        case RootSource():
            from cascada.data.sources.root import read_root

            return read_root(config, directory)
    raise ConfigError(f"no reader for {type(config).__name__}")


def _require(config: FileSource, directory: Path | None) -> Path:
    if directory is None:
        raise ConfigError(
            "this source reads files, but no data folder is given",
            expected=f"the files from {config.origin} ({config.licence}; cite {config.citation})",
            hint="download them and name their folder with --data DIR, or set source.directory",
        )
    return directory

"""Where showers come from; one reader a file."""

from __future__ import annotations

from pathlib import Path

from cascada.config import SimulatorSource, TextSource
from cascada.data.sources.simulator import simulate
from cascada.data.sources.table import SourceTable
from cascada.data.sources.text import read_text
from cascada.errors import ConfigError


def read_source(
    config: SimulatorSource | TextSource, *, directory: Path | None, seed: int, threads: int
) -> SourceTable:
    """Read (or simulate) the showers of an experiment.

    Parameters
    ----------
    directory
        Folder of the input files; required by sources that read files.

    Raises
    ------
    ConfigError
        If a source that reads files has no folder.
    """
    if isinstance(config, SimulatorSource):
        return simulate(config, seed, threads=threads)
    if directory is None:
        raise ConfigError(
            "this experiment reads files, but no data folder is given",
            expected=f"the files from {config.origin} ({config.licence}; cite {config.citation})",
            hint="download them and name their folder with --data DIR, or set source.directory",
        )
    return read_text(config, directory)

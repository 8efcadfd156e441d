"""Data sets: all that a snapshot is made by."""

from __future__ import annotations

from typing import Literal

from cascada.config.section import Section
from cascada.config.sources import Source


class Expectations(Section):
    """Names of the suites in `expectations/`: before and after ETL, and after the split."""

    raw: str = "raw_showers"
    training: str = "training_showers"
    partitions: str = "partitions"


class Dataset(Section):
    """A source, what mends it and the suites that judge it: all that a snapshot is made by."""

    source: Source
    repair: Literal["none", "difference_running_sums"] = "none"
    expectations: Expectations = Expectations()

"""Showers from the parametric simulator.

Random numbers belong to blocks of a fixed number of showers, each with a generator of its own, so that a table is a
function of seed and settings alone, whatever the number of threads and the size of the chunks it is made in.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from cascada.config import SimulatorSource
from cascada.data.sources.table import SourceTable, in_order
from cascada.physics.primaries import class_order, find_primary
from cascada.physics.showers import draw_mixture
from cascada.repro.seeds import generator

BLOCK_SHOWERS = 8192
"""Showers per random stream; part of what a seed means, so it never changes within a schema version."""


def simulate(config: SimulatorSource, seed: int, *, threads: int = 2) -> SourceTable:
    """Simulate all showers of an experiment into one table."""
    chunks = list(simulate_chunks(config, seed, chunk_showers=max(config.showers, 1), threads=threads))
    generator_name = f"simulator {config.hadronic_model}, seed {seed}"
    return SourceTable(
        frame=pl.concat(chunks).lazy(),
        files=dict.fromkeys(config.primaries, generator_name),
        origin={"origin": generator_name, "settings": config.model_dump(mode="json")},
    )


def simulate_chunks(
    config: SimulatorSource, seed: int, *, chunk_showers: int, threads: int = 2
) -> Iterator[pl.DataFrame]:
    """Simulate showers in chunks.

    Parameters
    ----------
    config
        Primaries, spectrum, number of showers.
    seed
        Root seed; with `config` it determines every byte.
    chunk_showers
        Rows of each frame (the last may have fewer).
    threads
        Blocks made at the same time.

    Raises
    ------
    ConfigError
        If a primary is unknown.
    """
    primaries = class_order({find_primary(name).name for name in config.primaries})
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, config.showers, chunk_showers):
            stop = min(start + chunk_showers, config.showers)
            blocks = range(start // BLOCK_SHOWERS, (stop - 1) // BLOCK_SHOWERS + 1)
            frames = pool.map(lambda block: _block(config, primaries, seed, block), blocks)
            offset = start - blocks.start * BLOCK_SHOWERS
            yield pl.concat(frames).slice(offset, stop - start)


def _block(config: SimulatorSource, primaries: tuple[str, ...], seed: int, block: int) -> pl.DataFrame:
    drawn = draw_mixture(
        primaries,
        BLOCK_SHOWERS,
        lg_energy_ev=(config.lg_energy_ev_min, config.lg_energy_ev_max),
        zenith_deg_max=config.zenith_deg_max,
        rng=generator(seed, "simulator", block=block),
    )
    ids = np.arange(block * BLOCK_SHOWERS, (block + 1) * BLOCK_SHOWERS)
    labels = np.asarray(primaries)[drawn["class_index"]]
    frame = pl.DataFrame(drawn | {"shower_id": ids, "group_id": ids, "primary": labels})
    return frame.select(in_order(frame.columns))

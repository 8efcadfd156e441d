"""Showers from the parametric simulator, as a lazy table.

Random numbers belong to blocks of a fixed number of showers, each with a generator of its own, so that a table is a
function of seed and settings alone, whatever the number of threads and the size of the chunks it is made in. Every
table is made anew when it is collected or sunk; the truth of a shower has the id of the shower.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import SimulatorSource
from cascada.data.sources.table import SourceTable, from_chunks, in_order
from cascada.physics.anomalies import draw_kinds, with_anomalies
from cascada.physics.showers import Flux, draw_flux, simulated_primaries
from cascada.repro.seeds import generator

BLOCK_SHOWERS = 8192
"""Showers per random stream; part of what a seed means, so it never changes within a schema version."""

CHUNK_SHOWERS = 16 * BLOCK_SHOWERS
"""Rows that are held at a time at shower level: some 10 MB."""

Strings = NDArray[np.str_]
Block = Callable[[int], pl.DataFrame]

_COLUMNS = (
    "shower_id", "group_id", "primary", "energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2", "hadronic_model",
)  # fmt: skip
_TRUTH = ("shower_id", "anomaly")


def simulate(config: SimulatorSource, seed: int, *, threads: int = 2) -> SourceTable:
    """Open the showers (or events) of an experiment; they are made when the table is collected or sunk.

    Raises
    ------
    ConfigError
        If a primary is unknown, or is none that the simulator has showers of.
    """
    name = f"simulator {config.hadronic_model}, seed {seed}"
    primaries = simulated_primaries(config.primaries)
    if config.level == "detector":
        from cascada.data.sources.detector import event_tables

        frame, tables = event_tables(config, seed, threads=threads)
    else:
        frame, tables = _shower_tables(config, seed, threads)
    origin = {"origin": name, "settings": config.model_dump(mode="json")}
    return SourceTable(frame, dict.fromkeys(primaries, name), origin, tables)


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
    make = functools.partial(_shower_block, config, seed)
    yield from in_chunks(make, config.showers, chunk=chunk_showers, threads=threads)


def simulate_truth(
    config: SimulatorSource, seed: int, *, chunk_showers: int, threads: int = 2
) -> Iterator[pl.DataFrame]:
    """Tell the kind of every shower of `simulate_chunks`, in the same chunks."""
    make = functools.partial(_truth_block, config, seed)
    yield from in_chunks(make, config.showers, chunk=chunk_showers, threads=threads)


def in_chunks(make: Block, showers: int, *, chunk: int, threads: int) -> Iterator[pl.DataFrame]:
    """Cut a table that is made in blocks of `BLOCK_SHOWERS` into chunks of any size."""
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, showers, chunk):
            stop = min(start + chunk, showers)
            blocks = range(start // BLOCK_SHOWERS, (stop - 1) // BLOCK_SHOWERS + 1)
            offset = start - blocks.start * BLOCK_SHOWERS
            yield pl.concat(pool.map(make, blocks)).slice(offset, stop - start)


def draw_block(config: SimulatorSource, seed: int, block: int) -> tuple[Flux, Strings | None]:
    """Draw the showers of a block, and their kinds when anomalies are asked for."""
    flux = draw_flux(config, BLOCK_SHOWERS, generator(seed, "simulator", block=block))
    if not config.anomalies:
        return flux, None
    rng = generator(seed, "simulator.anomalies", block=block)
    kinds = draw_kinds(config, flux, rng)
    showers = with_anomalies(config, flux, kinds, rng)
    return Flux(flux.class_index, flux.energy_eev, flux.zenith_deg, showers), kinds


def block_ids(block: int) -> NDArray[np.int64]:
    """Number the showers of a block."""
    return np.arange(block * BLOCK_SHOWERS, (block + 1) * BLOCK_SHOWERS)


def _shower_tables(config: SimulatorSource, seed: int, threads: int) -> tuple[pl.LazyFrame, dict[str, pl.LazyFrame]]:
    def lazy(chunks: Callable[..., Iterator[pl.DataFrame]], columns: Sequence[str]) -> pl.LazyFrame:
        return from_chunks(lambda: chunks(config, seed, chunk_showers=CHUNK_SHOWERS, threads=threads), columns)

    frame, truth = lazy(simulate_chunks, _COLUMNS), lazy(simulate_truth, _TRUTH)
    return frame, {"truth": truth} if config.anomalies else {}


def _shower_block(config: SimulatorSource, seed: int, block: int) -> pl.DataFrame:
    flux, _ = draw_block(config, seed, block)
    primaries = simulated_primaries(config.primaries)
    frame = pl.DataFrame({
        "energy_eev": flux.energy_eev, "zenith_deg": flux.zenith_deg, **vars(flux.showers),
        "shower_id": block_ids(block), "group_id": block_ids(block),
        "primary": pl.Series(primaries).gather(flux.class_index),
    })  # fmt: skip
    frame = frame.with_columns(pl.lit(config.hadronic_model).alias("hadronic_model"))
    return frame.select(in_order(frame.columns))


def _truth_block(config: SimulatorSource, seed: int, block: int) -> pl.DataFrame:
    _, kinds = draw_block(config, seed, block)
    return pl.DataFrame({"shower_id": block_ids(block), "anomaly": kinds})

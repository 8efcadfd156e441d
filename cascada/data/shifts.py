"""Shifted copies of a test table: the same showers under another hadronic model, with more muons, in an older detector.

A model that was fitted on one simulation meets nature, and nature differs from every simulation. These tables say by
how much that may hurt. Every function leaves its input as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from cascada.config import Shifts, SimulatorSource
from cascada.config.sources import Source
from cascada.data.sources.simulator import simulate
from cascada.errors import ConfigError

SIGNALS = ("n_mu", "n_em", "s1000_vem", "s38_vem", "signal_vem")
"""Columns that are proportional to the light in the tanks."""

PULSES = ("fall_time_ns", "area_over_peak_ns")
"""Columns that follow the decay of the light in a tank; the rise is that of the shower."""

_ENERGY_POWER = 1.03
"""``energy_reco_eev`` goes with this power of S38 (`cascada.physics.reconstruction`)."""

_MAXIMUM_MUON_SCALE = 1.5
"""Of the simulator."""


def shifted_tables(source: Source, frame: pl.DataFrame, shifts: Shifts, *, seed: int) -> dict[str, pl.DataFrame]:
    """Make the shifted copies of a table that its source can have.

    Parameters
    ----------
    source
        Where the table came from. Other hadronic models, and more muons in traces, need the simulator.
    frame
        Showers or events, for example a test partition; the shifted tables hold the same showers in the same order.
    seed
        Root seed that the table was drawn with.

    Returns
    -------
    dict
        What was shifted, in words -> table.

    Raises
    ------
    ConfigError
        If a muon scale goes beyond what the simulator can do.
    """
    tables: dict[str, pl.DataFrame] = {}
    if isinstance(source, SimulatorSource):
        others = [model for model in shifts.hadronic_models if model != source.hadronic_model]
        tables |= {f"hadronic model {name}": with_hadronic_model(source, frame, name, seed=seed) for name in others}
    for scale in shifts.muon_scales:
        if "n_mu" in frame.columns:
            tables[f"muons x {scale:g}"] = scale_muons(frame, scale)
        elif isinstance(source, SimulatorSource):
            tables[f"muons x {scale:g}"] = with_muon_scale(source, frame, scale, seed=seed)
    if not _present(frame, SIGNALS + PULSES):
        return tables
    for years in shifts.ageing_years:
        tables[f"{years:g} years older"] = age_detector(
            frame, years, signal_loss_per_year=shifts.signal_loss_per_year,
            pulse_loss_per_year=shifts.pulse_loss_per_year,
        )  # fmt: skip
    return tables


def with_hadronic_model(source: SimulatorSource, frame: pl.DataFrame, name: str, *, seed: int) -> pl.DataFrame:
    """Draw the showers of a table anew under another hadronic model, with the same primaries, energies and directions.

    Photons stay as they are: their showers hardly know of hadronic interactions. At detector level the events that
    trigger differ, so the table may be shorter.
    """
    return _drawn_anew(source, frame, {"hadronic_model": name}, seed=seed)


def with_muon_scale(source: SimulatorSource, frame: pl.DataFrame, scale: float, *, seed: int) -> pl.DataFrame:
    """Draw the showers of a table anew with more muons, so that traces and reconstruction follow.

    Raises
    ------
    ConfigError
        If scale and that of the source together exceed what the simulator can do.
    """
    total = source.muon_scale * scale
    if total > _MAXIMUM_MUON_SCALE:
        raise ConfigError(
            "the simulator has no showers with so many muons", expected=f"a factor of at most {_MAXIMUM_MUON_SCALE:g}",
            got=f"{scale:g} on top of the source's muon_scale of {source.muon_scale:g}",
            hint="lower shifts.muon_scales",
        )  # fmt: skip
    return _drawn_anew(source, frame, {"muon_scale": total}, seed=seed)


def _drawn_anew(source: SimulatorSource, frame: pl.DataFrame, changes: dict[str, object], *, seed: int) -> pl.DataFrame:
    wanted = frame.select("shower_id")
    drawn = simulate(source.model_copy(update=changes), seed).frame.join(wanted.lazy(), on="shower_id", how="semi")
    return wanted.join(drawn.collect(), on="shower_id", maintain_order="left").select(frame.columns)


def scale_muons(frame: pl.DataFrame, scale: float) -> pl.DataFrame:
    """Multiply the muons at the ground.

    Simulations have too few: by a factor of 1.3 (EPOS-LHC) to 1.6 (QGSJetII-04) at 10 EeV (Pierre Auger Collaboration,
    Phys. Rev. Lett. 117 (2016) 192001).

    Raises
    ------
    ConfigError
        If the table has no muons.
    """
    if "n_mu" not in frame.columns:
        raise ConfigError("the table has no muons to scale", expected="the column n_mu", got=", ".join(frame.columns))
    return _scaled(frame, ["n_mu"], scale)


def age_detector(
    frame: pl.DataFrame, years: float, *, signal_loss_per_year: float, pulse_loss_per_year: float
) -> pl.DataFrame:
    """Let water-Cherenkov tanks grow older by some years after their calibration.

    Liners and water absorb more light with time. Less light is collected, of which a share escapes the calibration
    with single muons, and what is collected is collected earlier, so that pulses decay faster: the area over peak of
    Auger's stations fell by some per cent in their first years (Pierre Auger Collaboration, 32nd ICRC (2011),
    arXiv:1107.4806). Both losses are taken as exponential in time, alike for all stations; the loss of signal is a
    scenario, not a measurement. A measured event keeps its trigger.

    Parameters
    ----------
    frame
        With one of the columns `SIGNALS` or `PULSES` at least.
    signal_loss_per_year, pulse_loss_per_year
        Share lost in a year, 0 to 1.

    Raises
    ------
    ConfigError
        If no column of the table ages.
    """
    signals, pulses = _present(frame, SIGNALS), _present(frame, PULSES)
    if not signals and not pulses:
        raise ConfigError(
            "no column of the table ages", expected=", ".join(SIGNALS + PULSES), got=", ".join(frame.columns)
        )
    kept = (1.0 - signal_loss_per_year) ** years
    aged = _scaled(_scaled(frame, signals, kept), pulses, (1.0 - pulse_loss_per_year) ** years)
    return _scaled(aged, _present(frame, ["energy_reco_eev"]), kept**_ENERGY_POWER)


def _present(frame: pl.DataFrame, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in frame.columns]


def _scaled(frame: pl.DataFrame, names: Iterable[str], factor: float) -> pl.DataFrame:
    return frame.with_columns([(pl.col(n).cast(pl.Float64) * factor).cast(frame.schema[n]).alias(n) for n in names])

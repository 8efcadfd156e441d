"""Shifts of the domain: what a model meets that it was not trained on."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from cascada.config.section import Section
from cascada.config.simulator import HadronicModel

MuonScale = Annotated[float, Field(gt=1.0, le=1.5)]
Years = Annotated[float, Field(gt=0.0, le=30.0)]
LossPerYear = Annotated[float, Field(ge=0.0, le=0.1)]


class Shifts(Section):
    """Shifted copies of a test table.

    The muon scales span what measurements ask of models: Auger finds 1.3 (EPOS-LHC) and 1.6 (QGSJetII-04) times the
    simulated hadronic signal at 10 EeV (Phys. Rev. Lett. 117 (2016) 192001).
    """

    hadronic_models: tuple[HadronicModel, ...] = Field(
        get_args(HadronicModel), description="simulated showers drawn anew; that of the source is left out"
    )
    muon_scales: tuple[MuonScale, ...] = Field((1.1, 1.3, 1.5), description="factors on the muons")
    ageing_years: tuple[Years, ...] = Field((5.0, 15.0), description="years since the detector was calibrated")
    signal_loss_per_year: LossPerYear = Field(0.01, description="share of the light that calibration does not catch")
    pulse_loss_per_year: LossPerYear = Field(0.01, description="share by which the decay of pulses gets shorter")

"""Particle codes of CORSIKA 7 and of the PDG, and the species they are counted as."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.physics.particles import BOOKKEEPING, SPECIES, UNKNOWN, pdg_of_corsika, species_of_corsika, species_of_pdg
from cascada.physics.primaries import from_corsika_id, from_pdg

# CORSIKA 7 user's guide, table 4, and the PDG's Monte Carlo numbering scheme.
KNOWN = [
    (1, 22, "gamma"), (2, -11, "e"), (3, 11, "e"), (5, -13, "mu"), (6, 13, "mu"), (7, 111, "hadron"),
    (8, 211, "hadron"), (9, -211, "hadron"), (10, 130, "hadron"), (11, 321, "hadron"), (13, 2112, "hadron"),
    (14, 2212, "hadron"), (15, -2212, "hadron"), (18, 3122, "hadron"), (25, -2112, "hadron"), (27, -3222, "hadron"),
    (66, 12, "other"), (67, -12, "other"), (68, 14, "other"), (69, -14, "other"), (71, 221, "hadron"),
    (116, 421, "hadron"), (131, -15, "other"), (132, 15, "other"), (133, 16, "other"), (201, 1000010020, "other"),
    (402, 1000020040, "other"), (1407, 1000070140, "other"), (5626, 1000260560, "other"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "pdg", "species"), KNOWN)
def test_particles_have_their_codes_and_species(code: int, pdg: int, species: str) -> None:
    assert pdg_of_corsika(np.array([code], np.int32)).tolist() == [pdg]
    assert SPECIES[species_of_corsika(np.array([code], np.int32))[0]] == species
    assert SPECIES[species_of_pdg(np.array([pdg]))[0]] == species


def test_muon_information_is_no_particle() -> None:
    assert set(species_of_corsika(np.array([75, 76, 85, 86, 95, 96], np.int32)).tolist()) == {BOOKKEEPING}


@pytest.mark.parametrize("code", [-1, 0, 4, 33, 47, 70, 77, 99, 196, 200, 203, 8888, 9900, 9999, 10_000, 2**31 - 1])
def test_unknown_codes_are_known_to_be_unknown(code: int) -> None:
    assert species_of_corsika(np.array([1, code], np.int32)).tolist() == [0, UNKNOWN]


@pytest.mark.parametrize("code", [0, 7, 23, 90, 5_000_000])
def test_unknown_pdg_codes_are_known_to_be_unknown(code: int) -> None:
    assert species_of_pdg(np.array([22, code, -code])).tolist() == [0, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(("code", "pdg"), [(1, 22), (3, 11), (14, 2212), (402, 1000020040), (5426, 1000260540)])
def test_primaries_are_the_same_by_either_code(code: int, pdg: int) -> None:
    primary = from_pdg(pdg)
    assert primary is not None
    assert primary is from_corsika_id(code)


@pytest.mark.parametrize("pdg", [0, 13, 2112, -2212, 1000270590, 1000260561, 1000260200, 1010020040])
def test_what_is_no_primary_has_no_name(pdg: int) -> None:
    assert from_pdg(pdg) is None

"""The particles of an air shower: which of the counted species a code of CORSIKA 7 or of the PDG stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPECIES = ("gamma", "e", "mu", "hadron", "other")
"""What is counted at ground; `other` are neutrinos, taus and nuclei. Positions are the codes of the functions below."""

GAMMA, ELECTRON, MUON, HADRON, OTHER = range(5)
BOOKKEEPING = 5
"""Code of rows that describe a muon's origin or end and are no particles themselves."""
UNKNOWN = 255

_NUCLEUS_PDG = 1_000_000_000

# Codes of CORSIKA 7 (user's guide, table 4) and of the Particle Data Group's Monte Carlo numbering scheme; 71 to 74 are
# the eta with its channel of decay already drawn.
_PDG = {
    1: 22, 2: -11, 3: 11, 5: -13, 6: 13, 7: 111, 8: 211, 9: -211, 10: 130, 11: 321, 12: -321, 13: 2112, 14: 2212,
    15: -2212, 16: 310, 17: 221, 18: 3122, 19: 3222, 20: 3212, 21: 3112, 22: 3322, 23: 3312, 24: 3334, 25: -2112,
    26: -3122, 27: -3222, 28: -3212, 29: -3112, 30: -3322, 31: -3312, 32: -3334, 48: 331, 49: 333, 50: 223, 51: 113,
    52: 213, 53: -213, 54: 2224, 55: 2214, 56: 2114, 57: 1114, 58: -2224, 59: -2214, 60: -2114, 61: -1114, 62: 313,
    63: 323, 64: -323, 65: -313, 66: 12, 67: -12, 68: 14, 69: -14, 71: 221, 72: 221, 73: 221, 74: 221, 116: 421,
    117: 411, 118: -411, 119: -421, 120: 431, 121: -431, 122: 441, 123: 423, 124: 413, 125: -413, 126: -423, 127: 433,
    128: -433, 130: 443, 131: -15, 132: 15, 133: 16, 134: -16, 137: 4122, 138: 4232, 139: 4132, 140: 4222, 141: 4212,
    142: 4112, 143: 4322, 144: 4312, 145: 4332, 149: -4122, 150: -4232, 151: -4132, 152: -4222, 153: -4212, 154: -4112,
    155: -4322, 156: -4312, 157: -4332, 161: 4224, 162: 4214, 163: 4114, 171: -4224, 172: -4214, 173: -4114, 176: 511,
    177: 521, 178: -521, 179: -511, 180: 531, 181: -531, 182: 541, 183: -541, 184: 5122, 185: 5112, 186: 5222,
    187: 5232, 188: 5132, 189: 5332, 190: -5122, 191: -5112, 192: -5222, 193: -5232, 194: -5132, 195: -5332,
}  # fmt: skip

# Additional information on muons: at their birth (75, 76), at birth of those that never reach the ground (85, 86) and
# where these end (95, 96).
_BOOKKEEPING = (75, 76, 85, 86, 95, 96)
_LARGEST_CODE = 9999
_HEAVIEST = 59  # mass number; CORSIKA 7 follows no heavier nucleus


def species_of_pdg(codes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Sort PDG codes into species.

    Parameters
    ----------
    codes
        Shape (n,).

    Returns
    -------
    NDArray
        Shape (n,): position in `SPECIES`, or `UNKNOWN`.

    Examples
    --------
    >>> species_of_pdg(np.array([22, -11, 13, 2112, 14, 1000020040, 0])).tolist()
    [0, 1, 2, 3, 4, 4, 255]
    """
    size = np.abs(codes)
    species = np.full(codes.shape, UNKNOWN, np.uint8)
    species[(size > 100) & (size < 1_000_000)] = HADRON
    species[np.isin(size, (12, 14, 15, 16)) | (size > _NUCLEUS_PDG)] = OTHER
    for code, kind in ((22, GAMMA), (11, ELECTRON), (13, MUON)):
        species[size == code] = kind
    return species


def _tabulate_pdg() -> NDArray[np.int64]:
    pdg = np.zeros(_LARGEST_CODE + 1, np.int64)
    pdg[list(_PDG)] = list(_PDG.values())
    for mass in range(2, _HEAVIEST + 1):
        charges = np.arange(1, mass + 1)
        pdg[100 * mass + charges] = _NUCLEUS_PDG + 10_000 * charges + 10 * mass
    return pdg


_PDG_OF_CORSIKA = _tabulate_pdg()
_SPECIES_OF_CORSIKA = species_of_pdg(_PDG_OF_CORSIKA)
_SPECIES_OF_CORSIKA[list(_BOOKKEEPING)] = BOOKKEEPING


def species_of_corsika(codes: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Sort particle codes of CORSIKA 7 into species.

    Parameters
    ----------
    codes
        Shape (n,): 1 photon, 2 and 3 positron and electron, ...; A * 100 + Z for nuclei.

    Returns
    -------
    NDArray
        Shape (n,): position in `SPECIES`, `BOOKKEEPING` or `UNKNOWN`.

    Examples
    --------
    >>> species_of_corsika(np.array([1, 2, 6, 14, 68, 402, 75, 4], np.int32)).tolist()
    [0, 1, 2, 3, 4, 4, 5, 255]
    """
    inside = (codes >= 0) & (codes <= _LARGEST_CODE)
    if inside.all():
        return _SPECIES_OF_CORSIKA[codes]
    return np.where(inside, _SPECIES_OF_CORSIKA[np.where(inside, codes, 0)], np.uint8(UNKNOWN))


def pdg_of_corsika(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Translate particle codes of CORSIKA 7 into those of the PDG.

    Parameters
    ----------
    codes
        Shape (n,): codes of known particles.

    Examples
    --------
    >>> pdg_of_corsika(np.array([1, 5, 25, 5626], np.int32)).tolist()
    [22, -13, -2112, 1000260560]
    """
    return _PDG_OF_CORSIKA[codes]

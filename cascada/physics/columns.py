"""Every column of the shower table, once: type, unit, range, role. The units that files may bring are in `units`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Role = Literal["id", "group", "label", "domain", "weight", "observable", "truth"]
"""What a column is for: ``domain`` names conditions such as the hadronic model; ``truth`` is what only a simulation
knows, never a feature."""

SCHEMA_VERSION = 1
"""Version of the shower table: raised when a column, a unit or a meaning changes."""


@dataclass(frozen=True)
class Column:
    """A column of the shower table.

    Attributes
    ----------
    dtype
        NumPy name of the stored type.
    unit
        Canonical unit; "1" for counts, "" where none applies.
    minimum, maximum
        Range that the service accepts, inclusive; suites set the range of each data set.
    """

    name: str
    dtype: Literal["int64", "float32", "str", "bool"]
    unit: str
    role: Role
    minimum: float = -math.inf
    maximum: float = math.inf
    description: str = ""


# Events as a ground array with fluorescence telescopes reconstructs them; Pierre Auger Open Data,
# doi:10.5281/zenodo.4487612. Their suites set narrower ranges.
_DETECTOR = (
    Column("arrival_azimuth_deg", "float32", "deg", "observable", -360.0, 360.0, "where it came from, east to north"),
    Column("energy_uncertainty_eev", "float32", "EeV", "observable", 0.0, 320.0, "of the reconstructed energy"),
    Column("calorimetric_energy_eev", "float32", "EeV", "observable", 0.0, 320.0, "energy deposited in the air"),
    Column("xmax_uncertainty_g_cm2", "float32", "g/cm2", "observable", 0.0, 1600.0, "of the depth of the maximum"),
    Column("xmax_height_m", "float32", "m", "observable", -500.0, 100_000.0, "height of the maximum above sea level"),
    Column("dedx_max_pev_g_cm2", "float32", "PeV/(g/cm2)", "observable", 0.0, 1e4, "energy deposit at the maximum"),
    Column("s1000_vem", "float32", "VEM", "observable", 0.0, 1e5, "signal at 1000 m from the core"),
    Column("s38_vem", "float32", "VEM", "observable", 0.0, 1e5, "s1000_vem as it were at 38 degrees zenith"),
    Column("n_stations", "float32", "1", "observable", 0.0, 1700.0, "stations in the reconstruction"),
    Column("core_x_m", "float32", "m", "observable", -1e5, 1e5, "shower core, eastward in the array's frame"),
    Column("core_y_m", "float32", "m", "observable", -1e5, 1e5, "shower core, northward in the array's frame"),
)

# What the simulated surface detector reconstructs (`cascada.physics.reconstruction`), and what the station nearest the
# reference distance of the array measured.
_EVENT = (
    Column("energy_reco_eev", "float32", "EeV", "observable", 0.0, 1e5, "from s38_vem, on the scale of Auger"),
    Column("zenith_reco_deg", "float32", "deg", "observable", 0.0, 90.0, "zenith angle of the fitted front"),
    Column("azimuth_reco_deg", "float32", "deg", "observable", 0.0, 360.0, "where it comes from, from x towards y"),
    Column("core_x_reco_m", "float32", "m", "observable", -1e5, 1e5, "fitted core, from the hottest station"),
    Column("core_y_reco_m", "float32", "m", "observable", -1e5, 1e5, "fitted core, from the hottest station"),
    Column("distance_m", "float32", "m", "observable", 0.0, 1e5, "of the station from the fitted axis"),
    Column("signal_vem", "float32", "VEM", "observable", 0.0, 1e6, "of the station"),
    Column("rise_time_ns", "float32", "ns", "observable", 0.0, 2e4, "from 10 to 50 % of the signal"),
    Column("fall_time_ns", "float32", "ns", "observable", 0.0, 2e4, "from 50 to 90 % of the signal"),
    Column("area_over_peak_ns", "float32", "ns", "observable", 0.0, 2e4, "signal over its highest bin of 25 ns"),
)

# Images of Cherenkov telescopes: parameters of Hillas, Proc. 19th ICRC (1985) 3, 445; distances in the camera plane.
# MAGIC: Bock et al., NIM A 516 (2004) 511, doi:10.24432/C52C8B; FACT: fact-project.org/data.
_IMAGE = (
    Column("image_length_mm", "float32", "mm", "observable", 0.0, 1e4, "rms along the major axis"),
    Column("image_width_mm", "float32", "mm", "observable", 0.0, 1e4, "rms along the minor axis"),
    Column("image_size_phe", "float32", "phe", "observable", 0.0, 1e8, "sum of all pixels of the image"),
    Column("image_concentration_1", "float32", "1", "observable", 0.0, 1.0, "share of the brightest pixel"),
    Column("image_concentration_2", "float32", "1", "observable", 0.0, 1.0, "share of the two brightest pixels"),
    Column("image_concentration_cog", "float32", "1", "observable", -1.0, 1.0, "share of the pixels at the centroid"),
    Column("image_concentration_core", "float32", "1", "observable", -1.0, 1.0, "share of the pixels in the ellipse"),
    Column("image_asymmetry_mm", "float32", "mm", "observable", -1e4, 1e4, "brightest pixel to centroid, on the axis"),
    Column("image_m3_long_mm", "float32", "mm", "observable", -1e4, 1e4, "cubic root of the third moment, major axis"),
    Column("image_m3_trans_mm", "float32", "mm", "observable", -1e4, 1e4, "cubic root of the third moment, minor axis"),
    Column("image_skewness_long", "float32", "1", "observable", -1e3, 1e3, "along the major axis"),
    Column("image_skewness_trans", "float32", "1", "observable", -1e3, 1e3, "along the minor axis"),
    Column("image_kurtosis_long", "float32", "1", "observable", 0.0, 1e6, "along the major axis; 3 for a normal one"),
    Column("image_kurtosis_trans", "float32", "1", "observable", 0.0, 1e6, "along the minor axis; 3 for a normal one"),
    Column("image_alpha_deg", "float32", "deg", "observable", 0.0, 90.0, "major axis against the line to the source"),
    Column("image_dist_mm", "float32", "mm", "observable", 0.0, 1e4, "centroid to the source position"),
    Column("image_cog_x_mm", "float32", "mm", "observable", -1e4, 1e4, "centroid in the camera"),
    Column("image_cog_y_mm", "float32", "mm", "observable", -1e4, 1e4, "centroid in the camera"),
    Column("image_delta_deg", "float32", "deg", "observable", -180.0, 180.0, "major axis against the camera's x"),
    Column("image_leakage_1", "float32", "1", "observable", 0.0, 1.0, "share of the outermost ring of pixels"),
    Column("image_leakage_2", "float32", "1", "observable", 0.0, 1.0, "share of the two outermost rings"),
    Column("image_islands", "float32", "1", "observable", 0.0, 1e5, "separate groups of pixels"),
    Column("image_pixels", "float32", "1", "observable", 0.0, 1e5, "pixels of the image"),
    Column("image_gradient_long_ns_mm", "float32", "ns/mm", "observable", -1e3, 1e3, "arrival time, major axis"),
    Column("image_gradient_trans_ns_mm", "float32", "ns/mm", "observable", -1e3, 1e3, "arrival time, minor axis"),
    Column("image_timespread_ns", "float32", "ns", "observable", 0.0, 1e3, "rms of the arrival times"),
)

_TRUTH = (
    Column("energy_true_eev", "float32", "EeV", "truth", 0.0, 1e4, "simulated energy of the primary"),
    Column("zenith_true_deg", "float32", "deg", "truth", 0.0, 180.0, "simulated zenith angle"),
    Column("azimuth_true_deg", "float32", "deg", "truth", 0.0, 360.0, "where it comes from, from x towards y"),
    Column("core_x_true_m", "float32", "m", "truth", -1e5, 1e5, "simulated core, from the hottest station"),
    Column("core_y_true_m", "float32", "m", "truth", -1e5, 1e5, "simulated core, from the hottest station"),
    Column("xmax_true_g_cm2", "float32", "g/cm2", "truth", 0.0, 1e4, "slant depth of the shower maximum"),
    Column("n_mu_true", "float32", "1", "truth", 0.0, 1e12, "muons at ground"),
    Column("n_em_true", "float32", "1", "truth", 0.0, 1e14, "photons, electrons and positrons at ground"),
    Column("anomaly", "str", "", "truth", description="kind of unusual shower or detector, or none"),
    Column("impact_true_m", "float32", "m", "truth", 0.0, 1e5, "distance of the shower axis from the telescope"),
)

# What full simulations (CORSIKA 7 and 8) give in addition: sums over the particles at ground.
_EM, _MUONS = "photons, electrons and positrons", "muons"
_BEHIND = "behind the plane shower front, from the first particle on"
_GROUND = (
    Column("hadronic_model", "str", "", "domain", description="hadronic interaction model at high energies"),
    Column("azimuth_deg", "float32", "deg", "observable", 0.0, 360.0, "where it goes to; in CORSIKA 7, north to west"),
    Column("first_interaction_km", "float32", "km", "truth", 0.0, 1000.0, "its height above sea level"),
    Column("n_gamma", "float32", "1", "observable", 0.0, 1e14, "photons at ground"),
    Column("n_e", "float32", "1", "observable", 0.0, 1e14, "electrons and positrons at ground"),
    Column("n_hadron", "float32", "1", "observable", 0.0, 1e12, "hadrons at ground, nuclei apart"),
    Column("n_other", "float32", "1", "truth", 0.0, 1e14, "neutrinos, taus and nuclei at ground"),
    Column("r_em_mean_m", "float32", "m", "observable", 0.0, 1e6, f"mean distance from the axis: {_EM}"),
    Column("r_em_rms_m", "float32", "m", "observable", 0.0, 1e6, f"rms distance from the axis: {_EM}"),
    Column("r_mu_mean_m", "float32", "m", "observable", 0.0, 1e6, f"mean distance from the axis: {_MUONS}"),
    Column("r_mu_rms_m", "float32", "m", "observable", 0.0, 1e6, f"rms distance from the axis: {_MUONS}"),
    Column("t_em_10_ns", "float32", "ns", "observable", 0.0, 1e9, f"10 % have arrived {_BEHIND}: {_EM}"),
    Column("t_em_50_ns", "float32", "ns", "observable", 0.0, 1e9, f"50 % have arrived {_BEHIND}: {_EM}"),
    Column("t_em_90_ns", "float32", "ns", "observable", 0.0, 1e9, f"90 % have arrived {_BEHIND}: {_EM}"),
    Column("t_mu_10_ns", "float32", "ns", "observable", 0.0, 1e9, f"10 % have arrived {_BEHIND}: {_MUONS}"),
    Column("t_mu_50_ns", "float32", "ns", "observable", 0.0, 1e9, f"50 % have arrived {_BEHIND}: {_MUONS}"),
    Column("t_mu_90_ns", "float32", "ns", "observable", 0.0, 1e9, f"90 % have arrived {_BEHIND}: {_MUONS}"),
)

COLUMNS = {
    column.name: column
    for column in (
        Column("shower_id", "int64", "", "id", description="unique within a snapshot"),
        Column("group_id", "int64", "", "group", description="rows of one group never stand on both sides of a split"),
        Column("primary", "str", "", "label", description="name in cascada.physics.primaries"),
        Column("energy_eev", "float32", "EeV", "observable", 0.99, 320.0, "primary energy"),
        Column("zenith_deg", "float32", "deg", "observable", 0.0, 60.001, "zenith angle of the shower axis"),
        Column("n_mu", "float32", "1", "observable", 1.0, 1e12, "muons at ground"),
        Column("n_em", "float32", "1", "observable", 1.0, 1e14, "photons, electrons and positrons at ground"),
        Column("xmax_g_cm2", "float32", "g/cm2", "observable", 400.0, 1600.0, "slant depth of the shower maximum"),
        *_GROUND,
        *_DETECTOR,
        *_EVENT,
        *_IMAGE,
        *_TRUTH,
    )
}
"""The shower table, in order."""

COUNTS = ("n_mu", "n_em")
OBSERVABLES = tuple(c.name for c in COLUMNS.values() if c.role == "observable")

"""Physics of a shower table, one row a primary: what expectation suites check beyond types and ranges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from cascada.physics.columns import COUNTS
from cascada.physics.primaries import class_order


def physics_per_primary(frame: pl.DataFrame, files: Mapping[str, str]) -> pl.DataFrame:
    """Summarise a shower table in file order.

    Parameters
    ----------
    frame
        Rows of the shower table, at least one.
    files
        Primary to its file, copied into the column ``file``.

    Returns
    -------
    polars.DataFrame
        One row a primary: ``primary, file, rows``; for each count ``decreasing_share_<count>``, the share of
        consecutive rows in which it decreases (1/2 for independent showers, 0 for running sums); and of a fit of
        ln N_mu to ln E, sec(zenith) and its square: ``ln_n_mu_slope`` = d ln N_mu / d ln E (Heitler-Matthews: 0.85 to
        0.95 for nuclei, Matthews, Astropart. Phys. 22 (2005) 387) and ``ln_n_mu_scatter``, the rms of its residuals.
        Values that cannot be computed are null.
    """
    present = set(frame["primary"].unique().drop_nulls().to_list())
    known = class_order(present)
    rows = [
        _summary(frame.filter(pl.col("primary") == name), name, files)
        for name in (*known, *sorted(present - set(known)))
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _summary(part: pl.DataFrame, name: str, files: Mapping[str, str]) -> dict[str, object]:
    row: dict[str, object] = {"primary": name, "file": files.get(name, ""), "rows": part.height}
    for count in COUNTS:
        if count in part.columns:
            row[f"decreasing_share_{count}"] = (part[count].diff().drop_nulls() < 0).mean()
    row["ln_n_mu_slope"], row["ln_n_mu_scatter"] = _muon_slope(part)
    return row


def _muon_slope(part: pl.DataFrame) -> tuple[float | None, float | None]:
    if "n_mu" not in part.columns:
        return None, None
    physical = (pl.col("n_mu") > 0, pl.col("energy_eev") > 0, pl.col("zenith_deg").abs() < 89)
    numbers = part.select("energy_eev", "zenith_deg", "n_mu").drop_nulls().cast(pl.Float64)
    usable = numbers.filter(pl.all_horizontal(pl.all().is_finite()), *physical)
    if usable.height < 10:
        return None, None
    energy, zenith, n_mu = (usable[column].to_numpy() for column in ("energy_eev", "zenith_deg", "n_mu"))
    tilt = 1.0 / np.cos(np.radians(zenith)) - 1.0
    design = np.stack([np.ones_like(tilt), np.log(energy), tilt, tilt**2], axis=1)
    fit, *_ = np.linalg.lstsq(design, np.log(n_mu))
    return float(fit[1]), float(np.std(np.log(n_mu) - design @ fit))

"""How real the parametric showers are: published moments, a classifier that tries to tell them from CORSIKA, a figure.

    python -m benchmarks.bench_realism --data DATA      # holds composition_5class_corsika and xmax_26primaries

prints Markdown tables and writes ``docs/figures/xmax_26_nuclei.png``.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from benchmarks.corsika_showers import Showers, load_showers
from cascada.physics.columns import COLUMNS
from cascada.physics.depth import draw_gumbel, gumbel_parameters
from cascada.physics.observables import feature_matrix
from cascada.physics.primaries import PRIMARIES, find_primary
from cascada.physics.showers import draw_showers

Floats = NDArray[np.float64]
FIGURE = Path(__file__).resolve().parents[1] / "docs/figures/xmax_26_nuclei.png"

LG_ENERGY_EV = (17.0, 18.0, 18.5, 19.0, 19.5, 20.0)
XMAX_MOMENTS = {
    "QGSJetII-04": {
        "p": ((680.7, 736.1, 763.5, 790.7, 817.7, 844.5), (69.6, 65.4, 63.5, 61.6, 59.9, 58.2)),
        "He": ((646.0, 702.0, 729.5, 756.7, 783.6, 810.1), (50.1, 46.8, 45.3, 43.9, 42.6, 41.4)),
        "N": ((614.5, 672.3, 700.4, 728.0, 755.0, 781.5), (36.6, 34.6, 33.6, 32.8, 32.0, 31.2)),
        "Si": ((596.3, 655.2, 683.8, 711.7, 738.9, 765.5), (30.4, 28.9, 28.2, 27.6, 27.0, 26.4)),
        "Fe": ((577.1, 637.4, 666.5, 694.7, 722.3, 749.0), (24.9, 23.8, 23.3, 22.8, 22.3, 21.9)),
    },
    "EPOS-LHC": {
        "p": ((690.9, 749.5, 778.1, 806.3, 833.9, 860.9), (66.5, 61.8, 59.9, 58.3, 56.9, 55.6)),
        "He": ((656.8, 716.3, 745.2, 773.6, 801.4, 828.6), (45.6, 42.0, 40.4, 38.9, 37.5, 36.2)),
        "N": ((623.4, 685.2, 714.9, 743.9, 772.2, 799.7), (30.1, 28.1, 27.2, 26.2, 25.3, 24.4)),
        "Fe": ((583.5, 648.5, 679.5, 709.3, 738.1, 765.9), (19.8, 18.6, 18.0, 17.5, 16.9, 16.3)),
    },
    "Sibyll2.3d": {
        "p": ((699.5, 758.3, 787.4, 816.3, 845.0, 873.5), (72.4, 66.9, 64.5, 62.3, 60.2, 58.3)),
        "He": ((661.2, 721.9, 751.6, 780.8, 809.6, 837.9), (51.2, 47.2, 45.4, 43.6, 42.0, 40.4)),
        "N": ((627.8, 689.9, 720.0, 749.7, 778.7, 807.2), (38.1, 35.1, 33.7, 32.4, 31.0, 29.8)),
        "Fe": ((588.8, 652.4, 683.3, 713.6, 743.3, 772.4), (26.2, 24.4, 23.6, 22.8, 22.0, 21.2)),
    },
}
"""<Xmax> and sigma in g/cm2 at `LG_ENERGY_EV`, by model and nucleus (coefficients of arXiv:1305.2331, refitted)."""


@dataclass(frozen=True)
class MomentCheck:
    """Simulated less published mean and width of Xmax, each with its statistical error, g/cm2."""

    model: str
    primary: str
    lg_energy_ev: float
    mean_off: float
    mean_error: float
    width_off: float
    width_error: float


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells simulated showers from CORSIKA's: area under its ROC, with a 95 % interval."""

    auc: float
    low: float
    high: float
    showers: int


def check_moments(showers: int, rng: np.random.Generator) -> Iterator[MomentCheck]:
    """Draw `showers` depths for every model, nucleus and energy of `XMAX_MOMENTS`."""
    for model, nuclei in XMAX_MOMENTS.items():
        for name, (means, widths) in nuclei.items():
            for lg_energy, mean, width in zip(LG_ENERGY_EV, means, widths, strict=True):
                drawn = draw_gumbel(
                    *gumbel_parameters(np.full(showers, lg_energy), PRIMARIES[name].ln_mass, model), rng
                )
                # Errors of mean and standard deviation; the kurtosis of these distributions is some 5.
                error = drawn.std() / math.sqrt(showers)
                yield MomentCheck(
                    model, name, lg_energy, float(drawn.mean()) - mean, error, float(drawn.std()) - width, error
                )  # fmt: skip


def simulate_like(name: str, real: Showers, rng: np.random.Generator) -> Showers:
    """Simulate showers at the very energies and zenith angles of real ones."""
    drawn = draw_showers(find_primary(name), real.energy_eev, real.zenith_deg, rng)
    return Showers(real.group_id, real.energy_eev, real.zenith_deg, drawn.xmax_g_cm2, drawn.n_mu, drawn.n_em)


def separate(name: str, real: Showers, rng: np.random.Generator, *, residuals: bool = False) -> Separation:
    """Train a classifier to tell simulated from CORSIKA showers, and see how far it comes.

    The classifier gets energy, zenith, Xmax, N_mu and N_em; with `residuals` also the features that models train on,
    which bring it from an AUC of 0.58 to 0.87 where the muons of iron are off by 5 %. A CORSIKA shower and its
    simulated twin are always on the same side of a fold. The quality cut that failed fits of Xmax fall to is made on
    both.
    """
    twin = simulate_like(name, real, rng)
    limits = COLUMNS["xmax_g_cm2"]
    inside = (twin.xmax_g_cm2 >= limits.minimum) & (twin.xmax_g_cm2 <= limits.maximum)
    real, twin = real.select(inside), twin.select(inside)
    features = np.concatenate([_features(real, residuals), _features(twin, residuals)])
    labels, groups = np.repeat([0, 1], real.n_mu.size), np.tile(real.group_id, 2)
    score = np.empty(labels.size)
    # On a loaded machine the classifier's threads wait for each other most of the time.
    with threadpool_limits(limits=1):
        _score_folds(features, labels, groups, score)
    low, high = _bootstrap(labels, score, real.n_mu.size, rng)
    return Separation(float(roc_auc_score(labels, score)), low, high, real.n_mu.size)


def _score_folds(features: Floats, labels: NDArray[np.int64], groups: NDArray[np.int64], score: Floats) -> None:
    for train, test in GroupKFold(5).split(features, labels, groups):
        model = HistGradientBoostingClassifier(
            learning_rate=0.06,
            max_iter=150,
            max_leaf_nodes=15,
            min_samples_leaf=60,
            l2_regularization=1.0,
            random_state=0,
        )
        score[test] = model.fit(features[train], labels[train]).predict_proba(features[test])[:, 1]


def _features(showers: Showers, residuals: bool) -> Floats:
    plain = np.column_stack([
        np.log(showers.energy_eev), 1.0 / np.cos(np.radians(showers.zenith_deg)), showers.xmax_g_cm2,
        np.log(showers.n_mu), np.log(showers.n_em / showers.energy_eev),
    ])  # fmt: skip
    if not residuals:
        return plain
    shower = vars(showers)
    return np.column_stack([plain, feature_matrix(shower, ("muon_residual", "em_residual", "xmax_residual"))])


def _bootstrap(labels: NDArray[np.int64], score: Floats, pairs: int, rng: np.random.Generator) -> tuple[float, float]:
    values = []
    for _ in range(200):
        chosen = rng.integers(0, pairs, pairs)
        both = np.concatenate([chosen, chosen + pairs])
        values.append(roc_auc_score(labels[both], score[both]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def draw_figure(table: pl.DataFrame, path: Path, rng: np.random.Generator) -> None:
    """Draw <Xmax> and sigma of 26 nuclei: CORSIKA / EPOS (Bortolato et al., arXiv:2212.04760) beside EPOS-LHC here."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(7.0, 7.0), layout="constrained")
    for index, (title, part) in enumerate(_energy_bins(table)):
        rows = [_nucleus_moments(part, charge, rng) for charge in range(1, 27)]
        ln_mass, mean, mean_here, width, width_here, count = np.array(rows).T
        color = f"C{index}"
        top.errorbar(
            ln_mass, mean, width / np.sqrt(count), fmt="o", ms=3, color=color, label=f"CORSIKA / EPOS, {title}"
        )
        top.plot(ln_mass, mean_here, color=color)
        bottom.errorbar(ln_mass, width, width / np.sqrt(count), fmt="o", ms=3, color=color)
        bottom.plot(ln_mass, width_here, color=color, label=f"cascada, EPOS-LHC, {title}")
    top.set_ylabel("mean Xmax / (g/cm²)")
    bottom.set_ylabel("σ(Xmax) / (g/cm²)")
    bottom.set_xlabel("ln A")
    top.legend(fontsize=8)
    bottom.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _energy_bins(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    # Profiles with a bad fit have an uncertainty of many g/cm2; they are few and widen the distribution.
    good = table.filter(pl.col("dXmax_gcm2") < 5.0)
    for number, title in ((1, "0.65–1 EeV"), (2, "1–2 EeV"), (3, "2–5 EeV")):
        yield title, good.filter(pl.col("Ebin") == number)


def _nucleus_moments(part: pl.DataFrame, charge: int, rng: np.random.Generator) -> tuple[float, ...]:
    of_charge = part.filter(pl.col("Z") == charge)
    primary = next(p for p in PRIMARIES.values() if p.is_nucleus and p.charge == charge)
    energy, depth = of_charge["E_EeV"].to_numpy(), of_charge["Xmax_gcm2"].to_numpy()
    lg_energy = np.log10(np.tile(energy, 20)) + 18.0
    drawn = draw_gumbel(*gumbel_parameters(lg_energy, primary.ln_mass, "EPOS-LHC"), rng)
    return primary.ln_mass, depth.mean(), drawn.mean(), depth.std(), drawn.std(), depth.size


def print_moments(rng: np.random.Generator) -> None:
    """Print the largest differences to the published moments."""
    print(
        "| model | nucleus | largest difference of the mean | of the width | statistical error |\n|---|---|---|---|---|"
    )
    checks = list(check_moments(100_000, rng))
    for model, nuclei in XMAX_MOMENTS.items():
        for name in nuclei:
            mine = [check for check in checks if (check.model, check.primary) == (model, name)]
            mean, width = max(abs(c.mean_off) for c in mine), max(abs(c.width_off) for c in mine)
            print(f"| {model} | {name} | {mean:.2f} | {width:.2f} | {max(c.mean_error for c in mine):.2f} |")


def print_separation(folder: Path, rng: np.random.Generator) -> None:
    """Print how well simulated showers are told from the half of CORSIKA's that no fit has seen."""
    print("\n| primary | AUC, five columns | 95 % interval | AUC, with residuals | 95 % interval | showers of each |")
    print("|---|---|---|---|---|---|")
    for name, showers in load_showers(folder).items():
        unseen = showers.select(showers.group_id % 2 == 1)
        plain, sharp = (separate(name, unseen, rng, residuals=residuals) for residuals in (False, True))
        cells = [f"{found.auc:.3f} | {found.low:.3f} – {found.high:.3f}" for found in (plain, sharp)]
        print(f"| {name} | {' | '.join(cells)} | {plain.showers} |", flush=True)


def print_nuclei(table: pl.DataFrame, rng: np.random.Generator) -> None:
    """Print how far 26 nuclei are from CORSIKA / EPOS."""
    print("\n| energy | largest difference of <Xmax>, 26 nuclei | rms | rms of the widths |\n|---|---|---|---|")
    for title, part in _energy_bins(table):
        _, mean, mean_here, width, width_here, _ = np.array([_nucleus_moments(part, z, rng) for z in range(1, 27)]).T
        off, wide = mean_here - mean, width_here - width
        print(
            f"| {title} | {np.abs(off).max():.1f} | {np.sqrt(np.mean(off**2)):.1f} | {np.sqrt(np.mean(wide**2)):.1f} |"
        )


def main(data: Path) -> None:
    """Print all tables and draw the figure."""
    rng = np.random.default_rng(2020)
    print_moments(rng)
    print_separation(data / "composition_5class_corsika", rng)
    table = pl.read_parquet(data / "xmax_26primaries/epos_xmax.parquet")
    print_nuclei(table, rng)
    draw_figure(table, FIGURE, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the open data sets")
    main(parser.parse_args().data)

"""Classical models beside the autoencoders: which ones, and how large."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from cascada.config.section import Section

SupervisedName = Literal[
    "logistic", "linear_svm", "nystroem_svm", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm"
]
AnomalyName = Literal["pca", "isolation_forest", "local_outlier_factor", "gaussian_mixture"]

SUPERVISED: tuple[SupervisedName, ...] = get_args(SupervisedName)
ANOMALY: tuple[AnomalyName, ...] = get_args(AnomalyName)


class Logistic(Section):
    """Multinomial logistic regression."""

    inverse_penalty: float = Field(1.0, gt=0, le=1e6, description="C: inverse strength of the L2 penalty")


class LinearSvm(Section):
    """Linear support vector machine, its margins turned into probabilities by cross-validated sigmoids."""

    inverse_penalty: float = Field(1.0, gt=0, le=1e6, description="C: inverse strength of the L2 penalty")
    folds: int = Field(3, ge=2, le=10, description="folds of the calibration, whole groups at a time")


class NystroemSvm(LinearSvm):
    """Linear machine on a Nystroem approximation of the Gaussian kernel (Williams and Seeger, NIPS 13 (2001) 682)."""

    landmarks: int = Field(300, ge=10, le=5000, description="training rows that span the approximation")
    width: float = Field(
        1.0, gt=0, le=100, description="gamma times the number of features; 1 suits standardised features"
    )


class RandomForest(Section):
    """Random forest (Breiman, Machine Learning 45 (2001) 5)."""

    trees: int = Field(300, ge=10, le=5000)
    min_leaf: int = Field(3, ge=1, le=1000, description="rows of a leaf at least")


class HistGradientBoosting(Section):
    """Gradient boosting on binned features, as scikit-learn has it."""

    trees: int = Field(200, ge=10, le=5000, description="boosting rounds")
    learning_rate: float = Field(0.05, gt=0, le=1)
    leaves: int = Field(31, ge=2, le=1024)
    min_leaf: int = Field(30, ge=1, le=1000)


class Xgboost(Section):
    """XGBoost (Chen and Guestrin, KDD 2016, arXiv:1603.02754)."""

    trees: int = Field(300, ge=10, le=5000, description="boosting rounds")
    learning_rate: float = Field(0.05, gt=0, le=1)
    depth: int = Field(5, ge=1, le=16)
    rows: float = Field(0.8, gt=0, le=1, description="share of the rows that a tree sees")
    columns: float = Field(0.8, gt=0, le=1, description="share of the features that a tree sees")


class Lightgbm(Section):
    """LightGBM (Ke et al., NIPS 30 (2017) 3146)."""

    trees: int = Field(300, ge=10, le=5000, description="boosting rounds")
    learning_rate: float = Field(0.05, gt=0, le=1)
    leaves: int = Field(31, ge=2, le=1024)
    min_leaf: int = Field(30, ge=1, le=1000)
    rows: float = Field(0.8, gt=0, le=1, description="share of the rows that a tree sees")
    columns: float = Field(0.8, gt=0, le=1, description="share of the features that a tree sees")


class Pca(Section):
    """Squared distance from the principal components of the reference."""

    variance: float = Field(0.9, gt=0, lt=1, description="share of the variance that the components keep")


class IsolationForest(Section):
    """Isolation forest (Liu, Ting and Zhou, ICDM 2008, 413)."""

    trees: int = Field(300, ge=10, le=5000)
    rows: int = Field(256, ge=8, le=65536, description="rows that a tree sees")


class LocalOutlierFactor(Section):
    """Local outlier factor against the reference (Breunig et al., SIGMOD 2000, 93)."""

    neighbours: int = Field(30, ge=2, le=1000)
    rows: int = Field(20_000, ge=100, le=1_000_000, description="reference rows at most; more are drawn from at random")


class GaussianMixture(Section):
    """Negative log-likelihood under a mixture of Gaussians with full covariances."""

    components: int = Field(8, ge=1, le=100)


class Baselines(Section):
    """Which baselines stand beside a model, and how large each of them is."""

    supervised: tuple[SupervisedName, ...] = ("logistic", "random_forest", "lightgbm")
    anomaly: tuple[AnomalyName, ...] = ("pca", "isolation_forest", "gaussian_mixture")
    logistic: Logistic = Logistic()
    linear_svm: LinearSvm = LinearSvm()
    nystroem_svm: NystroemSvm = NystroemSvm()
    random_forest: RandomForest = RandomForest()
    hist_gradient_boosting: HistGradientBoosting = HistGradientBoosting()
    xgboost: Xgboost = Xgboost()
    lightgbm: Lightgbm = Lightgbm()
    pca: Pca = Pca()
    isolation_forest: IsolationForest = IsolationForest()
    local_outlier_factor: LocalOutlierFactor = LocalOutlierFactor()
    gaussian_mixture: GaussianMixture = GaussianMixture()

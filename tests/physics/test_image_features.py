"""Features of images: ellipses whose parameters are worked by hand, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cascada.physics.observables import FEATURES, Floats, feature_matrix
from cascada.physics.observables.images import IMAGE_FEATURES

# Two images: a slim one 300 mm from its source and 30 degrees off, and one of a single line of pixels.
IMAGES = {
    "image_length_mm": np.array([50.0, 20.0]),
    "image_width_mm": np.array([20.0, 0.0]),
    "image_size_phe": np.array([1000.0, 100.0]),
    "image_concentration_1": np.array([0.2, 0.5]),
    "image_concentration_2": np.array([0.25, 0.5]),
    "image_asymmetry_mm": np.array([-25.0, 10.0]),
    "image_m3_long_mm": np.array([40.0, -20.0]),
    "image_m3_trans_mm": np.array([-10.0, 0.0]),
    "image_skewness_long": np.array([0.5, -0.25]),
    "image_kurtosis_long": np.array([10.0, 1.0]),
    "image_kurtosis_trans": np.array([100.0, 0.0]),
    "image_alpha_deg": np.array([30.0, 90.0]),
    "image_dist_mm": np.array([300.0, 100.0]),
    "image_cog_x_mm": np.array([-30.0, 0.0]),
    "image_cog_y_mm": np.array([40.0, 100.0]),
    "image_delta_deg": np.array([0.0, 90.0]),
    "image_pixels": np.array([10.0, 4.0]),
    "image_gradient_long_ns_mm": np.array([0.25, 0.5]),
    "image_gradient_trans_ns_mm": np.array([-0.125, 0.0]),
}
WORKED = {
    "image_lg_size": [3.0, 2.0],
    "image_lg_length": [1.69897, 1.30103],
    "image_lg_width": [1.30103, 0.0],  # a width of 0 counts as 1 mm
    "image_axis_ratio": [0.4, 0.0],
    "image_lg_density": [-0.49715, 0.20182],  # 1000 / (1000 pi), 100 / (20 pi)
    "image_lg_area_over_size": [2.54291, 1.19612],  # 1000 pi / 9, 20 pi / 4
    "image_lg_length_over_size": [-1.30103, -0.69897],
    "image_lg_size_per_pixel": [2.0, 1.39794],
    "image_lg_concentration_1": [-0.69897, -0.30103],
    "image_lg_concentration_2": [-0.60206, -0.30103],
    "image_concentration_ratio": [0.8, 1.0],
    "image_lg_peak": [2.39794, 1.69897],  # 250 and 50 phe
    "image_lg_peakedness": [2.89509, 1.49715],  # 0.25 * 1000 pi, 0.5 * 20 pi
    "image_lg_peak_per_width": [0.69897, -0.30103],
    "image_lg_disp": [2.69897, 2.0],  # 300 / 0.6, 100 / 1
    "image_miss_mm": [150.0, 100.0],
    "image_along_mm": [259.80762, 0.0],
    "image_miss_over_width": [7.5, 100.0],
    "image_length_over_dist": [1 / 6, 0.2],
    "image_m3_long_ratio": [0.8, -1.0],
    "image_m3_trans_ratio": [0.5, 0.0],
    "image_asymmetry_ratio": [-0.5, 0.5],
    "image_cog_radius_mm": [50.0, 100.0],
    "image_alpha_centre_deg": [53.13010, 0.0],  # 3-4-5 triangle; along the radius
    "image_miss_centre_mm": [40.0, 0.0],
    "image_skewness_outwards": [-0.5, -0.25],
    "image_m3_outwards_ratio": [-0.8, -1.0],
    "image_gradient_outwards_ns_mm": [-0.25, 0.5],
    "image_gradient_trans_size_ns_mm": [0.125, 0.0],
    "image_lg_kurtosis_long": [1.0, 0.0],
    "image_lg_kurtosis_trans": [2.0, 0.0],
}
OUTWARDS = [name for name in IMAGE_FEATURES if "outwards" in name or "centre" in name]


def test_every_image_feature_is_worked_by_hand() -> None:
    assert set(WORKED) == set(IMAGE_FEATURES)


@pytest.mark.parametrize("name", WORKED)
def test_worked_values(name: str) -> None:
    assert FEATURES[name].compute(IMAGES) == pytest.approx(WORKED[name], abs=1e-5)


def test_an_image_without_width_distance_or_light_in_a_pixel_has_finite_features() -> None:
    zero = ("image_width_mm", "image_dist_mm", "image_concentration_1", "image_concentration_2", "image_cog_x_mm")
    empty = IMAGES | {name: np.zeros(2) for name in (*zero, "image_cog_y_mm", "image_pixels", "image_length_mm")}
    assert np.isfinite(feature_matrix(empty, tuple(IMAGE_FEATURES))).all()


def turned(images: dict[str, Floats], angle_deg: float) -> dict[str, Floats]:
    angle = math.radians(angle_deg)
    x, y = images["image_cog_x_mm"], images["image_cog_y_mm"]
    return images | {
        "image_cog_x_mm": math.cos(angle) * x - math.sin(angle) * y,
        "image_cog_y_mm": math.sin(angle) * x + math.cos(angle) * y,
        "image_delta_deg": images["image_delta_deg"] + angle_deg,
    }


@pytest.mark.parametrize("name", OUTWARDS)
def test_a_camera_that_is_turned_sees_the_same(name: str) -> None:
    assert FEATURES[name].compute(turned(IMAGES, 77.0)) == pytest.approx(WORKED[name], abs=2e-5)


@pytest.mark.parametrize("name", OUTWARDS)
def test_which_way_along_the_axis_is_called_positive_does_not_matter(name: str) -> None:
    along = ("image_skewness_long", "image_m3_long_mm", "image_gradient_long_ns_mm")
    flipped = IMAGES | {column: -IMAGES[column] for column in along}
    flipped["image_delta_deg"] = IMAGES["image_delta_deg"] - 180.0
    assert FEATURES[name].compute(flipped) == pytest.approx(WORKED[name], abs=1e-5)


@pytest.mark.parametrize("name", ["image_axis_ratio", "image_m3_long_ratio", "image_asymmetry_ratio"])
def test_ratios_know_no_unit_of_length(name: str) -> None:
    scaled = {n: 2.0 * v if n.endswith("_mm") and "gradient" not in n else v for n, v in IMAGES.items()}
    assert FEATURES[name].compute(scaled)[0] == pytest.approx(WORKED[name][0])

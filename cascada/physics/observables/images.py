"""Features of images in the cameras of Cherenkov telescopes, from their Hillas parameters.

A gamma ray makes a slim image whose major axis points at its source; hadrons make wide, irregular ones that point
anywhere (Hillas, Proc. 19th ICRC (1985) 3, 445). Parameters span decades, so features are logarithms and ratios of
them. Where the camera's centre stands in for an unknown source, the feature says so in its name.

References for all of them: Hillas 1985; Fegan, J. Phys. G 23 (1997) 1013 (what separates gammas from hadrons); Bock et
al., NIM A 516 (2004) 511 (MAGIC's parameters); the features of FACT's open analysis chain (fact-project.org/data).
"""

from __future__ import annotations

import numpy as np

from cascada.physics.observables.feature import Feature, Floats, Observables

_THIN_MM = 1.0
"""Images on one line of pixels have a width of 0; below a millimetre, a tenth of FACT's pixels, width says nothing."""


def _length(image: Observables) -> Floats:
    return np.maximum(image["image_length_mm"], _THIN_MM)


def _width(image: Observables) -> Floats:
    return np.maximum(image["image_width_mm"], _THIN_MM)


def image_lg_size(image: Observables) -> Floats:
    """Lg of the sum of all pixels: it grows with the energy of the shower."""
    return np.log10(image["image_size_phe"])


def image_lg_length(image: Observables) -> Floats:
    """Lg(length / mm), lengths below 1 mm taken as 1 mm."""
    return np.log10(_length(image))


def image_lg_width(image: Observables) -> Floats:
    """Lg(width / mm), widths below 1 mm taken as 1 mm: the parameter that separates best (Hillas 1985)."""
    return np.log10(_width(image))


def image_axis_ratio(image: Observables) -> Floats:
    """Width over length, 0 to 1: slim images of gammas against round ones of hadrons and noise."""
    return image["image_width_mm"] / _length(image)


def image_lg_density(image: Observables) -> Floats:
    """Lg of size over the area of the ellipse, phe/mm2 (FACT: size over area)."""
    return np.log10(image["image_size_phe"] / (np.pi * _width(image) * _length(image)))


def image_lg_area_over_size(image: Observables) -> Floats:
    """Lg of the area of the ellipse over (lg size)^2, mm2: MAGIC's and FACT's dynamical cut on the area.

    Larger showers make larger images, nearly as the square of lg size.
    """
    return np.log10(np.pi * _width(image) * _length(image) / np.square(image_lg_size(image)))


def image_lg_length_over_size(image: Observables) -> Floats:
    """Lg of length over size, mm/phe: rings and arcs of single muons are long but faint (Fegan 1997)."""
    return image_lg_length(image) - image_lg_size(image)


def image_lg_size_per_pixel(image: Observables) -> Floats:
    """Lg of the mean pixel of the image, phe."""
    return np.log10(image["image_size_phe"] / np.maximum(image["image_pixels"], 1.0))


def image_lg_concentration_1(image: Observables) -> Floats:
    """Lg of the share of the brightest pixel, shares below 1e-4 taken as that."""
    return np.log10(np.maximum(image["image_concentration_1"], 1e-4))


def image_lg_concentration_2(image: Observables) -> Floats:
    """Lg of the share of the two brightest pixels, shares below 1e-4 taken as that."""
    return np.log10(np.maximum(image["image_concentration_2"], 1e-4))


def image_concentration_ratio(image: Observables) -> Floats:
    """Brightest pixel over the two brightest, 0.5 to 1: near 1 the peak is a single pixel."""
    return image["image_concentration_1"] / np.maximum(image["image_concentration_2"], 1e-4)


def image_lg_peak(image: Observables) -> Floats:
    """Lg of the light in the two brightest pixels, phe."""
    return image_lg_size(image) + image_lg_concentration_2(image)


def image_lg_peakedness(image: Observables) -> Floats:
    """Lg of the share of the two brightest pixels times the area of the ellipse, mm2.

    Two pixels of area a hold the share ``a / (pi w l)`` of an image with a Gaussian profile: the product is then the
    same for every image, and larger for one with a marked core, as electromagnetic cascades make it.
    """
    return image_lg_concentration_2(image) + np.log10(np.pi * _width(image) * _length(image))


def image_lg_peak_per_width(image: Observables) -> Floats:
    """Lg of the share of the two brightest pixels times the width, mm: the core across the image."""
    return image_lg_concentration_2(image) + image_lg_width(image)


def image_lg_disp(image: Observables) -> Floats:
    """Lg of dist over (1 - width / length), mm: nearly the same for all gammas of a source.

    The farther away a shower is, the longer its image and the farther it lies from the source: disp = xi (1 -
    width / length) estimates the distance (Lessard et al., Astropart. Phys. 15 (2001) 1, arXiv:astro-ph/0005468).
    """
    elongation = np.maximum(1.0 - image_axis_ratio(image), 0.02)
    return np.log10(np.maximum(image["image_dist_mm"], _THIN_MM) / elongation)


def image_miss_mm(image: Observables) -> Floats:
    """Distance at which the major axis misses the source: dist times sin(alpha) (Hillas 1985), mm."""
    return image["image_dist_mm"] * np.sin(np.radians(image["image_alpha_deg"]))


def image_along_mm(image: Observables) -> Floats:
    """Distance from the centroid to the source along the major axis: dist times cos(alpha), mm."""
    return image["image_dist_mm"] * np.cos(np.radians(image["image_alpha_deg"]))


def image_miss_over_width(image: Observables) -> Floats:
    """Miss in widths: how far the axis misses the source for the resolution of this image."""
    return image_miss_mm(image) / _width(image)


def image_length_over_dist(image: Observables) -> Floats:
    """Length over the distance to the source, at least 1 mm: both grow with the impact distance of a gamma."""
    return image["image_length_mm"] / np.maximum(image["image_dist_mm"], _THIN_MM)


def image_m3_long_ratio(image: Observables) -> Floats:
    """Cubic root of the third moment along the major axis, in lengths: which end is the head, and how marked it is."""
    return image["image_m3_long_mm"] / _length(image)


def image_m3_trans_ratio(image: Observables) -> Floats:
    """Size of the cubic root of the third moment along the minor axis, in widths; mirror images are alike."""
    return np.abs(image["image_m3_trans_mm"]) / _width(image)


def image_asymmetry_ratio(image: Observables) -> Floats:
    """From the centroid to the brightest pixel along the major axis, in lengths."""
    return image["image_asymmetry_mm"] / _length(image)


def image_cog_radius_mm(image: Observables) -> Floats:
    """Distance of the centroid from the centre of the camera, mm."""
    return np.hypot(image["image_cog_x_mm"], image["image_cog_y_mm"])


def _outwards(image: Observables) -> Floats:
    """Cosine of the angle from the direction away from the camera's centre to the major axis; 0 in the centre."""
    delta, radius = np.radians(image["image_delta_deg"]), image_cog_radius_mm(image)
    along = image["image_cog_x_mm"] * np.cos(delta) + image["image_cog_y_mm"] * np.sin(delta)
    return np.clip(along / np.maximum(radius, np.finfo(np.float64).tiny), -1.0, 1.0)


def image_alpha_centre_deg(image: Observables) -> Floats:
    """Angle of the major axis with the line to the camera's centre, 0 to 90 degrees."""
    return np.degrees(np.arccos(np.abs(_outwards(image))))


def image_miss_centre_mm(image: Observables) -> Floats:
    """Distance at which the major axis misses the camera's centre, mm."""
    return image_cog_radius_mm(image) * np.sqrt(1.0 - np.square(_outwards(image)))


def image_skewness_outwards(image: Observables) -> Floats:
    """Skewness along the major axis, positive when the tail points away from the camera's centre."""
    return image["image_skewness_long"] * np.sign(_outwards(image))


def image_m3_outwards_ratio(image: Observables) -> Floats:
    """Third moment along the major axis in lengths, positive when the tail points away from the camera's centre."""
    return image_m3_long_ratio(image) * np.sign(_outwards(image))


def image_gradient_outwards_ns_mm(image: Observables) -> Floats:
    """Gradient of the arrival time, positive when light comes later away from the camera's centre.

    Far showers light up outwards: the sign and size tell the impact distance (Aliu et al., Astropart. Phys. 30 (2009)
    293).
    """
    return image["image_gradient_long_ns_mm"] * np.sign(_outwards(image))


def image_gradient_trans_size_ns_mm(image: Observables) -> Floats:
    """Size of the time gradient across the image; mirror images are alike."""
    return np.abs(image["image_gradient_trans_ns_mm"])


def image_lg_kurtosis_long(image: Observables) -> Floats:
    """Lg of the kurtosis along the major axis, at least 0 (kurtosis is never below 1)."""
    return np.log10(np.maximum(image["image_kurtosis_long"], 1.0))


def image_lg_kurtosis_trans(image: Observables) -> Floats:
    """Lg of the kurtosis along the minor axis, at least 0 (kurtosis is never below 1)."""
    return np.log10(np.maximum(image["image_kurtosis_trans"], 1.0))


_ELLIPSE = ("image_length_mm", "image_width_mm")
_SOURCE = ("image_alpha_deg", "image_dist_mm")
_AXIS = ("image_cog_x_mm", "image_cog_y_mm", "image_delta_deg")

IMAGE_FEATURES = {
    "image_lg_size": Feature(image_lg_size, ("image_size_phe",)),
    "image_lg_length": Feature(image_lg_length, ("image_length_mm",)),
    "image_lg_width": Feature(image_lg_width, ("image_width_mm",)),
    "image_axis_ratio": Feature(image_axis_ratio, _ELLIPSE),
    "image_lg_density": Feature(image_lg_density, (*_ELLIPSE, "image_size_phe")),
    "image_lg_area_over_size": Feature(image_lg_area_over_size, (*_ELLIPSE, "image_size_phe")),
    "image_lg_length_over_size": Feature(image_lg_length_over_size, ("image_length_mm", "image_size_phe")),
    "image_lg_size_per_pixel": Feature(image_lg_size_per_pixel, ("image_pixels", "image_size_phe")),
    "image_lg_concentration_1": Feature(image_lg_concentration_1, ("image_concentration_1",)),
    "image_lg_concentration_2": Feature(image_lg_concentration_2, ("image_concentration_2",)),
    "image_concentration_ratio": Feature(image_concentration_ratio, ("image_concentration_1", "image_concentration_2")),
    "image_lg_peak": Feature(image_lg_peak, ("image_concentration_2", "image_size_phe")),
    "image_lg_peakedness": Feature(image_lg_peakedness, (*_ELLIPSE, "image_concentration_2")),
    "image_lg_peak_per_width": Feature(image_lg_peak_per_width, ("image_concentration_2", "image_width_mm")),
    "image_lg_disp": Feature(image_lg_disp, (*_ELLIPSE, "image_dist_mm")),
    "image_miss_mm": Feature(image_miss_mm, _SOURCE),
    "image_along_mm": Feature(image_along_mm, _SOURCE),
    "image_miss_over_width": Feature(image_miss_over_width, (*_SOURCE, "image_width_mm")),
    "image_length_over_dist": Feature(image_length_over_dist, ("image_dist_mm", "image_length_mm")),
    "image_m3_long_ratio": Feature(image_m3_long_ratio, ("image_length_mm", "image_m3_long_mm")),
    "image_m3_trans_ratio": Feature(image_m3_trans_ratio, ("image_m3_trans_mm", "image_width_mm")),
    "image_asymmetry_ratio": Feature(image_asymmetry_ratio, ("image_asymmetry_mm", "image_length_mm")),
    "image_cog_radius_mm": Feature(image_cog_radius_mm, ("image_cog_x_mm", "image_cog_y_mm")),
    "image_alpha_centre_deg": Feature(image_alpha_centre_deg, _AXIS),
    "image_miss_centre_mm": Feature(image_miss_centre_mm, _AXIS),
    "image_skewness_outwards": Feature(image_skewness_outwards, (*_AXIS, "image_skewness_long")),
    "image_m3_outwards_ratio": Feature(image_m3_outwards_ratio, (*_AXIS, "image_length_mm", "image_m3_long_mm")),
    "image_gradient_outwards_ns_mm": Feature(image_gradient_outwards_ns_mm, (*_AXIS, "image_gradient_long_ns_mm")),
    "image_gradient_trans_size_ns_mm": Feature(image_gradient_trans_size_ns_mm, ("image_gradient_trans_ns_mm",)),
    "image_lg_kurtosis_long": Feature(image_lg_kurtosis_long, ("image_kurtosis_long",)),
    "image_lg_kurtosis_trans": Feature(image_lg_kurtosis_trans, ("image_kurtosis_trans",)),
}

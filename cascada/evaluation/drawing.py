"""How figures are drawn: one style, one ink, and their way into a page.

There the ink becomes the colour of the surrounding text, so that the page can be light, dark or printed.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INK = "#1b1b1b"
STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    "axes.facecolor": "none", "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
    "axes.titlelocation": "left", "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "legend.frameon": False, "legend.labelcolor": _INK, "grid.color": "#888888",
    "grid.alpha": 0.25, "grid.linewidth": 0.6, "lines.linewidth": 1.6, "svg.fonttype": "none",
    "svg.hashsalt": "cascada", "font.family": "sans-serif",
}  # fmt: skip


# Okabe and Ito's colours for all kinds of colour vision, without those that vanish on white or on black, and more like
# them for those who have many kinds.
COLOURS = (
    *("#D55E00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#7F7F7F"),
    *("#A8324A", "#2F9C95", "#8C8B2B", "#7B5BB5", "#A0673A"),
)


def new_axes(title: str, x: str, y: str, size: tuple[float, float] = (5.2, 3.7)) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes; its size is in inches."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    return figure, axes


def colour_of(index: int, of: int) -> Any:
    """Choose the colour of one of so many kinds."""
    return COLOURS[index] if of <= len(COLOURS) else mpl.colormaps["turbo"](0.05 + 0.9 * index / of)


def to_svg(figure: Figure, label: str) -> str:
    """Render a figure as an SVG element to stand in a page, in the colour of its text.

    Parameters
    ----------
    label
        What the figure shows, for those who hear the page.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    text = buffer.getvalue()
    element = text[text.index("<svg") :].replace(_INK, "currentColor")
    element = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font: \1px system-ui, sans-serif", element)
    # Identifiers must differ between the figures of one page.
    prefix = re.sub(r"\W", "", label)[:24]
    element = re.sub(r'(id="|href="#|url\(#)', rf"\1{prefix}-", element)
    size = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", re.sub(r'height="[\d.]+pt" ', "", element, count=1))
    return size.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)

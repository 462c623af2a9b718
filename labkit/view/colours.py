"""The colours that mean the same in every figure, and the words that explain them."""

from __future__ import annotations

#: Gradients: positive is red, as in Fu et al. (2022), Figures 4 and 6.
GRADIENT_COLOURS = "RdBu_r"

#: Rates: toward the radar (positive) is blue, away is red, as in Zhang et al. (2025), Figure 2.
RATE_COLOURS = "RdBu"

#: Wrapped phase: runs in a circle, so that −π and π look alike.
PHASE_COLOURS = "twilight"

#: Density of landslides, from none to most; a colour map without red or blue, which stand for gradients and boxes.
DENSITY_COLOURS = "YlOrBr"

#: Lines of a network: the palest end of the palette would be lost on white.
_LINE_COLOURS, _PALEST_SHARE = "viridis", 0.12

#: No data: a grey that is neither the white of zero nor either end.
NO_DATA = "#b3b3b3"

#: A person's box, a model's box (Fu et al. 2022, Figure 6), and the casing that lifts both off red and blue ground.
LABEL = "#d4001a"
DETECTION = "#0047ff"
CASING = "#ffffff"

#: Boxes of the truth, and outlines of known landslides: black and yellow, apart in lightness from both ends.
TRUTH = "#111111"
OUTLINE = "#ffd500"

RIVER = "#4a90c2"
COUNTY = "#5a5a5a"

#: What the two ends of a rate's colour bar mean.
RATE_ENDS = "red: away from the radar, blue: toward it"


def gradient_ends(direction: str) -> str:
    """Say what the two ends of a gradient's colour bar mean."""
    return f"blue: phase falls along {direction}, red: it grows"


def network_colours(*, rising: bool) -> list[str]:
    """Give the colours of pairs, dark for low values; or dark for high ones, where low ones are better."""
    from holoviews.plotting.util import process_cmap

    palette = process_cmap(_LINE_COLOURS, 256, provider="bokeh")
    kept = palette[: round(len(palette) * (1 - _PALEST_SHARE))]
    return list(kept if rising else kept[::-1])

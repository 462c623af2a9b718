"""Real and simulated pairs among one another, for the eye to tell apart without knowing which is which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from labkit import schema
from labkit.errors import LabkitError
from labkit.files import whole
from labkit.view import colours

_COLUMNS = 4
_PANEL_INCHES = 2.9


def save_side_by_side_png(
    real: xr.Dataset,
    simulated: xr.Dataset,
    path: str | Path,
    *,
    count: int = 8,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    dpi: int = 110,
) -> list[str]:
    """Save pairs of two stacks in an order that the picture does not tell, phase above coherence.

    Parameters
    ----------
    real, simulated : xarray.Dataset
        interferograms of the same pairs and the same shape.
    path : str or pathlib.Path
        A ``.png``; its folder is made.
    count : int
        Pairs of each, at least 1, spread evenly from the least to the most coherent; the two stacks show other pairs.
    size : (int, int), optional
        Lines and samples of what is shown, cut out anywhere in each pair, so that no panel is known by its place;
        without it whole pairs.
    seed : int
        Of the order and of the places.
    dpi : int
        Resolution, px per inch of a picture 12 inches wide.

    Returns
    -------
    list of str
        The key: "real" or "simulated" for each number in the picture, from 1.

    Raises
    ------
    LabkitError
        The stacks differ in pairs or shape, there are too few pairs, the size is too large, or the path is no PNG.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise LabkitError(f"path must end in .png, instead got path={path}")
    chosen, key = _choose(real, simulated, count, seed)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cuts = _cuts(real, size or (real.sizes["y"], real.sizes["x"]), len(key), seed)
    rows = -(-len(key) // _COLUMNS)
    tall = (size[0] / size[1] if size else real.sizes["y"] / real.sizes["x"]) * _aspect(real)
    figure = Figure(figsize=(_COLUMNS * _PANEL_INCHES + 0.4, rows * (2 * tall * _PANEL_INCHES + 0.55) + 0.6), dpi=dpi)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2 * rows, _COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    stacks = {"real": real, "simulated": simulated}
    for number, (name, pair) in enumerate(zip(key, chosen, strict=True)):
        row, column = divmod(number, _COLUMNS)
        shown = stacks[name].isel(pair=pair, y=cuts[number][0], x=cuts[number][1])
        styles = (("phase", colours.PHASE_COLOURS, -np.pi, np.pi), ("coherence", "gray", 0.0, 1.0))
        for below, (layer, colour_map, low, high) in enumerate(styles):
            axis = axes[2 * row + below, column]
            axis.set_facecolor(colours.NO_DATA)
            axis.imshow(
                np.ma.masked_invalid(shown[layer].values),
                cmap=colour_map,
                vmin=low,
                vmax=high,
                aspect=_aspect(real),
                interpolation="nearest",
            )
        days = float(shown["temporal_baseline"])
        axes[2 * row, column].set_title(f"{number + 1} · {days:.0f} days", fontsize=10)
    figure.suptitle(
        "Wrapped phase (a full circle is half a wavelength) above coherence (black 0, white 1)", fontsize=11
    )
    with whole(path) as beside:
        figure.savefig(beside, format="png")
    return key


def _aspect(ifgs: xr.Dataset) -> float:
    """Height of a pixel over its width, on the ground."""
    across = float(ifgs.attrs["x_spacing"])
    if ifgs.attrs["geometry"] == "radar":
        across /= np.sin(np.radians(float(ifgs.attrs["incidence_angle"])))
    return float(ifgs.attrs["y_spacing"]) / across


def _cuts(ifgs: xr.Dataset, size: tuple[int, int], count: int, seed: int) -> list[tuple[slice, slice]]:
    """Windows of a size, anywhere in an image."""
    whole_size = ifgs.sizes["y"], ifgs.sizes["x"]
    if not all(1 <= edge <= most for edge, most in zip(size, whole_size, strict=True)):
        raise LabkitError(f"size must be at least (1, 1) and at most {whole_size}, instead got size={size}")
    random = np.random.default_rng([seed, 1])
    made = []
    for _ in range(count):
        y, x = (int(random.integers(most - edge + 1)) for edge, most in zip(size, whole_size, strict=True))
        made.append((slice(y, y + size[0]), slice(x, x + size[1])))
    return made


def _choose(real: xr.Dataset, simulated: xr.Dataset, count: int, seed: int) -> tuple[list[int], list[str]]:
    """Which pair of which stack comes at each place."""
    for ifgs in (real, simulated):
        schema.check_interferograms(ifgs)
    if real.sizes != simulated.sizes or list(real["pair"].values) != list(simulated["pair"].values):
        raise LabkitError(
            f"simulated must have the pairs and the shape of real, {dict(real.sizes)}, instead got "
            f"{dict(simulated.sizes)}. Make it with labkit.simulate.pairs_like"
        )
    if not 1 <= count <= real.sizes["pair"] // 2:
        raise LabkitError(f"count must be from 1 to half of the {real.sizes['pair']} pairs, instead got count={count}")
    order = np.argsort(real["coherence"].median(("y", "x")).values)
    places = np.linspace(0, len(order) - 1, 2 * count).round().astype(int)
    random = np.random.default_rng(seed)
    # of two pairs that are alike in coherence one shows the real stack, the other the simulated one
    panels = []
    for one, other in order[places].reshape(-1, 2):
        first = random.random() < 0.5
        panels += [(int(one), "real" if first else "simulated"), (int(other), "simulated" if first else "real")]
    random.shuffle(panels)
    return [pair for pair, _ in panels], [name for _, name in panels]

"""Real and simulated pairs among one another, for the eye to tell apart without knowing which is which."""

from __future__ import annotations

from collections.abc import Sequence
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
    simulated: xr.Dataset | Sequence[xr.Dataset],
    path: str | Path,
    *,
    count: int = 8,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    dpi: int = 110,
) -> list[str]:
    """Save cuts of real and simulated pairs in an order that the picture does not tell, phase above coherence.

    Parameters
    ----------
    real : xarray.Dataset
        interferograms.
    simulated : xarray.Dataset or sequence of xarray.Dataset
        interferograms of the same pairs and the same shape, of one ground or of several.
    path : str or pathlib.Path
        A ``.png``; its folder is made.
    count : int
        Panels of each, at least 1. Their pairs are spread evenly from the least to the most coherent; no pair is shown
        twice.
    size : (int, int), optional
        Lines and samples of what is shown; without it whole images. No ground is shown twice: the cuts of an image lie
        beside one another, and those that are simulated are taken from as many grounds as there are. Some are shown
        mirrored, first line last, so that no place is known.
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
        The stacks differ in pairs or shape, there are too few pairs or too few places, the size is too large, or the
        path is no PNG.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> real = lk.simulate.scene("tiny").interferograms["ascending"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     like = lk.simulate.pairs_like(real)
    ...     key = save_side_by_side_png(real, like, folder + "/blind.png", count=4, size=(64, 64))
    >>> key
    ['real', 'real', 'simulated', 'real', 'simulated', 'real', 'simulated', 'simulated']
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise LabkitError(f"path must end in .png, instead got path={path}")
    grounds = [simulated] if isinstance(simulated, xr.Dataset) else list(simulated)
    chosen, key = _choose(real, grounds, count, seed)
    size = size or (real.sizes["y"], real.sizes["x"])
    cuts = {"real": _cuts([real], size, count, [seed, 1]), "simulated": _cuts(grounds, size, count, [seed, 2])}
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(key) // _COLUMNS)
    tall = size[0] / size[1] * _aspect(real)
    figure = Figure(figsize=(_COLUMNS * _PANEL_INCHES + 0.4, rows * (2 * tall * _PANEL_INCHES + 0.55) + 0.6), dpi=dpi)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2 * rows, _COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, (name, pair) in enumerate(zip(key, chosen, strict=True)):
        row, column = divmod(number, _COLUMNS)
        shown = cuts[name].pop().isel(pair=pair).compute()
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


def _cuts(stacks: list[xr.Dataset], size: tuple[int, int], count: int, seed: list[int]) -> list[xr.Dataset]:
    """Cuts of a size, beside one another from a corner drawn by lot; the first of every stack before the second.

    Half of them are mirrored along the lines, which changes nothing that a radar sees, so that places are not known.
    """
    whole_size = stacks[0].sizes["y"], stacks[0].sizes["x"]
    if not all(1 <= edge <= most for edge, most in zip(size, whole_size, strict=True)):
        raise LabkitError(f"size must be at least (1, 1) and at most {whole_size}, instead got size={size}")
    random = np.random.default_rng(seed)
    rounds: list[list[xr.Dataset]] = []
    for stack in stacks:
        starts = [int(random.integers(most % edge + 1)) for edge, most in zip(size, whole_size, strict=True)]
        places = list(np.ndindex(whole_size[0] // size[0], whole_size[1] // size[1]))
        random.shuffle(places)
        for number, place in enumerate(places):
            y, x = (start + k * edge for start, k, edge in zip(starts, place, size, strict=True))
            if number == len(rounds):
                rounds.append([])
            lines = slice(y, y + size[0])
            if random.random() < 0.5:
                lines = slice(lines.stop - 1, y - 1 if y else None, -1)
            rounds[number].append(stack.isel(y=lines, x=slice(x, x + size[1])))
    made = [cut for several in rounds for cut in several]
    if len(made) < count:
        raise LabkitError(
            f"count must be at most the {len(made)} places of size={size} in {whole_size}, instead got count={count}. "
            "Take fewer, smaller ones, or more grounds"
        )
    return made[:count]


def _choose(real: xr.Dataset, simulated: list[xr.Dataset], count: int, seed: int) -> tuple[list[int], list[str]]:
    """Which pair of which kind comes at each place."""
    if not simulated:
        raise LabkitError("simulated must be at least one stack, instead got none")
    for ifgs in (real, *simulated):
        schema.check_interferograms(ifgs)
        if real.sizes != ifgs.sizes or list(real["pair"].values) != list(ifgs["pair"].values):
            raise LabkitError(
                f"simulated must have the pairs and the shape of real, {dict(real.sizes)}, instead got "
                f"{dict(ifgs.sizes)}. Make it with labkit.simulate.pairs_like"
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

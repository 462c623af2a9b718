"""Make the two pictures of the README from the simulated demo scene: ``make figures``.

``docs/images/couplet.png`` is one landslide in the stacked gradients, ``docs/images/density.png`` the density map of
the known landslides. Both are small and the same each time.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import xarray as xr
from PIL import Image

import labkit as lk
from labkit import maps, schema, view

IMAGES = Path(__file__).resolve().parent / "images"

#: Half the edge of the picture of a couplet, px, along y and x.
MARGIN = (42, 60)

#: Least gradient of the landslide that is shown, rad in both directions.
CLEAR_RAD = 3.0

MAX_BYTES = 150_000


def couplet(scene: lk.simulate.Scene) -> Path:
    """Save a landslide whose couplet is large and clear, with a box as a person would draw it."""
    gradients = lk.stack_gradients(lk.select_pairs(scene.interferograms["ascending"]), progress=False)
    labels = scene.truth[scene.truth["scene"] == gradients.attrs["scene"]]
    window, boxes = _around(gradients, labels, str(_clearest(labels)))
    return view.save_gradients_png(
        window, IMAGES / "couplet.png", labels=boxes, title="A slow landslide is a red-blue couplet (simulated)", dpi=90
    )


def density(scene: lk.simulate.Scene) -> Path:
    """Save the density of the known landslides with counties and rivers."""
    field = maps.density(scene.landslides, cell_m=200, bandwidth_m=2000, extent=scene.counties)
    return view.save_map_png(
        scene.landslides,
        field,
        IMAGES / "density.png",
        counties=scene.counties,
        rivers=scene.rivers,
        title=f"Density of {len(scene.landslides)} slow landslides (simulated)",
        dpi=90,
    )


def _clearest(labels: gpd.GeoDataFrame) -> object:
    """The largest of the landslides that both panels show clearly."""
    area = (labels["xmax"] - labels["xmin"]) * (labels["ymax"] - labels["ymin"])
    table = labels.assign(size=labels["peak"].abs(), area=area).groupby("landslide_id")
    table = table.agg(weaker=("size", "min"), directions=("size", "count"), area=("area", "min"))
    return table[(table["directions"] == len(schema.DIRECTIONS)) & (table["weaker"] > CLEAR_RAD)]["area"].idxmax()


def _around(gradients: xr.Dataset, labels: gpd.GeoDataFrame, landslide: str) -> tuple[xr.Dataset, gpd.GeoDataFrame]:
    chosen = labels[labels["landslide_id"].astype(str) == landslide]
    row = int(chosen[["ymin", "ymax"]].to_numpy().mean())
    col = int(chosen[["xmin", "xmax"]].to_numpy().mean())
    top, left = max(row - MARGIN[0], 0), max(col - MARGIN[1], 0)
    window = gradients.isel(y=slice(top, row + MARGIN[0]), x=slice(left, col + MARGIN[1]))
    bottom, right = top + window.sizes["y"], left + window.sizes["x"]
    whole = (labels["xmin"] >= left) & (labels["xmax"] <= right) & (labels["ymin"] >= top) & (labels["ymax"] <= bottom)
    inside = labels[whole].copy()
    inside[["xmin", "xmax"]] -= left
    inside[["ymin", "ymax"]] -= top
    return window, inside


def _shrink(path: Path) -> None:
    """Keep 192 colours: a third of the bytes, and nothing that the eye would miss."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(192, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{path} must be at most {MAX_BYTES} bytes, instead it has {size}")
    print(f"{path}: {size // 1000} kB")


def main() -> None:
    """Make both pictures."""
    scene = lk.simulate.scene("demo", seed=0)
    for path in (couplet(scene), density(scene)):
        _shrink(path)


if __name__ == "__main__":
    main()

"""Relief lit as by formula, north up, with what lies on it at its place."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from shapely.geometry import LineString, Polygon

import labkit as lk
from labkit import LabkitError
from labkit.view.relief import hillshade


@pytest.mark.parametrize(("slope", "aspect"), [(0.0, 0.0), (20.0, 315.0), (35.0, 40.0), (60.0, 135.0)])
def test_a_plane_is_as_bright_as_the_formula_of_slope_and_aspect_says(slope, aspect):
    s, a = np.radians([slope, aspect])
    row, col = np.mgrid[:6, :7]
    # downhill to the aspect; rows run south, 30 m each, columns east, 25 m each
    height = -np.tan(s) * (np.sin(a) * 25.0 * col + np.cos(a) * -30.0 * row)
    zenith = np.radians(45.0)
    expected = np.cos(zenith) * np.cos(s) + np.sin(zenith) * np.sin(s) * np.cos(np.radians(315.0) - a)
    np.testing.assert_allclose(hillshade(height, -30.0, 25.0), max(expected, 0.0), atol=1e-12)


def heights() -> xr.DataArray:
    y, x = 31.0 - 0.001 * np.arange(40), 102.0 + 0.001 * np.arange(60)
    return xr.DataArray(1000.0 + np.arange(2400.0).reshape(40, 60), {"y": y, "x": x}, ("y", "x"))


def test_relief_rivers_and_outlines_lie_at_their_places():
    from labkit.view import notebook

    notebook.ready()
    import holoviews as hv

    dem = heights()
    river = gpd.GeoDataFrame(geometry=[LineString([(102.01, 30.97), (102.05, 30.99)])], crs="EPSG:4326")
    slide = Polygon([(102.02, 30.98), (102.03, 30.98), (102.03, 30.985)])
    known = gpd.GeoDataFrame({"landslide_id": ["L1"], "speed": [30.0]}, geometry=[slide], crs="EPSG:4326")
    drawn = lk.view.terrain(dem, rivers=river.to_crs("EPSG:32648"), counties=known, outlines=known)
    (image,) = drawn.traverse(lambda x: x, [hv.Image])
    np.testing.assert_array_equal(image.dimension_values("height", flat=False)[::-1], dem.values)
    county, line = (path.array() for path in drawn.traverse(lambda x: x, [hv.Path]) if type(path) is hv.Path)
    np.testing.assert_allclose(line, np.asarray(river.geometry[0].coords), atol=1e-9)
    np.testing.assert_allclose(county, np.asarray(slide.exterior.coords))
    casing, stroke = drawn.traverse(lambda x: x, [hv.Polygons])
    for polygons in (casing, stroke):
        np.testing.assert_allclose(polygons.array(["lon", "lat"])[:3], np.asarray(slide.exterior.coords)[:3])
    figure = hv.render(drawn)
    assert figure.y_range.start < figure.y_range.end, "north is up"
    ground = (60 * np.cos(np.radians(dem["y"].values.mean()))) / 40
    assert abs(figure.frame_width / figure.frame_height - ground) < 0.01


def test_a_large_dem_is_shown_by_means():
    import holoviews as hv

    drawn = lk.view.terrain(heights(), max_pixels=600)
    (image,) = drawn.traverse(lambda x: x, [hv.Image])
    means = heights().values.reshape(20, 2, 30, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(image.dimension_values("height", flat=False)[::-1], means)


def test_wrong_arguments_are_named():
    with pytest.raises(LabkitError, match="dem must be heights"):
        lk.view.terrain(heights().isel(y=0))
    with pytest.raises(LabkitError, match="dem must have y and x in degrees, instead got metres"):
        lk.view.terrain(heights().assign_coords(y=np.arange(40.0) * 30 + 3e6))
    with pytest.raises(LabkitError, match="rivers must be a GeoDataFrame with a CRS"):
        lk.view.terrain(heights(), rivers=gpd.GeoDataFrame(geometry=[LineString([(0, 0), (1, 1)])]))

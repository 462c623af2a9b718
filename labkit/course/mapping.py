"""Lesson 8: mapping, from boxes to landslides, from landslides to a density, from a density to a ranking."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import xarray as xr

from labkit.course.answers import Names, Number
from labkit.course.exercises import Exercise, Plan
from labkit.course.material import Material
from labkit.detect import merge_detections
from labkit.maps import by_polygons, density

#: Cell and bandwidth of the map, m.
CELL_M, BANDWIDTH_M = 500.0, 2000.0


def landslides_of(material: Material) -> gpd.GeoDataFrame:
    """Give the known boxes of both tracks and directions, merged into landslides (:func:`labkit.merge_detections`)."""
    return merge_detections(material.table("truth"))


def _map(material: Material) -> xr.DataArray:
    return density(landslides_of(material), CELL_M, BANDWIDTH_M, extent=material.table("counties"))


def _dense(material: Material) -> set[str]:
    table = by_polygons(landslides_of(material), material.table("counties"))
    return set(table["name"][table["density_per_km2"] > table["count"].sum() / table["area_km2"].sum()])


PLAN = Plan(
    "c8_mapping",
    "8 · Mapping",
    {
        "once": Exercise(
            Number("", relative=0.0, absolute=0.0),
            lambda material: float(len(landslides_of(material))),
            "lk.merge_detections(boxes) gives one row for each landslide.",
            "once = len(lk.merge_detections(boxes))",
            "once",
            {
                "that counts boxes: each landslide has up to four.": (
                    lambda material: float(len(material.table("truth")))
                ),
            },
        ),
        "total": Exercise(
            Number("", relative=0.001),
            lambda material: float(_map(material).attrs["n_landslides"]),
            "A cell holds its density times its area. Add up all cells.",
            'total = float(field.sum()) * (field.attrs["cell_m"] / 1000) ** 2',
            "total",
            {
                "that is the sum of densities, per km²; a cell is not 1 km².": (
                    lambda material: float(_map(material).sum())
                ),
                "that takes the edge of a cell for its area.": (
                    lambda material: float(_map(material).sum()) * CELL_M / 1000
                ),
            },
        ),
        "alone": Exercise(
            Number("per km²", relative=0.01),
            lambda material: float(1 / (2 * np.pi * (BANDWIDTH_M / 1000) ** 2)),
            "The peak of a Gaussian in two dimensions whose sum is 1: 1 / (2π σ²), with σ in km.",
            "alone = 1 / (2 * np.pi * 2.0**2)",
            "alone",
            {
                "that is the Gaussian of one dimension.": (
                    lambda material: float(1 / (np.sqrt(2 * np.pi) * BANDWIDTH_M / 1000))
                ),
                "the bandwidth enters squared.": lambda material: float(1 / (2 * np.pi * BANDWIDTH_M / 1000)),
                "that is per m²; take the bandwidth in km.": lambda material: float(1 / (2 * np.pi * BANDWIDTH_M**2)),
            },
        ),
        "dense": Exercise(
            Names("counties"),
            _dense,
            "The mean of the region is all landslides over all area, not the mean of the counties' densities.",
            'mean = table["count"].sum() / table["area_km2"].sum()\n'
            'dense = table["name"][table["density_per_km2"] > mean]',
            "dense",
        ),
    },
)

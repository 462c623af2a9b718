"""From landslides to maps: density, counties, and files that other programs open."""

from __future__ import annotations

from labkit.maps.along import profile
from labkit.maps.counties import by_polygons
from labkit.maps.density import density
from labkit.maps.export import write_density, write_detections
from labkit.maps.raster import write_map

__all__ = ["density", "by_polygons", "profile", "write_detections", "write_density", "write_map"]

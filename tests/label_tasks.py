"""Tasks as Label Studio lists them, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

from labkit.label.convert import to_region
from labkit.label.table import Source, Tables, to_tables

SOURCE = Source(
    {"azimuth": {"landslide", "unsure"}, "range": {"landslide", "unsure"}}, {1: "ann@x", 2: "bo@x"}, "p", "g1", "1.2.3"
)
CORNERS = [[10.0, 50.0], [12.0, 50.0], [12.0, 49.0], [10.0, 49.0]]


def region(name: str, *box: float, direction: str = "range", label: str = "landslide") -> dict[str, Any]:
    # four numbers are a box; *box is of any length
    return to_region(name, direction, box, 50, label)  # type: ignore[arg-type]


def annotation(number: int, *regions: dict[str, Any], who: int = 1, **more: object) -> dict[str, Any]:
    """One finished annotation, made in the minute of its number."""
    made = f"2024-05-06T07:{number:02d}:09.5Z"
    times = {"created_at": made, "updated_at": made, "lead_time": 10.0 + number}
    return {"id": number, "completed_by": who, "result": list(regions), **times, **more}


def task(*annotations: dict[str, Any], number: int = 1, chip: str = "c", **more: object) -> dict[str, Any]:
    data = {"chip_id": chip, "scene": "s", "row": 100, "col": 200, "size": 50, "corners": CORNERS, **more}
    return {"id": number, "data": data, "annotations": list(annotations)}


def tables(*tasks: dict[str, Any], source: Source = SOURCE) -> Tables:
    return to_tables(tasks, source)

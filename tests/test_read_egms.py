"""Points of EGMS on a grid: files with the columns of the service, and damaged ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

import labkit as lk
from labkit.read import egms

NAME = "EGMS_L2a_088_0282_IW2_VV_2018_2022_1.csv"


def points(n: int = 500, seed: int = 0) -> pd.DataFrame:
    """A table with the columns of an L2a file, in their order."""
    rng = np.random.default_rng(seed)
    easting, northing = 3_399_000 + rng.uniform(0, 1500, n), 1_738_000 + rng.uniform(0, 900, n)
    lon, lat = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True).transform(easting, northing)
    return pd.DataFrame(
        {
            "pid": [f"09qG{i:05d}" for i in range(n)],
            "mp_type": 0,
            "latitude": lat,
            "longitude": lon,
            "easting": easting,
            "northing": northing,
            "height": 50.0,
            "rmse": 2.0,
            "temporal_coherence": 0.9,
            "incidence_angle": rng.uniform(36, 38, n),
            "track_angle": rng.uniform(347, 349, n),
            "los_east": -0.6,
            "los_north": -0.1,
            "los_up": 0.79,
            "mean_velocity": rng.normal(0, 10, n),
            "mean_velocity_std": rng.uniform(0.1, 1, n),
            "20180103": rng.normal(size=n),
            "20180109": rng.normal(size=n),
        }
    )


def by_cell(table: pd.DataFrame, cell_m: float) -> pd.core.groupby.DataFrameGroupBy:
    column, row = (np.floor(table[name] / cell_m).astype(int).rename(name) for name in ("easting", "northing"))
    return table.groupby([row, column])


def test_a_cell_holds_the_mean_of_its_points_where_they_lie(tmp_path: Path) -> None:
    table = points()
    table.to_csv(tmp_path / NAME, index=False)
    rates = lk.open_rates(tmp_path / NAME)
    cells = by_cell(table, 100.0)
    means, spread = cells["mean_velocity"].mean(), cells["mean_velocity_std"]
    errors = spread.apply(lambda s: np.sqrt((s**2).sum()) / len(s))
    assert int(np.isfinite(rates["rate"].values).sum()) == len(means)
    for (row, column), mean in means.items():
        at = {"y": row * 100.0 + 50, "x": column * 100.0 + 50}
        assert float(rates["rate"].sel(at)) == pytest.approx(mean, rel=1e-5, abs=1e-5)
        assert float(rates["standard_error"].sel(at)) == pytest.approx(errors[row, column], rel=1e-5)
    assert (np.diff(rates["y"]) < 0).all()
    first = table.iloc[0]
    y, x = lk.geo.lonlat_to_pixel(rates, first["longitude"], first["latitude"])
    assert rates["y"].values[int(y)] == pytest.approx(np.floor(first["northing"] / 100) * 100 + 50)
    assert rates["x"].values[int(x)] == pytest.approx(np.floor(first["easting"] / 100) * 100 + 50)


def test_the_scene_is_described_by_the_name_and_the_look_angles(tmp_path: Path) -> None:
    table = points()
    table.to_csv(tmp_path / NAME, index=False)
    attrs = lk.open_rates(tmp_path).attrs
    expected = {
        "scene": NAME.removesuffix(".csv"),
        "track": "088",
        "burst": "0282_IW2",
        "orbit_direction": "ascending",
        "crs": "EPSG:3035",
        "ground_spacing": 100.0,
        "processor": "EGMS",
        "n_points": 500,
        "incidence_angle": pytest.approx(table["incidence_angle"].mean()),
        "heading": pytest.approx(table["track_angle"].mean(), abs=1e-3),
    }
    assert {name: attrs[name] for name in expected} == expected


def test_files_of_one_track_are_put_together_and_tracks_are_not_mixed(tmp_path: Path) -> None:
    first, second = points(seed=1), points(seed=2)
    first.to_csv(tmp_path / NAME, index=False)
    second.to_csv(tmp_path / NAME.replace("0282", "0283"), index=False)
    rates = lk.open_rates(tmp_path)
    means = by_cell(pd.concat([first, second]), 100.0)["mean_velocity"].mean()
    assert rates.attrs["n_points"] == 1000
    assert np.nansum(rates["rate"].values.astype(float)) == pytest.approx(means.sum(), rel=1e-4)
    second.to_csv(tmp_path / NAME.replace("088", "095"), index=False)
    with pytest.raises(lk.FileError, match=r"must hold points of one track, instead got \['088', '095'\]"):
        lk.open_rates(tmp_path)


def test_another_cell_size_counts_the_same_points(tmp_path: Path) -> None:
    table = points()
    table.to_csv(tmp_path / NAME, index=False)
    rates = egms.open_points(tmp_path / NAME, cell_m=250.0)
    means = by_cell(table, 250.0)["mean_velocity"].mean()
    assert np.nansum(rates["rate"].values.astype(float)) == pytest.approx(means.sum(), rel=1e-4)
    with pytest.raises(lk.LabkitError, match="cell_m must be a positive number of metres"):
        egms.open_points(tmp_path / NAME, cell_m=0)


def test_points_without_a_velocity_are_left_out(tmp_path: Path) -> None:
    table = points(5)
    table.loc[2, "mean_velocity"] = np.nan
    table.to_csv(tmp_path / NAME, index=False)
    assert lk.open_rates(tmp_path).attrs["n_points"] == 4


def test_level_3_is_refused_because_it_is_no_line_of_sight(tmp_path: Path) -> None:
    columns = ["pid", "easting", "northing", "height", "rmse", "mean_velocity", "mean_velocity_std"]
    points()[columns].to_csv(tmp_path / "EGMS_L3_E33N17_100km_U_2018_2022_1.csv", index=False)
    with pytest.raises(lk.FileError, match="level L3 holds vertical or east-west motion. Download L2a or L2b"):
        lk.open_rates(tmp_path)


def test_broken_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / NAME
    points().drop(columns="easting").to_csv(path, index=False)
    with pytest.raises(lk.FileError, match=f"{NAME} must have the columns .* missing: \\['easting'\\]"):
        lk.open_rates(tmp_path)
    points().assign(mean_velocity="fast").to_csv(path, index=False)
    with pytest.raises(lk.FileError, match=f"{NAME} must be a whole CSV of numbers"):
        lk.open_rates(tmp_path)
    points().assign(mean_velocity=np.nan).to_csv(path, index=False)
    with pytest.raises(lk.FileError, match=f"{NAME} must hold at least one point"):
        lk.open_rates(tmp_path)
    points().assign(easting=4e9).to_csv(path, index=False)
    with pytest.raises(lk.FileError, match=f"{NAME} must hold easting in metres of EPSG:3035, instead it reaches 4e"):
        lk.open_rates(tmp_path)
    far = points()
    far.loc[0, "easting"] = 9e6
    far.loc[1, "northing"] = -9e6
    far.to_csv(path, index=False)
    with pytest.raises(lk.FileError, match="must cover at most 100000000 cells of 100.0 m"):
        lk.open_rates(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(lk.FileError, match="must be or hold a CSV of EGMS"):
        lk.open_rates(empty, product="egms")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_table_opens_or_is_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    text = io.StringIO()
    points(6).to_csv(text, index=False)
    damaged = bytearray(text.getvalue().encode())
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / NAME
    path.write_bytes(bytes(damaged[: data.draw(st.sampled_from([len(damaged), len(damaged) // 2, 40, 0]))]))
    try:
        rates = egms.open_points(path)
    except lk.FileError as error:
        assert NAME in str(error)
    else:
        assert rates.attrs["n_points"] >= 1

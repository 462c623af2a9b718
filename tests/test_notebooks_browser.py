"""The notebooks as a person opens them: in a real JupyterLab in a real Chromium, with their figures and maps drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from browser import colours_in, run_notebook_in_browser, shares_of_red_and_blue

ROOT = Path(__file__).resolve().parents[1]

#: Notebook → figures and maps that it draws. Those that train, simulate or stack much are looked at in the slow run
#: alone; that their cells run is tested always.
DRAWN = {
    "70_density": (0, 2),
}
DRAWN_SLOWLY = {
    "00_tour": (6, 1),
    "10_read": (4, 0),
    "15_simulate": (39, 0),
    "20_gradients": (29, 0),
    "50_train": (4, 0),
    "51_compare_detectors": (2, 0),
    "60_detect": (4, 0),
    "61_baselines": (2, 0),
    "62_review": (8, 0),
    "80_how_many_interferograms": (10, 0),
    "81_seasonal_landslides": (8, 0),
    "90_my_data": (5, 1),
}


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A copy of the notebooks beside the demo scene."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "notebooks", project / "notebooks", ignore=shutil.ignore_patterns("results", ".*"))
    (project / "data").mkdir()
    (project / "data" / "demo").symlink_to(demo_folder)
    return project / "notebooks"


def look(notebooks: Path, name: str, figures: int, maps: int, test_output: Path) -> None:
    seen = run_notebook_in_browser(notebooks / f"{name}.ipynb", test_output / "browser", 400)
    assert seen.errors == []
    assert seen.outside_requests == []
    assert (seen.figures, seen.maps) == (figures, maps)
    for picture in [*seen.pictures("figure"), *seen.pictures("map")]:
        assert colours_in(picture) > 20, f"{picture} is blank"
    if name == "20_gradients":
        # The last two figures are the other track's stack: couplets, red and blue.
        for picture in seen.pictures("figure")[-2:]:
            red, blue = shares_of_red_and_blue(picture)
            assert min(red, blue) > 0.002, f"{picture} must show red and blue, instead {red:.3%} and {blue:.3%}"


@pytest.mark.browser
@pytest.mark.parametrize("name", DRAWN)
def test_figures_and_maps_are_drawn(name: str, notebooks: Path, test_output: Path) -> None:
    look(notebooks, name, *DRAWN[name], test_output)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", DRAWN_SLOWLY)
def test_figures_and_maps_are_drawn_after_long_work(name: str, notebooks: Path, test_output: Path) -> None:
    look(notebooks, name, *DRAWN_SLOWLY[name], test_output)

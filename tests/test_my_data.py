"""The notebook of one's own data, run on real folders and on wrong ones as a person would: the first line changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browser import colours_in, run_notebook_in_browser, shares_of_red_and_blue
from nbclient import NotebookClient

from labkit.label import LabelServer

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "90_my_data.ipynb"


def run(folder: Path | str, place: Path, **stated: float) -> list[str]:
    """Run the notebook on a folder; the words of each code cell, and of the error that stopped it."""
    notebook = pointed_to(folder, stated)
    shutil.copytree(ROOT / "notebooks", place / "notebooks", ignore=lambda *_: ["results"], dirs_exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(place / "notebooks")}},
    )
    # No server of this bench, nor one that is named: the offer says so.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABKIT_LABEL_STUDIO_")}
    client.execute(env=environment | {"LABKIT_HOME": str(place / "home"), "JUPYTER_PREFER_ENV_PATH": "1"})
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["\n".join(map(words_of, cell.outputs)) for cell in cells]


def pointed_to(folder: Path | str, stated: dict[str, float]) -> nbformat.NotebookNode:
    """The notebook with its settings changed, as a person changes them."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (settings,) = [cell for cell in notebook.cells if cell.source.startswith("FOLDER = ")]
    settings.source = f"FOLDER = {str(folder)!r}\nSTATED = {stated!r}"
    return notebook


def words_of(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return f"it raised {output.ename}: {output.evalue}"
    return "\n".join(f"{kind}: {value}" for kind, value in output.data.items() if kind.startswith("text/"))


@pytest.mark.slow
@pytest.mark.notebooks
def test_danba_goes_from_its_folder_to_a_landslide_on_the_map(real_data: Path, tmp_path: Path) -> None:
    said = run(real_data / "danba_gamma", tmp_path)
    assert not [words for words in said if "it raised" in words]
    survey, stack, detection = said[2], said[4], said[5]
    assert "Interferograms of GAMMA" in survey and "186 between 43 dates" in survey
    assert "79 of 186 pairs, at most 36 days apart; the whole scene; 3 × 3 looks, 44 m on the ground" in stack
    assert "boxes: 2 · landslides: 1" in detection
    assert "Map(" in said[6]
    assert "1 chip of 58 px" in said[7] or "VBox(" in said[7]
    assert not (tmp_path / "home" / "label-studio.json").exists(), "the offer must start nothing"
    assert not (tmp_path / "notebooks" / "results").exists(), "the offer must write nothing"


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kirishima_mintpy", "the rates as they are"),
        ("anatolia_licsbas/014A_04939_131313", "the rates as they are"),
        ("mexico_city_geotiff", "23 of 30 pairs"),
        ("sydney_gamma", "17 of 17 pairs"),
        ("sydney_roipac", "17 of 17 pairs"),
    ],
)
def test_every_real_folder_that_can_be_opened_goes_to_the_end(
    name: str, words: str, real_data: Path, tmp_path: Path
) -> None:
    said = run(real_data / name, tmp_path)
    assert not [cell for cell in said if "it raised" in cell]
    assert words in said[4] and "landslides:" in said[5] and "Map(" in said[6]


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("hyp3", "names do not hold the two dates"),
        ("isce_geometry", "the geometry of an ISCE2 stack"),
        ("anatolia_licsbas", "014A_04939_131313 (rates of LiCSBAS)"),
        ("danba_gama", "danba_gamma"),
        ("README.md", "no reader knows files of these names"),
        (r"C:\insar\danba", "/mnt/c/insar/danba"),
    ],
)
def test_a_wrong_folder_is_told_in_the_table_and_stops_in_one_paragraph(
    folder: str, words: str, real_data: Path, tmp_path: Path
) -> None:
    typed = folder if folder.startswith("C:") else real_data / folder
    said = run(typed, tmp_path)
    assert "Nothing that can be opened" in said[2] and words in said[2]
    first = next(cell for cell in said if "it raised" in cell)
    assert first is said[3]
    assert "it raised FileError:" in first and "must hold interferograms or rates" in first and "What to do" in first


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.server
def test_on_the_page_danba_is_drawn_and_the_button_makes_its_project(
    real_data: Path, tmp_path: Path, label_studio: LabelServer, test_output: Path
) -> None:
    book = tmp_path / NOTEBOOK.name
    nbformat.write(pointed_to(real_data / "danba_gamma", {}), book)
    folder, words = test_output / "browser", []

    def press(page: Any) -> None:
        page.get_by_role("button", name="Make the project").click()
        done = page.get_by_text("new in the project")
        done.wait_for(timeout=120_000)
        words.append(done.inner_text())
        words.append(page.get_by_role("link", name="Open it in Label Studio").get_attribute("href"))
        page.screenshot(path=folder / "90_my_data-pressed.png")

    seen = run_notebook_in_browser(book, folder, 400, then=press)
    assert seen.errors == [] and seen.outside_requests == []
    # the network, the stack and the stack with its boxes; the map
    assert (seen.figures, seen.maps) == (5, 1)
    for picture in [*seen.pictures("figure")[1:], *seen.pictures("map")]:
        red, blue = shares_of_red_and_blue(picture)
        assert min(red, blue) > 0.01 and colours_in(picture) > 20, f"{picture} must show a couplet"
    assert words[0].startswith("1 chip is new in the project")
    assert words[1].startswith(f"{label_studio.url}/projects/")

"""Back to the start: fresh notebooks for one person, and what was there is kept beside them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.errors import FileError
from labkit.workshop.layout import KEPT, NOTEBOOKS

if TYPE_CHECKING:
    import ipywidgets as widgets

#: Names the folder of a workshop in the environment of everybody's server.
WORKSHOP_VARIABLE = "LABKIT_WORKSHOP"

#: The notebook that welcomes a person, beside the folder of notebooks.
WELCOME = "start_here.ipynb"

_FIRST = Path(__file__).with_name(WELCOME)


def reset(home: str | Path | None = None, start: str | Path | None = None) -> Path | None:
    """Put a person's notebooks back as they were at the start; results and changed notebooks go to ``kept/<time>``.

    Parameters
    ----------
    home : path, optional
        The person's home folder; default the home of who calls.
    start : path, optional
        The notebooks to begin with; default those of the workshop whose server this is.

    Returns
    -------
    Path or None
        Where the notebooks and results that were there are now; None where there were none.

    Raises
    ------
    FileError
        This is no server of a workshop and ``start`` is not given, or a folder cannot be written.

    Notes
    -----
    The fresh notebooks are complete before the old ones move, and nothing is ever removed. A notebook that is open in
    JupyterLab has to be closed and opened again; its kernel goes on until it is restarted.
    """
    person = Path.home() if home is None else Path(home).absolute()
    room = os.environ.get(WORKSHOP_VARIABLE)
    if start is None and not room:
        raise FileError(
            f"start must be a folder of notebooks, instead {WORKSHOP_VARIABLE} is not set: this is no server of a "
            "workshop. The teacher runs: labkit workshop reset FOLDER NAME"
        )
    source = Path(start) if start is not None else Path(str(room)) / NOTEBOOKS
    if not any(source.rglob("*.ipynb")):
        raise FileError(f"start must be a folder of notebooks, instead {source} holds none")
    target = person / NOTEBOOKS
    try:
        with tempfile.TemporaryDirectory(dir=person, prefix=".fresh.") as folder:
            fresh = Path(folder) / NOTEBOOKS
            shutil.copytree(source, fresh, copy_function=shutil.copyfile)
            _allow_writing(fresh)
            kept = _keep(target, person / KEPT) if target.exists() else None
            fresh.replace(target)
        if not (person / WELCOME).exists():  # it is open while its button is pressed
            shutil.copyfile(_FIRST, person / WELCOME)
    except OSError as error:
        raise FileError(f"{person} must be writable with enough room on its disk, instead got: {error}") from error
    return kept


def reset_button() -> widgets.Widget:
    """Show a button that puts one's own notebooks back to the start, and asks once before it does.

    Raises
    ------
    FileError
        When it is pressed, as :func:`reset`.
    """
    import ipywidgets as widgets

    button = widgets.Button(description="Back to the start", icon="undo", layout=widgets.Layout(width="auto"))
    sure = widgets.Button(description="Yes, put my notebooks back", button_style="warning", layout={"width": "auto"})
    said = widgets.HTML()
    sure.layout.display = "none"

    def ask(_: widgets.Button) -> None:
        said.value = f"Your notebooks begin anew. What you have now moves to the folder <code>{KEPT}</code>."
        sure.layout.display = ""

    def go(_: widgets.Button) -> None:
        sure.layout.display = "none"
        said.value = "One moment …"
        kept = reset()
        where = "" if kept is None else f" What you had is in <code>{kept.relative_to(Path.home())}</code>."
        said.value = f"Done: the notebooks are as at the start.{where} Close those that are open and open them again."

    button.on_click(ask)
    sure.on_click(go)
    return widgets.VBox([widgets.HBox([button, sure]), said])


def _keep(target: Path, kept: Path) -> Path:
    kept.mkdir(exist_ok=True)
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    for number in range(1, 1000):
        place = kept / (name if number == 1 else f"{name}_{number}")
        try:
            place.mkdir()
        except FileExistsError:  # twice within a second
            continue
        target.replace(place / target.name)
        return place / target.name
    raise FileError(f"{kept} must have room for one more folder of {name}, instead there are a thousand")


def _allow_writing(folder: Path) -> None:
    """The copies belong to the person, however closed the originals are."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    reset(sys.argv[1], sys.argv[2])

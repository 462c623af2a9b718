"""What people see of an error: one paragraph in a notebook, with the traceback folded; in plain Python all of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL = """
import labkit as lk
from labkit import FileError
try:
    int("<b>nine</b>")
except ValueError as error:
    raise FileError("a.tif must be a raster, instead got 3 bytes: " + "word " * 40) from error
"""


def outputs_of(code: str) -> list[Any]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return list(notebook.cells[0].outputs)


def test_a_notebook_shows_one_paragraph_and_folds_the_traceback():
    folded, said = outputs_of(CELL)
    assert said.output_type == "error" and said.ename == "FileError"
    assert " ".join(said.traceback).startswith("FileError: a.tif must be a raster, instead got 3 bytes: word")
    assert len(said.traceback) < 4 and "Traceback" not in "".join(said.traceback)
    page = folded.data["text/html"]
    assert page.startswith("<details><summary>") and "open" not in page.split(">")[0]
    assert "Traceback (most recent call last)" in page and "ValueError: invalid literal" in page
    assert "&lt;b&gt;nine" in page and "<b>nine" not in page, "what a file holds is no markup"


def test_errors_of_others_are_shown_as_ever():
    (said,) = outputs_of("1 / 0")
    assert said.ename == "ZeroDivisionError" and len("\n".join(said.traceback).splitlines()) > 3


@pytest.mark.parametrize(
    ("command", "there"),
    [(["-c"], "Traceback (most recent call last)"), (["-m", "IPython", "--colors=NoColor", "-c"], "%debug goes there")],
)
def test_at_a_prompt_the_traceback_is_at_hand(command, there):
    done = subprocess.run([sys.executable, *command, CELL], capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode != 0 and "FileError: a.tif must be a raster" in told and there in told

"""The errors that labkit raises, so that a caller can tell its word from a bug's.

Every message names the thing, the rule, the value and the remedy:
``"<name> must be <rule>, instead got <name>=<value>. <remedy>"``.
"""

from __future__ import annotations

import html
import textwrap
import traceback
from types import TracebackType

_WIDTH = 100


class LabkitError(ValueError):
    """A thing given to labkit breaks a rule; the message says which, and what to do.

    In a notebook it is one paragraph, with the traceback folded above it; in plain Python it is like any other error.

    Examples
    --------
    >>> import labkit as lk
    >>> try:
    ...     lk.simulate.scene("tiny", seed=-1)
    ... except lk.LabkitError as error:
    ...     print(error)
    seed must be a whole number of at least 0, instead got seed=-1
    """

    #: The traceback that a notebook shows already.
    _folded: TracebackType | None = None

    def _render_traceback_(self) -> list[str]:
        """Give IPython what it shows of this error; in a kernel, fold where it came from into the page."""
        from IPython.core.getipython import get_ipython
        from IPython.display import HTML, display

        paragraph = textwrap.wrap(f"{type(self).__name__}: {self}", _WIDTH, break_long_words=False)
        if hasattr(get_ipython(), "kernel"):
            if self._folded is not self.__traceback__:  # IPython asks once for the page and once for its history
                words = html.escape("".join(traceback.format_exception(self)))
                display(HTML(f"<details><summary>Where this happened</summary><pre>{words}</pre></details>"))
                self._folded = self.__traceback__
            return paragraph
        return [*paragraph, "Where this happened: %debug goes there, as does traceback.print_last()."]


class FileError(LabkitError):
    """A file is missing, cut, of another size, or not what its name says; the message names the file.

    Examples
    --------
    >>> import labkit as lk
    >>> try:
    ...     lk.read.load_scene("nowhere.nc")
    ... except lk.FileError as error:
    ...     print(error)
    path must be a file, instead there is nothing at nowhere.nc. Make it with lk.read.save_scene
    """


class ServerError(LabkitError):
    """A server did not answer, or refused; the message names its address and the remedy.

    Examples
    --------
    >>> import labkit as lk
    >>> try:
    ...     lk.label.connect("http://127.0.0.1:9", "no-token")
    ... except lk.ServerError as error:
    ...     print(str(error).partition(" (")[0])
    Label Studio must answer at http://127.0.0.1:9, instead it cannot be reached
    """

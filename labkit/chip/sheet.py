"""Many chips on one page, to look over before anybody labels them."""

from __future__ import annotations

import pandas as pd
from PIL import Image

from labkit.errors import LabkitError

_PAPER = (255, 255, 255)


def contact_sheet(images: pd.DataFrame, columns: int = 4, *, gap: int = 6) -> Image.Image:
    """Lay the images of chips out on one page, the directions of each chip beside each other.

    Parameters
    ----------
    images : pandas.DataFrame
        ``chip_id``, ``direction`` and ``path``, as :func:`labkit.chip.write_images` gives them; take a part of it for
        a shorter page.
    columns : int
        Chips in a row.
    gap : int
        Pixels between chips; the directions of one chip stand a third of it apart.

    Returns
    -------
    PIL.Image.Image
        The page, chips in the order of the table from top left; a notebook shows it as it is.

    Raises
    ------
    LabkitError
        There is no image, or a number is out of its bounds.

    Examples
    --------
    >>> import tempfile
    >>> import labkit as lk
    >>> gradients = lk.stack_gradients(lk.simulate.scene("tiny").interferograms["ascending"], progress=False)
    >>> chips = lk.make_chips(gradients, size=64, overlap=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = contact_sheet(lk.chip.write_images(chips, gradients, folder, progress=False), columns=3)
    >>> len(chips), page.size
    (9, (414, 216))
    """
    if not len(images):
        raise LabkitError("images must hold at least one row, instead got an empty table")
    if columns < 1 or gap < 0:
        raise LabkitError(f"columns must be at least 1 and gap at least 0, instead got columns={columns}, gap={gap}")
    groups = [group["path"].tolist() for _, group in images.groupby("chip_id", sort=False)]
    with Image.open(groups[0][0]) as first:
        width, height = first.size
    near = gap // 3
    block = max(map(len, groups)) * (width + near) - near
    rows = -(-len(groups) // columns)
    across = min(columns, len(groups))
    page = Image.new("RGB", (across * (block + gap) + gap, rows * (height + gap) + gap), _PAPER)
    for index, paths in enumerate(groups):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (block + gap)
        for place, path in enumerate(paths):
            with Image.open(path) as picture:
                page.paste(picture, (left + place * (width + near), top))
    return page

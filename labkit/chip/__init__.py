"""Chips: the windows that people label and models learn from, their images, and a split that does not leak.

A chip is a row of a table; its pixels stay in the scene and are cut when they are needed.
"""

from __future__ import annotations

from labkit.chip.render import colourize, write_images, write_pictures
from labkit.chip.selection import select_chips
from labkit.chip.sheet import contact_sheet
from labkit.chip.splits import split_chips
from labkit.chip.tiling import make_chips

__all__ = ["colourize", "contact_sheet", "make_chips", "select_chips", "split_chips", "write_images", "write_pictures"]

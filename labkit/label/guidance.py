"""The guidance that people read before they draw: what to seek, an example of each class, the keys; and its version."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence

from labkit.schema import DIRECTIONS, LANDSLIDE

#: A deformation that is none: mining, settling ground, a dam. Detectors learn it as background.
OTHER_DEFORMATION = "deformation, not a landslide"
SNOW = "snow or ice"
UNSURE = "unsure"

#: What each class means, with an example.
MEANINGS = {
    LANDSLIDE: (
        "A red and a blue patch side by side with a sharp seam between them, on a slope. Example: red above and blue "
        "below on the azimuth image, 10 to 40 pixels across, beside a river. One box around both colours, seam and all."
    ),
    OTHER_DEFORMATION: (
        "Ground that moves for another reason. Examples: the round bowl above a mine, whose couplet lies on flat "
        "ground; settling fill along a road; a dam."
    ),
    SNOW: (
        "Movement or noise of snow and glaciers. Examples: couplets in a cirque above the snow line; long tongues that "
        "follow a valley glacier; many small couplets that fill a high basin."
    ),
    UNSURE: "You see a couplet and cannot say what it is. Detectors neither learn it nor are blamed for it.",
}

_NOTHING = (
    "Broad pale patches are atmosphere. Stripes and speckle along rivers, lakes and fields are lost coherence. Steep "
    "slopes that face the satellite are smeared. Grey has no data."
)


def guidance_text(classes: Sequence[str], directions: Sequence[str] = DIRECTIONS, *, keys: bool = True) -> str:
    """Write the guidance of a project as HTML, which Label Studio shows under "Instructions".

    Parameters
    ----------
    classes : sequence of str
        The labels on offer, in the order of their keys.
    directions : sequence of str
        The images with boxes, from left to right.
    keys : bool
        Whether to name Label Studio's keys; the box editor in the notebook has none of them.

    Examples
    --------
    >>> "(keys 1 and 3)" in guidance_text(("landslide", "unsure"))
    True
    """
    rows = []
    for number, word in enumerate(classes):
        digits = [str(1 + number + place * len(classes)) for place in range(len(directions))]
        said = f" ({'key' if len(digits) == 1 else 'keys'} {' and '.join(digits)})" if keys else ""
        meaning = html.escape(MEANINGS.get(word, ""))
        rows.append(f"<li><b>{html.escape(word)}</b>{said}. {meaning}</li>")
    if tuple(directions) == DIRECTIONS:
        apart = ", each with keys of its own" if keys else ""
        images = (
            f"The azimuth gradient is on the left and the range gradient on the right{apart}. A landslide may show in "
            "one of them only: draw it where you see it, and in both where you see it in both."
        )
    else:
        images = (
            "Blue moves toward the satellite, red away. A landslide is one patch that stands out from its surroundings."
        )
    shortcuts = (
        "A class's digit picks it, Escape lets it go, Ctrl + Enter submits, Ctrl + Z takes back, Backspace deletes the "
        "box that is picked."
    )
    last = (
        f"<p><b>Keys:</b> {shortcuts}</p><p>Nothing to see: submit without a box, which says that you looked.</p>"
        if keys
        else "<p>Nothing to see: press <i>Nothing here</i>, which says that you looked.</p>"
    )
    return f"<p>{images}</p><ul>{''.join(rows)}</ul><p><b>No box:</b> {_NOTHING}</p>{last}"


def guidance_version(instruction: str) -> str:
    """Give the version of a guidance text: eight digits that change with any word of it; "" for none.

    Examples
    --------
    >>> guidance_version("Draw one box.") == guidance_version("Draw one box. ") != guidance_version("Draw two boxes.")
    True
    """
    text = instruction.strip()
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""

"""The line below the panels of an explorer: what is shown, what was left out, and what changed."""

from __future__ import annotations

import html
from collections.abc import Sequence

from labkit.view.explorer_settings import Settings
from labkit.view.restacking import Picture


def said(
    first: str, picture: Picture, settings: Settings, scene: str, pairs: int, changed: Sequence[str], *, alert: bool
) -> str:
    """Say what is shown, as a paragraph of a page.

    Parameters
    ----------
    first : str
        What comes first: an answer, or what went wrong where ``alert``.
    picture, settings
        What is shown.
    scene : str
        Its name.
    pairs : int
        How many the scene has.
    changed : sequence of str
        What the last change changed.
    """
    attributes = picture.stack.attrs
    years = f"{attributes['sum_temporal_baseline']:.1f} years in sum"
    how = "" if picture.exact else f", a preview by means of {picture.step} × {picture.step} px"
    words = f"{scene}: {attributes['n_pairs']} of {pairs} pairs, {years}{how}. "
    if settings.masks:
        reasons = ", ".join(dict.fromkeys(mask.reason for mask in settings.masks))
        words += f"{attributes['masked_fraction']:.1%} masked ({reasons}). "
    words += f"Stacked in {picture.seconds:.2f} s."
    role, colour = ("alert", "#b00020") if alert else ("status", "#1b5e20")
    below = f"<br>What changed: {html.escape(' · '.join(changed))}" if changed else ""
    return (
        f"<p role='{role}' style='margin:0'><b style='color:{colour}'>{html.escape(first)}</b> {html.escape(words)}"
        f"{below}</p>"
    )

"""A survey as a notebook shows it: what a folder holds, then what it lacks with the remedies."""

from __future__ import annotations

import html
from collections.abc import Sequence

from labkit.read.missing import Missing

# Colours that read on a light and on a dark page alike.
_STOPS, _LACKS, _GOOD = "#d4001a", "#c77700", "#2e8b57"
_CELL = "text-align:left;vertical-align:top;padding:2px 16px 2px 0"


def page(
    folder: str, headline: str, facts: Sequence[tuple[str, str]], missing: Sequence[Missing], *, whole: bool
) -> str:
    """Write a survey as HTML: nothing of it is fetched, and what came from file names is escaped.

    Parameters
    ----------
    folder, headline : str
        The place, and what was recognised.
    facts : sequence of (str, str)
        Name and words.
    missing : sequence of Missing
        What is lacking.
    whole : bool
        Whether the folder could be opened.
    """
    colour = _GOOD if whole else _STOPS
    parts = [
        f'<div style="font-weight:600;color:{colour}">{html.escape(_capital(headline))}</div>',
        f'<div style="font-family:monospace;overflow-wrap:anywhere">{html.escape(folder)}</div>',
    ]
    if facts:
        rows = "".join(
            f'<tr><td style="{_CELL};opacity:0.7;white-space:nowrap">{html.escape(name)}</td>'
            f'<td style="{_CELL}">{html.escape(words)}</td></tr>'
            for name, words in facts
        )
        parts.append(f'<table style="margin:6px 0;border-collapse:collapse">{rows}</table>')
    parts += [_lack(lack) for lack in missing]
    if whole and not missing:
        parts.append(f'<div style="color:{_GOOD}">Nothing is missing.</div>')
    return f'<div style="line-height:1.5;max-width:900px">{"".join(parts)}</div>'


def _lack(lack: Missing) -> str:
    return (
        f'<div style="border-left:4px solid {_STOPS if lack.stops else _LACKS};padding:1px 10px;margin:6px 0">'
        f'<b style="overflow-wrap:anywhere">{html.escape(_capital(lack.what))}</b>: {html.escape(lack.words)}.<br>'
        f"→ {html.escape(_capital(lack.remedy))}.</div>"
    )


def _capital(words: str) -> str:
    """The first letter large, but for names of files and of code."""
    first = words.split(" ", 1)[0]
    return words if not first.isalpha() else words[:1].upper() + words[1:]

"""Sphinx's settings for the site; docs/make_site.py copies them beside the pages as conf.py."""

import re

import labkit

project = "labkit"
author = "The labkit developers"
release = labkit.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
html_theme = "sphinx_book_theme"
html_title = f"labkit {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
_WITH_CONTENTS = ("index", "gallery", "CHANGELOG", "docs/**", "names/**", "benchmarks/**", "data/**")

# notebooks have the whole width: two panels stand side by side in them
html_theme_options = {
    "use_download_button": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": {page: ["page-toc"] for page in _WITH_CONTENTS} | {"notebooks/**": []},
}
html_show_sourcelink = False
html_copy_source = False
exclude_patterns = ["**/results/**", "notebooks/tables/**", "home/**"]

# notebooks come with their outputs; a table wider than the page is scrolled by the style sheet
nb_execution_mode = "off"
nb_ipywidgets_js: dict = {}
nb_merge_streams = True
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"

# "[1]_" means one reference in each docstring; a page has many docstrings, where it would mean them all
_REFERENCE = re.compile(r"^\.\. \[(\d+)\] ?")


def _escape_bars(line):
    """|x| is an amount in a docstring, not the name of a text to put in."""
    parts = line.split("``")
    parts[::2] = [re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts[::2]]
    return "``".join(parts)


def _as_meant(app, what, name, thing, options, lines):
    if what == "data" and lines and lines[0] == (type(thing).__doc__ or "").strip().partition("\n")[0]:
        lines.clear()  # what Python says of every dict is not of this one
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", "|")):
            lines[number] = _escape_bars(re.sub(r"\[(\d+)\]_", r"[\1]", _REFERENCE.sub(r"\1. ", line)))


def setup(app):
    """Read docstrings as they are meant."""
    app.connect("autodoc-process-docstring", _as_meant)

"""Sphinx's settings for the site; docs/make_site.py copies them beside the pages as conf.py."""

import labkit

project = "labkit"
author = "The labkit developers"
release = labkit.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
html_theme = "sphinx_book_theme"
html_title = f"labkit {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_theme_options = {"use_download_button": False, "show_toc_level": 2}
html_show_sourcelink = False
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

"""Sphinx configuration: ``pip install -e '.[docs]' && sphinx-build docs build/docs``."""

from smecheck import __version__

project = "smecheck"
author = "The smecheck developers"
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
myst_heading_anchors = 3
# Links to files of the repository (samples, schemas) lead out of the documentation.
suppress_warnings = ["myst.xref_missing"]

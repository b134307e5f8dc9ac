"""Sphinx configuration: Markdown pages, every warning an error."""

project = "kubedock"
copyright = "the kubedock authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "kubedock"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nitpicky = True

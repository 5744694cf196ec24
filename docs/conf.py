"""Sphinx settings. `nox -s docs` builds the site with warnings as errors."""

import inspect
import sys
from pathlib import Path

from ltbench import __version__
from ltbench.registry.methods import find, role
from ltbench.registry.signatures import names

sys.path.insert(0, str(Path(__file__).parent))
import method_pages

project = "ltbench"
author = "the ltbench developers"
copyright = author
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"ltbench {release}"
highlight_language = "none"  # of blocks that are only indented: commands
myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"  # docstrings write code in single backticks


def _methods() -> str:
    """Return every registered method as a Markdown table."""
    lines = ["| name | role | paper |", "| --- | --- | --- |"]
    for name in names():
        found = find(name)
        words = inspect.getdoc(sys.modules[found.__module__]) or ""
        paper = " ".join(words.split("\n\n")[0].split()).replace("|", "\\|")
        lines.append(f"| [`{name}`](generated/{name}.md) | {role(found)} | {paper} |")
    return "\n".join(lines)


myst_substitutions = {"methods": _methods()}
method_pages.write(Path(__file__).parent / "generated")

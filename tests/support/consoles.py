"""What a view prints."""

import io

from rich.console import Console


def printed(show, *given, width=100):
    """Return what a function prints of the given things on a console so wide."""
    file = io.StringIO()
    show(*given, Console(file=file, width=width, highlight=False))
    return file.getvalue()

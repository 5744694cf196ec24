"""What a view prints."""

import io

from rich.console import Console


def printed(show, *given, width=100, terminal=False):
    """Return what a function prints of the given things on a console so wide, without colours."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, highlight=False, force_terminal=terminal, color_system=None
    )
    show(*given, console)
    return file.getvalue()

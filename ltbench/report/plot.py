"""What figures share: what comes of one, and how long names are written in it."""

from dataclasses import dataclass

from markupsafe import Markup

_LABEL = 24  # characters; the table beside it has the whole name


@dataclass(frozen=True)
class Plot:
    """A figure; `legend` has a colour's place and marker's name for each of its series."""

    title: str
    caption: str
    image: Markup
    legend: tuple[str, ...] = ()


def short(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    if len(name) <= _LABEL:
        return name
    return f"{name[: _LABEL - 10]}…{name[-9:]}"

"""What analyses and added parts show: the figures that this store has something for."""

from ltbench.errors import LtbenchError
from ltbench.figures.analysed import NothingToDrawError
from ltbench.figures.definition import Analysed, Gains, figures
from ltbench.figures.make import drawing
from ltbench.figures.style import style
from ltbench.report.svg import INK, Plot, inline
from ltbench.runs.store import Store

_ON_THE_PAGE = {
    "svg.fonttype": "none", "figure.facecolor": "none", "axes.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor",
                     "xtick.color", "ytick.color", "legend.labelcolor"), INK),
}  # fmt: skip


def pictures(store: Store) -> tuple[list[Plot], list[str]]:
    """Return the figures there are, as files have them, and why others do not read."""
    found, problems = [], []
    for figure in figures():
        if not isinstance(figure.definition, Analysed | Gains):
            continue
        try:
            with style(_ON_THE_PAGE):
                drawn = drawing(figure, store)
                image = inline(drawn.picture, figure.name, f"{figure.title}, {figure.name}")
        except NothingToDrawError:
            continue
        except LtbenchError as error:
            problems.append(str(error))
            continue
        command = f"ltbench figure {figure.name}"
        caption = " ".join([*drawn.remarks, f"`{command}` writes it with its data."])
        found.append(Plot(figure.name, caption, image))
        problems += drawn.problems
    return found, problems

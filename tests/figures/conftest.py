"""Results of analyses placed in the store."""

import pytest

from ltbench.analysis.results import Result, as_csv, path_of
from ltbench.figures import inside
from ltbench.runs.files import write_text
from ltbench.runs.store import Cell


@pytest.fixture
def place(store):
    """Returns a function that writes the rows of a figure's analysis of one run."""

    def place(figure, rows, seed, method="ce", protocol=None, **header):
        definition = figure.definition
        protocol = protocol or definition.protocol
        cell = Cell(definition.dataset, protocol, definition.network, method, seed)
        analysis = definition.analysis or inside.QUANTITIES[definition.shows].analysis
        write_text(
            path_of(store, cell, analysis), as_csv(Result({"analysis": analysis, **header}, rows))
        )

    return place

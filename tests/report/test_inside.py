"""Figures of analyses on the page."""

from ltbench.analysis.results import Result, as_csv, path_of
from ltbench.figures.definition import figures
from ltbench.report.inside import pictures
from ltbench.runs.files import write_text
from ltbench.runs.store import Cell


def test_figures_of_analyses_stand_on_the_page_and_unreadable_ones_are_named(store):
    """One finished analysis of plain training: its figure alone, with what is left out."""
    (figure,) = figures("gala/2")
    definition = figure.definition
    cell = Cell(definition.dataset, definition.protocol, definition.network, "ce", 0)
    rows = [
        {"quantity": "relative_positives", "class": label, "training_images": 50 - label,
         "shots": "many", "value": 1.0}
        for label in range(10)
    ]  # fmt: skip
    assert pictures(store) == ([], [])
    path = path_of(store, cell, "predictions")
    write_text(path, as_csv(Result({"analysis": "predictions"}, rows)))
    found, problems = pictures(store)
    assert [plot.title for plot in found] == ["gala_figure2"]
    assert problems == []
    assert "`ltbench figure gala_figure2` writes it" in found[0].caption
    assert "<svg" in found[0].image
    path.write_text("# analysis: predictions\nhalf")
    found, problems = pictures(store)
    assert found == []
    assert "analyse the run again" in problems[0]

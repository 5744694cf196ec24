"""The page: a pure function of a store's files."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ltbench.registry.signatures import names
from ltbench.report import claim_plots, inside, line_plots, method_plots, verdict_plots
from ltbench.report.settings import Setting, gather
from ltbench.report.svg import PALETTE, Plot, drawing
from ltbench.report.training_curves import TrainingCurves, curves
from ltbench.report.verdicts import MEANINGS, counts, entries, sheets
from ltbench.runs.commands import RESULTS
from ltbench.runs.files import write_file
from ltbench.runs.store import Store
from ltbench.tables.cells import Reader, ResolvedColumn
from ltbench.tables.claims import load_claims
from ltbench.tables.definition import Table, load
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import Ledger, ledger_of, with_readings
from ltbench.tables.ledger_claims import reading_notes
from ltbench.tables.missing import commands
from ltbench.tables.shipped import shipped
from ltbench.tables.write.ledger import CAPTION

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """A finished page."""

    text: str
    records: int
    problems: tuple[str, ...]  # files of the store that it had to leave out

    def write(self, path: Path, option: str) -> None:
        """Write it whole or not at all; raises LtbenchError, naming the option, else."""
        write_file(path, lambda file: file.write(self.text.encode()), option)


def render(store: Store) -> Page:
    """Return the report on a store; the same files give the same text."""
    tables = [load(name) for name in sorted(shipped())]
    methods = names()
    filled = ledger_of(tables, load_claims(tables), store, methods)
    order = order_of(tables)
    runs = gather(store, order)
    cells = entries(filled.cells, runs, tables)
    laid_out = sheets(tables, cells, runs)
    pictures, unread = inside.pictures(store)
    reader = Reader(store)
    notes = {sheet.table.short: _notes(sheet.table, reader) for sheet in laid_out}
    trained = {
        setting.key: [curves(store, each) for each in line_plots.overlaid(setting)]
        for setting in runs.settings
    }
    torn = (words for found in trained.values() for each in found for words in each.problems)
    sentences = [*runs.problems, *filled.problems, *reader.problems, *unread, *torn]
    problems = tuple(dict.fromkeys(without_paths(each, store.root) for each in sentences))
    lacking = [
        (table, commands(replace(grid_of(table, Store(store.root)), results=RESULTS), methods))
        for table in tables
        if table not in [sheet.table for sheet in laid_out]
    ]
    records = sum(len(each.records) for each in runs.methods)
    text = environment().get_template("report.html").render(
        records=records, runs=runs, counts=counts(tables, filled), cells=cells,
        claims=entries(filled.claims, runs, tables),
        claim_rows=entries(list(with_readings(filled)), runs, tables),
        sheets=laid_out, notes=notes, lacking=lacking,
        first_plots=_first(filled), pictures=pictures,
        plots={each.key: _plots(each, trained[each.key]) for each in runs.settings},
        failures=[(where, without_paths(reason, store.root)) for where, reason in runs.failures],
        problems=problems, meanings=MEANINGS, palette=PALETTE, caption=CAPTION,
        first=[method for method in order if method in methods][:2],
    )  # fmt: skip
    return Page(text, records, problems)


def _notes(table: Table, reader: Reader) -> list[str]:
    columns = [ResolvedColumn.of(table, column) for column in table.definition.columns]
    return [*table.definition.notes, *reading_notes(table, reader, columns)]


# An absolute path, of which the last part is kept.
_ABSOLUTE = re.compile(r"(?<![\w./~])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\",;]+[/\\])+([^\s/\\'\",;]*)")


def without_paths(sentence: str, root: Path) -> str:
    """Return a sentence without the paths of this machine: a page is made to be sent."""
    for folder in (root.absolute(), root):
        sentence = sentence.replace(f"{folder}{os.sep}", "")
    return _ABSOLUTE.sub(r"\1", sentence)


def _first(filled: Ledger) -> list[Plot]:
    """Return the pictures of the head: claims lead where one is decided."""
    rows = list(with_readings(filled))
    decided = any(line.verdict.word in ("holds", "differs") for line in rows)
    with drawing():
        cells = verdict_plots.cells(filled.cells)
        claims = claim_plots.claims(rows)
    ordered = (claims, cells) if decided else (cells, claims)
    return [plot for plot in ordered if plot is not None]


def _plots(setting: Setting, found: list[TrainingCurves]) -> list[Plot]:
    with drawing():
        made = [
            method_plots.seeds(setting),
            method_plots.shots(setting),
            method_plots.calibration(setting),
            line_plots.classes(setting),
            line_plots.training(setting, found),
            line_plots.time(setting),
        ]
    return [plot for plot in made if plot is not None]


def order_of(tables: Sequence[Table]) -> list[str]:
    """Return the methods in the order of the papers' rows: what they count from comes first."""
    rows = (row.method for table in tables for row in table.definition.rows)
    return list(dict.fromkeys(method for method in rows if method is not None))


def environment() -> Environment:
    """Return what pages are made with: strict templates, and filters for names and sentences."""
    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["breakable"] = _breakable
    environment.filters["prose"] = _prose
    environment.globals["source"] = lambda name: Markup((_TEMPLATES / name).read_text("utf-8"))
    return environment


def _prose(text: str) -> Markup:
    """Return a sentence in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _breakable(name: str) -> Markup:
    """Return a specification that a narrow column may break where its parts end."""
    return Markup(re.sub(r"([_+(,=@]+)", r"\1<wbr>", str(escape(name))))

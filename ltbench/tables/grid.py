"""The grid: every row and column of a table with what is reported and what the records give."""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from ltbench.data.profile import SHOTS
from ltbench.errors import counted
from ltbench.evaluation.selection import EPOCH
from ltbench.runs.protocol import PROXY
from ltbench.runs.store import Store, slug
from ltbench.statistics.estimates import (
    LEAST,
    Estimate,
    mean_interval,
    separated_best,
    separated_second,
)
from ltbench.statistics.verdict import Verdict
from ltbench.tables.cells import MARK, Reader, ResolvedColumn
from ltbench.tables.columns import ColumnScores, is_wanted, judge_column, not_run, read_column
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.metrics import METRICS
from ltbench.tables.reported import RECALLED, Remembered, printed


@dataclass(frozen=True)
class TableCell:
    """What is reported and reproduced of one row in one column, with status and verdict."""

    reported: float | None
    reproduced: Estimate | None
    seeds: tuple[int, ...]  # that `reproduced` is the mean over
    wanted: int  # seeds that make it complete
    status: str
    absent: bool  # whether a run would add to it
    decimals: int = 1
    comparable: bool = True  # whether a difference to the reported value means something
    best: bool = False  # whether its interval sets it apart from all others of its column
    second: bool = False  # whether it does so once the best is left out
    transductive: bool = False  # whether its method reads all test images at once
    verdict: Verdict | None = None  # where the protocol is the paper's own

    @property
    def difference(self) -> float | None:
        """Return reproduced - reported, in the metric's unit."""
        if self.reported is None or self.reproduced is None or not self.comparable:
            return None
        return self.reproduced.mean - self.reported

    def number(self, value: float | None, sign: str = "") -> str:
        """Return a value with the column's decimals, or nothing; `sign` is Python's option."""
        return "" if value is None else f"{value:{sign}z.{self.decimals}f}"

    @property
    def remembered(self) -> bool:
        """Return whether nobody has looked the reported value up, so that it judges nothing."""
        return isinstance(self.reported, Remembered)

    @property
    def printed(self) -> str:
        """Return the reported value, or nothing; one that is only remembered has a mark."""
        return "" if self.reported is None else printed(self.reported, self.decimals)

    @property
    def count(self) -> str:
        """Return n in brackets where it is not the wanted one, after a transductive one's mark."""
        count = "" if len(self.seeds) in (0, self.wanted) else f"({len(self.seeds)})"
        return f"{MARK} {count}".rstrip() if self.transductive else count

    def __str__(self) -> str:
        text = "--" if self.reproduced is None else self.reproduced.text(self.decimals)
        return f"{text} {self.count}".rstrip()


@dataclass(frozen=True)
class Grid:
    """A table filled from a store; the renderers are functions of it alone."""

    table: Table
    columns: tuple[ResolvedColumn, ...]
    lines: tuple[tuple[TableCell, ...], ...]  # one tuple a row, one entry a column
    problems: tuple[str, ...]  # records that do not read, reported values without a place
    results: Path
    remarks: tuple[str, ...] = ()  # what to know of the records that are joined
    readings: tuple[str, ...] = ()  # what rows have by other readings of their papers

    @property
    def of_a_paper(self) -> bool:
        """Return whether a paper printed it; of a table of one's own nothing is a proxy."""
        return _is_of_a_paper(self.table)

    @property
    def notes(self) -> list[str]:
        """Return the table's own notes, whose shot groups differ, and rows by other readings."""
        return [*self.table.definition.notes, *self._regrouped, *self.readings]

    @property
    def _regrouped(self) -> list[str]:
        """Return in words which rows have other shot groups than their data set's."""
        shots = any(each.metric in SHOTS for each in self.table.definition.columns)
        ways = dict.fromkeys(row.thresholds for row in self.rows if row.method and shots)
        return [
            f"Shot groups of {', '.join(row.label for row in self.rows if row.thresholds == way)} "
            f"as they seem to be reported: many above {way[0]} training images, few below {way[1]}."
            for way in filter(None, ways)
        ]

    @property
    def rows(self) -> list[TableRow]:
        """Return the rows, in the order of `lines`."""
        return self.table.definition.rows

    @cached_property
    def protocols(self) -> list[str]:
        """Return the protocols used, usually one."""
        return list(dict.fromkeys(each.protocol for each in self.columns))

    @property
    def name(self) -> str:
        """Return the name of its files, apart from the table's own under another protocol."""
        own = [self.table.protocol_name(each.column) for each in self.columns]
        if own == [each.protocol for each in self.columns]:
            return self.table.name
        return f"{self.table.name}_{'_'.join(map(slug, self.protocols))}"

    @property
    def caption(self) -> str:
        """Return the caption's sentence on protocol, seeds and epoch of the reproduced values."""
        names = list(dict.fromkeys(each.protocol for each in self.columns if not each.exact))
        proxies = bool(names) and self.of_a_paper
        warning = f" Proxy: protocol {', '.join(names)} {PROXY}." if proxies else ""
        n = len(self.table.definition.seeds)
        marked = any(entry.best for entries in self.lines for entry in entries)
        marks = " Bold: best, underlined: second, where the intervals set them apart."
        reads_all = f" {MARK}: transductive, its predictions depend on all test images at once."
        transductive = any(entry.transductive for entries in self.lines for entry in entries)
        recalled = any(isinstance(value, Remembered) for value in self.table.reported.values())
        memory = f" {RECALLED}: from memory, not looked up; it judges nothing." * recalled
        means = "mean ± half-width of the 95 % t-interval" if n >= LEAST else "mean"
        return (
            f"Reproduced: {means} over n = {counted(n, 'seed')} (another n "
            f"stands in brackets), {EPOCH[self.table.definition.select]}, "
            f"{self._by_protocol}.{marks if marked else ''}"
            f"{reads_all if transductive else ''}{memory}{warning}"
        )

    @property
    def _by_protocol(self) -> str:
        """Return the protocol in words; of several, with the data sets of each."""
        datasets: dict[str, dict[str, None]] = {}
        for each in self.columns:
            datasets.setdefault(each.protocol, {})[each.column.dataset] = None
        if len(datasets) == 1:
            return f"protocol {next(iter(datasets))}"
        each_of = (f"{name} ({', '.join(members)})" for name, members in datasets.items())
        return f"protocols {', '.join(each_of)}"


def _is_of_a_paper(table: Table) -> bool:
    """Return whether a paper printed it: in a table of one's own nothing stands for its values."""
    return table.definition.paper is not None or bool(table.reported)


def grid_of(table: Table, store: Store, protocol: str | None = None) -> Grid:
    """Fill a table from the records of its cells, and of no others.

    `protocol` replaces the table's; raises UsageError where a data set does not have it.
    """
    definition = table.definition
    columns = tuple(ResolvedColumn.of(table, column, protocol) for column in definition.columns)
    reader = Reader(store)
    rows = definition.rows
    filled = [_filled(table, reader, read_column(reader, table, each, rows)) for each in columns]
    problems = (*reader.problems, *_unmatched(table))
    return Grid(
        table, columns, tuple(zip(*filled, strict=True)), problems, store.root,
        tuple(reader.remarks),
    )  # fmt: skip


def _filled(table: Table, reader: Reader, found: ColumnScores) -> list[TableCell]:
    """Return a column's entries, with what can only be said of them together."""
    column = found.resolved.column
    entries = [_entry(table, row, reader, found) for row in table.definition.rows]
    estimates = [entry.reproduced for entry in entries]
    best = separated_best(estimates) if METRICS[column.metric].ranked else None
    second = separated_second(estimates, best)
    judged = {
        label: each.verdict
        for label, (evidence, each) in judge_column(table, found).items()
        if evidence is not None
    }
    return [
        replace(entry, best=index == best, second=index == second, verdict=judged.get(row.label))
        for index, (row, entry) in enumerate(zip(table.definition.rows, entries, strict=True))
    ]


def _entry(table: Table, row: TableRow, reader: Reader, found: ColumnScores) -> TableCell:
    resolved, column, seeds = found.resolved, found.resolved.column, table.definition.seeds
    reported = table.value(row, column)
    comparable = METRICS[column.metric].comparable and not isinstance(reported, Remembered)
    entry = TableCell(
        reported, None, (), len(seeds), "not implemented", absent=False,
        decimals=table.decimals(column), comparable=comparable,
    )  # fmt: skip
    method = row.method_on(column.data)
    if method is None:
        return entry
    if not column.data.available:
        return replace(entry, status="data set not available")
    runs = reader.runs(resolved.cells(row, seeds))
    values = found.scores.get(method)
    absent = len(runs) < len(seeds)
    if values is None:
        status = "no score" if runs else not_run(table, row, column)
        return replace(entry, status=status, absent=absent and is_wanted(table, row, column))
    if not resolved.exact and _is_of_a_paper(table):
        status = "proxy"
    elif len(values) < len(seeds):
        status = f"partial ({len(values)} of {len(seeds)} seeds)"
    else:
        status = "complete"
    return replace(
        entry, reproduced=mean_interval(list(values.values())), seeds=tuple(values),
        status=status, absent=absent,
        transductive=reader.reads_all(
            column.dataset, resolved.protocol, resolved.network, method
        ),
    )  # fmt: skip


def _unmatched(table: Table) -> list[str]:
    definition = table.definition
    keys = {table.key(row, column) for row in definition.rows for column in definition.columns}
    left = [key for key in table.reported if key not in keys]
    if not left:
        return []
    (near,) = get_close_matches(str(left[0]), sorted(map(str, keys)), n=1, cutoff=0)
    return [
        f"{len(left)} of {len(table.reported)} reported values belong to no row and column, "
        f"such as {left[0]}; the cell most like it is {near}."
    ]

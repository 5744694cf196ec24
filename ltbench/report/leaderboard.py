"""The leaderboard: the methods of every setting in order of accuracy, on a page to be published."""

from collections.abc import Iterable
from dataclasses import dataclass

from ltbench.registry.papers import Paper, papers_of
from ltbench.registry.signatures import names, own
from ltbench.report.page import Page, environment, order_of, without_paths
from ltbench.report.settings import MethodRuns, Setting, gather
from ltbench.report.svg import PALETTE
from ltbench.runs.record import fingerprint_of
from ltbench.runs.store import Store, slug
from ltbench.specification import parse
from ltbench.tables.claims import load_claims
from ltbench.tables.comparison import MethodRow
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.reported import judgeable
from ltbench.tables.shipped import shipped


@dataclass(frozen=True)
class Standing:
    """A line of a board: a method with its scores, its papers and what these report there."""

    runs: MethodRuns
    line: MethodRow
    time: float | None
    papers: tuple[Paper, ...]
    reported: tuple[LedgerRow, ...]  # the headline metric on this data set and network

    @property
    def key(self) -> str:
        """Return the anchor of its line on the page, for links that last: a hash of its cell."""
        first = self.runs.records[0]
        cell = first.dataset, first.network, first.protocol, first.method
        return f"m-{fingerprint_of({'cell': cell})[:10]}"


@dataclass(frozen=True)
class Board:
    """A setting with its methods, the most accurate first."""

    setting: Setting
    standings: tuple[Standing, ...]

    @property
    def key(self) -> str:
        """Return the anchor of its part of the page, for links that last: data set to protocol."""
        first = self.setting.comparison
        return "-".join([slug(first.dataset), first.network, slug(first.protocol)])

    @property
    def exact(self) -> bool:
        """Return whether it ran by the papers' protocol."""
        return self.setting.exact


def render(store: Store) -> Page:
    """Return the leaderboard of a store; the same files give the same text."""
    tables = [load(name) for name in sorted(shipped())]
    filled = ledger_of(tables, load_claims(tables), store, names())
    runs = gather(store, order_of(tables))
    boards = sorted(
        (_board(setting, filled.cells) for setting in runs.settings),
        key=lambda board: (not board.exact, board.key),
    )
    sentences = dict.fromkeys([*runs.problems, *filled.problems])
    problems = tuple(without_paths(each, store.root) for each in sentences)
    records = sum(len(each.records) for each in runs.methods)
    text = environment().get_template("leaderboard.html").render(
        boards=boards, records=records, palette=PALETTE, first=order_of(tables)[:1],
        methods=len({each.method for each in runs.methods}),
    )  # fmt: skip
    return Page(text, records, problems)


def _board(setting: Setting, cells: Iterable[LedgerRow]) -> Board:
    where = setting.comparison
    at = where.dataset, where.network, where.metric
    reported: dict[str | None, list[LedgerRow]] = {}
    for line in cells:
        if (line.dataset, line.network, line.metric) == at and judgeable(line.reported) is not None:
            reported.setdefault(line.specification, []).append(line)
    standings = [
        Standing(
            runs, setting.line(runs), setting.time(runs), papers_of_parts(runs.method),
            tuple(reported.get(runs.method, ())),
        )
        for runs in setting.methods
    ]  # fmt: skip
    return Board(setting, tuple(standings))


def papers_of_parts(specification: str) -> tuple[Paper, ...]:
    """Return the first paper of each of a specification's parts; of a foreign part none."""
    terms = [term for term in parse(specification) if term.name in own()]
    return tuple(dict.fromkeys(paper for term in terms for paper in papers_of(term.name)[:1]))

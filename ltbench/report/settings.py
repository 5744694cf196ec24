"""The records of a store as the report shows them: by setting, and within it by method."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ltbench.evaluation.scores import TITLES, Scores
from ltbench.runs.protocol import is_exact
from ltbench.runs.provenance import joined_cells
from ltbench.runs.record import Environment, Record, by_setting, sharing
from ltbench.runs.status import status
from ltbench.runs.store import Cell, Store
from ltbench.statistics.estimates import Estimate, mean_interval, separated_best
from ltbench.tables.comparison import Comparison, MethodRow, compare


@dataclass(frozen=True, eq=False)
class MethodRuns:
    """The records of one method in one setting, by seed."""

    key: str  # its id in the page
    records: tuple[Record, ...]
    files: tuple[str, ...]  # of the records, below the results folder

    @property
    def method(self) -> str:
        """Return the method's specification."""
        return self.records[0].method

    @property
    def title(self) -> str:
        """Return what the records have in common."""
        first = self.records[0]
        return f"{first.method} on {first.dataset}, {first.network}, protocol {first.protocol}"

    @property
    def metric(self) -> str:
        """Return the headline metric as papers print it."""
        return TITLES[self.records[0].metric]

    @property
    def headlines(self) -> list[float]:
        """Return the headline metric of the seeds at the last epoch, in percent."""
        return [record.headline for record in self.records]

    @property
    def calibration(self) -> Estimate | None:
        """Return the expected calibration error in percent; None of several labels an image."""
        scores = [each.last for each in self.records if isinstance(each.last, Scores)]
        return mean_interval([each.calibration_error for each in scores]) if scores else None

    def shot(self, name: str) -> Estimate | None:
        """Return the mean over `many`, `medium` or `few`; None where there is no such class."""
        values = [getattr(record.last, name) for record in self.records]
        present = [value for value in values if value is not None]
        return mean_interval(present) if present else None

    @property
    def environments(self) -> list[str]:
        """Return where each record was made, in words."""
        return [_described(record.environment) for record in self.records]

    @property
    def transductive(self) -> bool:
        """Return whether the method reads all test images at once."""
        return any(record.transductive for record in self.records)

    @property
    def deviations(self) -> list[str]:
        """Return where the runs depart from the method's paper."""
        return list(dict.fromkeys(each for record in self.records for each in record.deviations))


@dataclass(frozen=True, eq=False)
class Setting:
    """A data set, network and protocol with the methods that ran there, the best first."""

    key: str
    methods: tuple[MethodRuns, ...]
    base: MethodRuns  # what the others are compared to
    comparison: Comparison  # its lines are of `methods`

    @property
    def title(self) -> str:
        """Return data set, network and protocol in words."""
        first = self.comparison
        return f"{first.dataset}, {first.network}, protocol {first.protocol}"

    @property
    def exact(self) -> bool:
        """Return whether it ran by the papers' protocol."""
        return is_exact(self.comparison.protocol)

    @property
    def metric(self) -> str:
        """Return the headline metric as papers print it."""
        return self.base.metric

    @property
    def best(self) -> int | None:
        """Return the index of the method whose interval lies above all others, if there is one."""
        return separated_best([line.headline for line in self.comparison.lines])

    def line(self, runs: MethodRuns) -> MethodRow:
        """Return the comparison's line of a method."""
        return self.comparison.lines[self.methods.index(runs)]

    @property
    def timed(self) -> bool:
        """Return whether a method has a training time to compare with the base's."""
        return any(self.time(runs) is not None for runs in self.methods if runs is not self.base)

    def place(self, runs: MethodRuns) -> int | None:
        """Return a method's place by accuracy, if it has one."""
        return self.comparison.places.get(runs.method)

    def alike(self, runs: MethodRuns) -> bool:
        """Return whether the seeds that it shares with the base do not tell the two apart."""
        difference = self.line(runs).difference
        if difference is None or difference.half_width is None:
            return runs is not self.base
        return abs(difference.mean) <= difference.half_width

    def time(self, runs: MethodRuns) -> float | None:
        """Return the training time relative to the base's, on one machine."""
        return self.line(runs).time


@dataclass(frozen=True)
class ReportRuns:
    """Everything that a store holds, and what of it does not read."""

    settings: tuple[Setting, ...]
    failures: tuple[tuple[str, str], ...]  # method and setting, and why it stopped
    problems: tuple[str, ...]
    remarks: tuple[str, ...]  # seeds that different code computed

    @property
    def methods(self) -> list[MethodRuns]:
        """Return the runs of all methods, setting by setting."""
        return [runs for setting in self.settings for runs in setting.methods]


def gather(store: Store, order: Sequence[str]) -> ReportRuns:
    """Read a store; the first method of `order` that ran in a setting is its base."""
    joined = joined_cells(records := list(sharing(store.records())))
    found = by_setting(
        record for record in records if not joined[replace(Cell.of(record), seed=0)].refusal
    )
    # Papers' protocols first, then what most methods ran in.
    keys = sorted(found, key=lambda key: (not is_exact(key[2]), -len(found[key]), key))
    settings = [_setting(store, f"s{index}", found[key], order) for index, key in enumerate(keys)]
    lines = [
        (f"{line.method} on {line.dataset}, {line.network}, protocol {line.protocol}", line)
        for line in status(store)
    ]
    failures = tuple((where, reason) for where, line in lines for reason in line.reasons)
    remarks = tuple(
        f"{where}: {line.mixed_code}." for where, line in lines if line.mixed_code and line.headline
    )
    apart = (each.refusal for each in joined.values() if each.refusal)
    problems = tuple(dict.fromkeys([*store.problems, *apart]))
    return ReportRuns(tuple(settings), failures, problems, remarks)


def _setting(
    store: Store, key: str, by_method: dict[str, list[Record]], order: Sequence[str]
) -> Setting:
    named = [method for method in order if method in by_method]
    base = min(by_method, key=lambda method: named.index(method) if method in named else len(named))
    first = [base, *(method for method in by_method if method != base)]
    lines = compare(record for method in first for record in by_method[method])[0]
    ranked = sorted(lines.lines, key=lambda line: (-line.headline.mean, line.method))
    methods = [
        _runs(store, f"{key}-{index}", by_method[line.method]) for index, line in enumerate(ranked)
    ]
    (origin,) = [runs for runs in methods if runs.method == base]
    comparison = replace(lines, lines=tuple(ranked))
    return Setting(key, tuple(methods), origin, comparison)


def _runs(store: Store, key: str, records: list[Record]) -> MethodRuns:
    ordered = sorted(records, key=lambda record: record.seed)
    paths = [store.path(Cell.of(record)).relative_to(store.root) for record in ordered]
    return MethodRuns(key, tuple(ordered), tuple(map(Path.as_posix, paths)))


def _described(at: Environment) -> str:
    threads = f"{at.threads} thread{'' if at.threads == 1 else 's'}"
    cuda = [] if at.cuda is None else [f"CUDA {at.cuda}"]
    software = [f"torch {at.torch}", *cuda, f"Python {at.python}", f"ltbench {at.ltbench}"]
    return ", ".join([at.device, threads, *software, at.platform])

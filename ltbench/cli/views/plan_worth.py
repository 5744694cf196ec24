"""Of a plan: what numbers of seeds are worth, for values and for claims."""

from rich import box
from rich.table import Table
from rich.text import Text

from ltbench.cli.views.duration import duration
from ltbench.planning.planner import TablePlan
from ltbench.planning.schedule import SeedCount
from ltbench.statistics.power import detectable
from ltbench.tables.metrics import METRICS


def seed_counts_table(planned: TablePlan, price_per_hour: float | None) -> Table:
    """Return a line for each n; data sets and metrics that are taken alike share a column."""
    alike: dict[tuple[float, float, int, int], list[str]] = {}
    for (title, metric), found in planned.spread.items():
        tolerance = METRICS[metric].tolerance
        assert tolerance is not None
        taken = found.deviation.points, tolerance, found.family, found.methods
        alike.setdefault(taken, []).append(f"{metric} on {title}")
    table = plan_table(
        "seeds", "takes", *(["costs"] if price_per_hour is not None else []), "decided",
        *(f"finds in {', '.join(names)}" for names in alike.values()),
        right=("seeds", "takes", "costs", "decided"),
    )  # fmt: skip
    for each in planned.seed_counts:
        least = [
            detectable(points, within, each.n, family=family, methods=methods)
            for points, within, family, methods in alike
        ]
        table.add_row(
            str(each.n), _lasting(each),
            *(cost + " + ?" * each.more for cost in costs_cells(each.seconds, price_per_hour)),
            f"{each.decided:.1f} of {planned.targets}",
            *("--" if points is None else f"{points:.1f} points" for points in least),
        )  # fmt: skip
    return table


def claims_table(planned: TablePlan, price_per_hour: float | None) -> Table:
    """Return a line for each claim: what it takes to decide it."""
    asked = len(planned.seeds)
    most = max([asked, *(each.n for each in planned.seed_counts)])
    table = plan_table(
        "claim", "now", "takes", *(["costs"] if price_per_hour is not None else []),
        *(f"at {n}" for n in dict.fromkeys((asked, most))), "decided by", "a gain by",
        right=("takes", "costs", f"at {asked}", f"at {most}", "decided by", "a gain by"),
        folds="claim",
    )  # fmt: skip
    for each, cost in planned.claims:
        takes = "?" if cost.seconds is None else duration(cost.seconds) if cost.seconds else "--"
        table.add_row(
            Text(f"{each.row.row} ({each.row.column})"), each.row.verdict.word, takes,
            *costs_cells(cost.seconds, price_per_hour),
            *(f"{each.chance(n):.2f}" for n in dict.fromkeys((asked, most))),
            *("--" if n is None else str(n) for n in (each.enough, each.shows)),
        )  # fmt: skip
    return table


def _lasting(each: SeedCount) -> str:
    """Return what runs of so many seeds take; those without a known cost are a question mark."""
    known = [duration(each.seconds)] if each.seconds or not each.more else []
    return " + ".join([*known, *["?"] * each.more])


def costs_cells(seconds: float | None, price_per_hour: float | None) -> list[str]:
    """Return the cell of a column of prices, or none where there is no such column."""
    if price_per_hour is None:
        return []
    return ["?" if seconds is None else f"{seconds / 3600 * price_per_hour:.2f}"]


def plan_table(*headers: str, right: tuple[str, ...], folds: str | None = None) -> Table:
    """Return an empty table of which one column is broken where it must be, or else any."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    for header in headers:
        table.add_column(
            header, justify="right" if header in right else "left", overflow="fold",
            no_wrap=folds is not None and header != folds,
        )  # fmt: skip
    return table

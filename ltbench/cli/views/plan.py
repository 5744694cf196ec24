"""A plan in the terminal, and as plain data."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.cli.views.duration import duration
from ltbench.cli.views.plan_worth import (
    claims_table,
    costs_cells,
    plan_table,
    seed_counts_table,
)
from ltbench.planning.claims import PlannedClaim
from ltbench.planning.planner import TablePlan, commands
from ltbench.planning.schedule import PlannedRun
from ltbench.runs.recorded_cost import CostEstimate
from ltbench.statistics.estimates import LEAST

BASES = {
    "records": "records of the same cell, other seeds",
    "steps of records": "the steps and evaluations of records of another ratio or length",
    "scaled steps": (
        "a few steps timed here, times what another method's records took over what its steps "
        "took then"
    ),
    "timed steps": "a few steps timed here",
}

_GAP = 2  # letters between two columns


def as_data(planned: TablePlan, price_per_hour: float | None = None) -> dict[str, Any]:
    """Return a plan as JSON has it; seconds are estimates, and `decided` is a mean.

    Where an hour has a price, runs have one, too; it is in whatever money that is in.
    """
    return {
        "table": planned.table.short,
        "machine": planned.machine.name,
        "load": planned.machine.load,
        "cores": planned.machine.cores,
        "timings": {"now": planned.timed, "remembered": planned.remembered},
        "seeds": list(planned.seeds),
        "budget_seconds": planned.budget,
        "values": {
            "can_be_decided": planned.targets,
            "decided_now": planned.decided,
            "cannot": planned.undecidable,
        },
        "price_per_hour": price_per_hour,
        "run": [_step_data(step, price_per_hour) for step in planned.chosen],
        "commands": commands(planned.chosen, planned.workspace),
        "beyond": [_step_data(step, price_per_hour) for step in planned.beyond],
        "seeds_are_worth": [
            {
                "seeds": each.n, "seconds": round(each.seconds, 1), "all_priced": not each.more,
                "price": _price(each.seconds, price_per_hour),
                "decided": round(each.decided, 2),
            }
            for each in planned.seed_counts
        ],
        "claims": [_claim_data(*each, price_per_hour) for each in planned.claims],
        "deviations": [
            {
                "dataset": title, "metric": metric, "points": round(found.deviation.points, 3),
                "measured": found.deviation.freedom > 0,
            }
            for (title, metric), found in planned.spread.items()
        ],
        "problems": list(planned.problems),
        "warnings": list(planned.warnings),
    }  # fmt: skip


def print_plan(planned: TablePlan, price_per_hour: float | None = None) -> None:
    """Print the runs in order, those beyond the budget, and what numbers of seeds detect."""
    console = Console(highlight=False)
    console.print(Text(planned.table.definition.title, style="bold"))
    console.print(
        f"{planned.targets} reported values can be decided here, {planned.decided} are; "
        f"{planned.undecidable} more cannot be by these runs.\n"
    )
    if not planned.candidates:
        console.print("Nothing of it can be run by this version; `--coverage` says why.")
    elif not planned.chosen and not planned.beyond:
        console.print(f"All runs are finished for seeds {_listed(planned.seeds)}.")
    if planned.chosen:
        within = "" if planned.budget is None else f" within {duration(planned.budget)}"
        console.print(Text(f"Run in this order{within}, on {planned.machine.name}", style="bold"))
        console.print(_steps(planned.chosen, price_per_hour, console.width, costed=True))
        if price_per_hour is not None:
            hours = sum(step.seconds or 0.0 for step in planned.chosen) / 3600
            console.print(
                f"{hours:.2f} hours at {price_per_hour:g} cost {hours * price_per_hour:.2f}."
            )
        for command in commands(planned.chosen, planned.workspace):
            console.print(Text(f"  {command}"), soft_wrap=True)
    if planned.beyond:
        console.print()
        console.print(Text("Beyond the budget, or without a known cost", style="bold"))
        console.print(_steps(planned.beyond, price_per_hour, console.width, costed=False))
        for reason in dict.fromkeys(step.reason for step in planned.beyond if step.reason):
            console.print(Text(f"No known cost: {reason}"), soft_wrap=True)
    if planned.targets:
        console.print()
        console.print(Text("What each number of seeds detects, all of these run", style="bold"))
        console.print(seed_counts_table(planned, price_per_hour))
    if planned.claims:
        console.print()
        console.print(Text("What deciding its claims takes, each by itself", style="bold"))
        console.print(claims_table(planned, price_per_hour))
    _explain(planned, console)


def _steps(
    steps: tuple[PlannedRun, ...], price_per_hour: float | None, width: int, *, costed: bool
) -> Table:
    """Return a line for each run; the source of its time, explained below, where there is room."""
    spending = [*(["costs"] if price_per_hour is not None else []), *(["in all"] if costed else [])]
    headers = ["method", "on", "seeds", "takes", *spending, "from", "decides"]
    rows, spent = [], 0.0
    for step in steps:
        spent += step.seconds or 0.0
        takes = "?" if step.seconds is None else duration(step.seconds) if step.seconds else "--"
        rows.append([
            step.candidate.method, step.candidate.data.title, _listed(step.seeds), takes,
            *costs_cells(step.seconds, price_per_hour), *([duration(spent)] if costed else []),
            step.basis, f"{step.decided:z.1f}",
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    if sum(widths) + _GAP * (len(headers) - 1) > width:
        for line in (headers, *rows):
            del line[-2]
    table = plan_table(*headers, right=("takes", "costs", "in all", "decides"), folds="method")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _price(seconds: float | None, price_per_hour: float | None) -> float | None:
    if seconds is None or price_per_hour is None:
        return None
    return round(seconds / 3600 * price_per_hour, 2)


def _explain(planned: TablePlan, console: Console) -> None:
    """Say what is an estimate and from what."""
    steps = (*planned.chosen, *planned.beyond)
    bases = dict.fromkeys(step.basis for step in steps if step.basis in BASES)
    lines = [f"from {basis}: {BASES[basis]}" for basis in bases]
    if planned.claims:
        lines.append(
            f"of a claim: at {len(planned.seeds)}, how often so many seeds of both methods decide "
            "it, before both have two how often they say `holds` were it true; decided by: the "
            "seeds that do so as likely as not; a gain by: those that find so large a gain to be "
            "one at all, four times of five, with Holm's first step over all claims"
        )
    if planned.remembered:
        lines.append(
            f"{planned.remembered} of {planned.remembered + planned.timed} timings are of earlier "
            "commands on this machine; --measure-again takes them anew"
        )
    here = planned.machine
    if lines and here.load is not None:
        lines.append(
            f"the machine's load is {here.load:.1f} on {here.cores} cores now; runs beside "
            "other work take longer, and steps timed beside it seem to"
        )
    if any(each.more for each in planned.seed_counts):
        lines.append("?: the trainings that have no known cost")
    if planned.targets:
        measured, assumed = (
            "; ".join(
                f"{metric} on {title} {found.deviation.points:.2f} points"
                for (title, metric), found in planned.spread.items()
                if (found.deviation.freedom > 0) is known
            )
            for known in (True, False)
        )
        lines += [
            "decides, decided: of values without two seeds yet, how often the rule says `holds` if "
            "what is reported is true; of others, how likely it says anything once new seeds fall "
            "where these lead to expect; up to the seeds that are there, what it says now, and "
            "what once more rows measure the deviation that their column shares. Fewer "
            f"than {LEAST} seeds, or than the table names, decide nothing",
            "finds: the true difference from what is reported of which so many seeds say `differs` "
            "in four of five tries, with Holm's first step over its column",
        ]
        lines += [f"deviation of a seed, measured: {measured}"] * bool(measured)
        lines += [f"deviation of a seed, assumed until there are records: {assumed}"] * bool(
            assumed
        )
    elif steps:
        lines.append("nothing is decided by these runs: only `paper` can confirm or contradict")
    console.print("\nEstimates:" if lines else "")
    for line in lines:
        console.print(Text(f"- {line}."))
    for warning in planned.warnings:
        console.print(Text(f"Warning: {warning}"), soft_wrap=True)
    for problem in planned.problems:
        console.print(Text(f"Left out: {problem}"), soft_wrap=True)


def _step_data(step: PlannedRun, price_per_hour: float | None) -> dict[str, Any]:
    candidate = step.candidate
    return {
        "method": candidate.method, "dataset": str(candidate.data), "network": candidate.network,
        "protocol": candidate.protocol, "rows": list(candidate.rows), "seeds": list(step.seeds),
        "seconds": None if step.seconds is None else round(step.seconds, 1),
        "price": _price(step.seconds, price_per_hour),
        "from": step.basis, "reason": step.reason, "decided": round(step.decided, 3) + 0.0,
    }  # fmt: skip


def _claim_data(
    planned: PlannedClaim, cost: CostEstimate, price_per_hour: float | None
) -> dict[str, Any]:
    row = planned.row
    return {
        "claim": row.row, "column": row.column, "method": row.specification, "over": row.over,
        "reported": row.reported, "verdict": row.verdict.word,
        "seconds": None if cost.seconds is None else round(cost.seconds, 1),
        "price": _price(cost.seconds, price_per_hour), "from": cost.basis, "reason": cost.reason,
        "decided_at": {n: round(planned.chance(n), 3) for n in (3, 5, 10, 20)},
        "decided_by": planned.enough, "a_gain_by": planned.shows,
    }  # fmt: skip


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))

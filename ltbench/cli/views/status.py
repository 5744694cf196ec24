"""What a results folder holds, as rows by method or by data set."""

from ltbench.cli.views.rows import Row
from ltbench.runs.status import StatusRow


def by_method(lines: list[StatusRow]) -> dict[str, list[Row]]:
    """Return a row a method, by data set, network and protocol."""
    found: dict[str, list[Row]] = {}
    for line in lines:
        title = f"{line.dataset}, {line.network}, protocol {line.protocol}"
        row = {
            "method": line.method,
            "finished": _seeds(line.finished),
            "failed": _seeds(line.failed),
            "top-1": "" if line.top1 is None else f"{line.top1:.2f}",
        }
        found.setdefault(title, []).append(row)
    return found


def by_dataset(lines: list[StatusRow]) -> dict[str, list[Row]]:
    """Return a row a network and protocol, by data set, with the numbers of methods and runs."""
    members: dict[tuple[str, str, str], list[StatusRow]] = {}
    for line in lines:
        members.setdefault((line.dataset, line.protocol, line.network), []).append(line)
    found: dict[str, list[Row]] = {}
    for (dataset, protocol, network), own in members.items():
        row = {
            "protocol": protocol, "network": network, "methods": len(own),
            "finished": sum(len(line.finished) for line in own),
            "failed": sum(len(line.failed) for line in own) or "",
            "under way": sum(len(line.unfinished) for line in own) or "",
        }  # fmt: skip
        found.setdefault(dataset, []).append(row)
    return found


def _seeds(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))

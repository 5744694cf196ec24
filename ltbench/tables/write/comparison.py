"""A comparison of methods as Markdown."""

from collections.abc import Mapping

from ltbench.tables.comparison import Comparison, cells, headers


def comparison_table(comparison: Comparison, costs: Mapping[str, str] | None = None) -> str:
    """Return the accuracies of a comparison as a Markdown table with its caption.

    Costs are those given, by method; the records' own times are of a machine and its load, so they
    do not last. With costs come the methods' places by mean accuracy.
    """
    rows = [headers(comparison), *map(cells, comparison.lines)]
    lines = [list(row[:-1]) for row in rows]
    if costs is not None:
        places = comparison.places
        lines = [["place", *lines[0], "cost"]] + [
            [str(places.get(line[0], "--")), *line, costs.get(line[0], "--")] for line in lines[1:]
        ]
    lines.insert(1, ["---" if name == "method" else "--:" for name in lines[0]])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"{comparison.dataset}, {comparison.network}, protocol {comparison.protocol}"
    return f"{table}\n\n{title}. {comparison.caption}."

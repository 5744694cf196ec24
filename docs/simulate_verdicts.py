"""Simulate how often verdicts are wrong, and print the tables of docs/verdicts.md.

    python docs/simulate_verdicts.py            # all of them, a quarter of an hour of one core
    python docs/simulate_verdicts.py rates      # one

A column has 15 methods. Accuracies are normal with deviation s around 50, the paper's one draw
like ours; each rule is the product's own code (`ltbench/statistics`, `ltbench/tables/columns.py`).
"""

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.stats import levene

from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.gains import paired
from ltbench.statistics.pooling import Deviation, equal_variances, pool
from ltbench.statistics.verdict import Evidence, decided, holm, judge, value
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.columns import ColumnScores
from ltbench.tables.definition import load

METHODS, COLUMNS = 15, 4000
HEAD = ResolvedColumn(load("1").definition.columns[0], "resnet32", "paper")
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(deviation: float) -> Draw:
    """Return a source of normal noise."""
    return lambda random, shape: random.normal(0, deviation, shape)


def column(
    random: np.random.Generator,
    n: int,
    draw: Draw,
    *,
    tolerance: float = 1.0,
    shift: float = 0.0,
    apart: float = 0.0,
    scales: np.ndarray | None = None,
    shared: float = 0.0,
    paper: float = 1.0,
) -> list[Evidence]:
    """Return a column's evidence; the true mean of the first method is `apart` off.

    `shift` is what the reported values are off at no chance, `shared` the correlation of two
    methods' scores of one seed, `paper` how many times our deviation theirs is.
    """
    noise = math.sqrt(1 - shared) * draw(random, (METHODS, n))
    noise += math.sqrt(shared) * draw(random, (1, n))
    theirs = draw(random, (METHODS,)) * paper
    if scales is not None:
        noise, theirs = noise * scales[:, None], theirs * scales
    noise[0] += apart
    ours = (50 + noise).tolist()
    deviations = pool(ours).each
    reported = (50 + theirs + shift).round(1).tolist()
    return [
        value(r, scores, tolerance, n, deviation)
        for r, scores, deviation in zip(reported, ours, deviations, strict=True)
    ]


def judgeable(reported: Sequence[float], ours: np.ndarray) -> list[Evidence]:
    """Return the evidence on reported values from scores [methods, seeds]; T = 1."""
    deviations, n = pool(ours.tolist()).each, ours.shape[1]
    return [
        value(r, scores, 1.0, n, deviation)
        for r, scores, deviation in zip(reported, ours.tolist(), deviations, strict=True)
    ]


def words(family: Sequence[Evidence]) -> list[str | None]:
    """Return what is said of each value of a family."""
    raised = holm([each.p_value() or 1.0 for each in family])
    return [
        "holds" if each.holds() else "differs" if p <= ALPHA else None
        for each, p in zip(family, raised, strict=True)
    ]


def rates(seed: int, n: int, draw: Draw, **options: object) -> tuple[float, float, float, float]:
    """Return in percent: a column with any `differs`; the first value's holds and differs; holds.

    The last is over all values but the first.
    """
    random, found = np.random.default_rng(seed), np.zeros(4)
    for _ in range(COLUMNS):
        said = words(column(random, n, draw, **options))  # type: ignore[arg-type]
        rest = said.count("holds") - (said[0] == "holds")
        found += ("differs" in said, said[0] == "holds", said[0] == "differs",
                  rest / (METHODS - 1))  # fmt: skip
    return tuple((100 * found / COLUMNS).tolist())  # type: ignore[return-value]


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a Markdown table."""
    columns = list(columns)
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{' --: |' * len(columns)}")
    for row in rows:
        cells = [f"{each:.1f}" if isinstance(each, float) else str(each) for each in row]
        print(f"| {' | '.join(cells)} |", flush=True)


def show_rates() -> None:
    """Print the rule's error rates and its power."""

    def line(s: float, n: int) -> Iterable[object]:
        draw = normal(s)
        none, used = rates(n, n, draw), rates(n, n, draw, shift=1.0)
        two, three = rates(n, n, draw, apart=2.0), rates(n, n, draw, apart=3.0)
        exact = rates(n, n, draw, tolerance=0.0)
        known = Deviation(s, METHODS * (n - 1))
        least = value(50, [50.0] * n, 1.0, n, known).detectable(ALPHA / METHODS)
        return s, n, none[0], used[0], exact[0], none[3], two[1], two[2], three[2], least

    columns = ("s", "n", "column with a false `differs`", "… shift of 1", "… T = 0",
               "`holds` of equal values", "`holds` at 2", "`differs` at 2", "`differs` at 3",
               "detectable")  # fmt: skip
    table("rates", columns, (line(s, n) for s in (0.3, 0.5, 0.8) for n in (3, 5, 10)))


def show_edge() -> None:
    """Print how often `holds` is said of a mean of ours that lies just beyond the tolerance."""

    def line(n: int) -> Iterable[object]:
        random, held = np.random.default_rng(n), 0
        for _ in range(COLUMNS):
            ours = random.normal(51.0, 0.5, (METHODS, n)).tolist()
            held += sum(value(50.0, each, 1.0, n, deviation).holds()
                        for each, deviation in zip(ours, pool(ours).each, strict=True))  # fmt: skip
        return n, 100 * held / METHODS / COLUMNS

    table("edge", ("n", "`holds` with our true mean at the tolerance"), map(line, (3, 5, 10)))


def show_robust() -> None:
    """Print the error of a column where the assumptions fail, without tolerance: the hardest."""
    one = np.r_[np.ones(METHODS - 1), 2.0]
    spread = np.geomspace(0.5, 2, METHODS)
    cases: dict[str, tuple[Draw, dict[str, object]]] = {
        "normal": (normal(0.5), {}),
        "Laplace": (lambda random, shape: random.laplace(0, 0.35, shape), {}),
        "exponential": (lambda random, shape: random.exponential(0.5, shape), {}),
        "one method varies twice as much": (normal(0.5), {"scales": one}),
        "deviations from 0.25 to 1": (normal(0.5), {"scales": spread}),
        "seeds correlated 0.3": (normal(0.5), {"shared": 0.3}),
        "seeds correlated 0.6": (normal(0.5), {"shared": 0.6}),
        "paper's deviation 0.8, ours 0.3": (normal(0.3), {"paper": 0.8 / 0.3}),
    }
    columns = ("case", *(f"T = {tolerance}, n = {n}" for tolerance in (0, 1) for n in (3, 10)))
    table(
        "robust", columns,
        ([name, *(rates(n, n, draw, tolerance=tolerance, **options)[0]
                  for tolerance in (0.0, 1.0) for n in (3, 10))]
         for name, (draw, options) in cases.items()),
    )  # fmt: skip


def show_pooling() -> None:
    """Print how often two tests of equal deviations reject."""
    scales = {"equal": np.ones(METHODS), "one twice": np.r_[np.ones(METHODS - 1), 2.0],
              "from 0.5 to 2": np.geomspace(0.5, 2, METHODS)}  # fmt: skip

    def line(name: str, n: int) -> Iterable[object]:
        random, found = np.random.default_rng(n), np.zeros(2)
        for _ in range(COLUMNS // 4):
            scores = random.normal(0, scales[name][:, None], (METHODS, n))
            bartlett = equal_variances([(float(each.var(ddof=1)), n - 1) for each in scores])
            found += bartlett < ALPHA, levene(*scores).pvalue < ALPHA
        return name, n, *(100 * found / (COLUMNS // 4)).tolist()

    table("pooling", ("deviations", "n", "Bartlett rejects", "Levene (medians) rejects"),
          (line(name, n) for name in scales for n in (3, 5, 10)))  # fmt: skip


def show_looks() -> None:
    """Print what comes of adding seeds until something is said, instead of naming them before."""

    def line(s: float) -> Iterable[object]:
        random, found = np.random.default_rng(0), np.zeros(4)
        for _ in range(COLUMNS // 2):
            ours = random.normal(50, s, (METHODS, 10))
            ours[0] += 1.0  # this mean lies at the edge of the first value's tolerance
            reported = [50.0, *random.normal(50, s, METHODS - 1).round(1).tolist()]
            seen = [
                words(judgeable(reported, ours[:, :n]))
                for n in range(3, 11)
            ]  # fmt: skip
            found += (
                seen[0][0] == "holds", any(said[0] == "holds" for said in seen),
                "differs" in seen[0][1:], any("differs" in said[1:] for said in seen),
            )  # fmt: skip
        return s, *(100 * found / (COLUMNS // 2)).tolist()

    columns = ("s", "false `holds`: seeds named", "added until decided, to 10",
               "false `differs` in a column: seeds named", "added until decided")  # fmt: skip
    table("looks", columns, map(line, (0.3, 0.5, 0.8)))


def show_enough() -> None:
    """Print how often a value is decided once it has as many seeds as the verdict asked for."""

    def line(s: float) -> Iterable[object]:
        random, wanted, silent, done, lost = np.random.default_rng(1), 0, 0, 0, 0
        for _ in range(COLUMNS // 10):
            ours = random.normal(50 + random.uniform(-2, 2, (METHODS, 1)), s, (METHODS, 100))
            reported = random.normal(50, s, METHODS).round(1).tolist()
            for index, judged in enumerate(judge(judgeable(reported, ours[:, :3]))):
                if judged.verdict.word != "undecided":
                    continue
                n = judged.verdict.enough or 10
                later = judgeable(reported, ours[:, :n])[index]
                if judged.verdict.enough is None:
                    silent, lost = silent + 1, lost + bool(decided(later, ALPHA / METHODS))
                else:
                    wanted, done = wanted + 1, done + bool(decided(later, ALPHA / METHODS))
        return s, wanted, 100 * done / wanted, silent, 100 * lost / max(silent, 1)

    table("enough", ("s", "told a number", "decided at it", "told none", "decided at 10"),
          map(line, (0.3, 0.5, 0.8)))  # fmt: skip


def show_gains() -> None:
    """Print what blocks find of a true gain of 1.3, and how often gains are judged wrongly."""

    def line(s: float, n: int, shared: float) -> Iterable[object]:
        random, found = np.random.default_rng(n), np.zeros(6)
        for _ in range(COLUMNS):
            noise = math.sqrt(1 - shared) * random.normal(0, s, (METHODS, n))
            noise += math.sqrt(shared) * random.normal(0, s, (1, n))
            noise[0] += 1.3
            scores = {str(i): dict(enumerate(row)) for i, row in enumerate(noise.tolist())}
            found_in = ColumnScores(HEAD, n, scores)
            one, none = found_in.gain("0", "1"), found_in.gain("2", "3")
            alone = paired((noise[0] - noise[1]).tolist())
            assert one is not None
            assert none is not None
            assert alone is not None
            reported = round(1.3 + math.sqrt(2) * random.normal(0, s), 1)
            evidence = found_in.gain_evidence("0", "1", reported, 0.65)
            assert evidence is not None
            interval = one.superiority()
            assert interval is not None
            truth = 0.5 * math.erfc(-1.3 / math.sqrt(2 * (1 - shared)) / s / math.sqrt(2))
            found += (
                (alone.p_value() or 1) <= ALPHA, (one.p_value() or 1) <= ALPHA,
                (none.p_value() or 1) <= ALPHA, decided(evidence) == "differs",
                decided(evidence) == "holds", interval[1] <= truth <= interval[2],
            )  # fmt: skip
        return s, n, shared, *(100 * found / COLUMNS).tolist()

    columns = ("s", "n", "correlation", "paired t finds 1.3", "blocks find 1.3", "blocks find 0",
               "1.3 falsely `differs`", "1.3 `holds`", "P(better) covered")  # fmt: skip
    settings = itertools.product((0.5, 0.8), (3, 5, 10), (0.0, 0.5))
    table("gains", columns, (line(*each) for each in settings))


if __name__ == "__main__":
    shows = {name.removeprefix("show_"): each for name, each in globals().items()
             if name.startswith("show_")}  # fmt: skip
    for name in sys.argv[1:] or shows:
        shows[name]()

"""What trainings may decide: reported values that the rule can judge, and how likely that is."""

from dataclasses import dataclass, replace

from ltbench.statistics.estimates import ALPHA, LEAST
from ltbench.statistics.power import NO_OTHERS, OtherSeeds, chance, chance_with_others
from ltbench.statistics.verdict import Evidence
from ltbench.tables.definition import Column

SeedValues = tuple[float | None, ...]  # by seed, in their order; None where there is none


@dataclass(frozen=True)
class Judgement:
    """What the ledger's rule says of a reported value now."""

    decided: bool = False  # whether it holds or differs
    evidence: Evidence | None = None  # where it has all seeds, and its column shares one deviation
    alpha: float = ALPHA  # the level at which Holm's steps test whether it differs


@dataclass(frozen=True)
class Target:
    """A reported value that the rule can judge, and the scores there are by now."""

    column: Column
    reported: float
    tolerance: float
    by_seed: SeedValues
    deviation: float
    family: int  # values of its column that are judged together
    methods: int  # trainings of its column that run, and so share its deviation
    wanted: int  # seeds that its table names: with fewer nothing is judged
    now: Judgement = Judgement()

    @property
    def scores(self) -> tuple[float, ...]:
        """Return the scores there are."""
        return there(self.by_seed)

    def first(self, n: int) -> "Target":
        """Return it with the scores of the first n seeds."""
        return replace(self, by_seed=self.by_seed[:n])

    def chance(self, n: int, others: OtherSeeds = NO_OTHERS) -> float:
        """Return the probability that it is decided at n seeds; up to those there are, whether.

        `others` are seeds of other methods of its column that will have run by then: by the
        deviation that they measure a value with all its seeds may be decided, or no longer be.
        """
        evidence = self.now.evidence
        if evidence is not None and n == evidence.n and others != NO_OTHERS:
            return chance_with_others(evidence, others, self.now.alpha)
        if n < max(LEAST, self.wanted):
            return 0.0
        if n <= len(self.scores):
            return float(self.now.decided)
        return chance(
            self.reported, self.tolerance, self.scores, n, deviation=self.deviation,
            family=self.family, methods=self.methods,
        )  # fmt: skip


def there(by_seed: SeedValues) -> tuple[float, ...]:
    """Return the values of the seeds that have one."""
    return tuple(score for score in by_seed if score is not None)

"""What benchmarks share: a figure is kept beside its limit, then held to it."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.fixture
def measured(benchmark: BenchmarkFixture) -> Callable[..., None]:
    """Return `measured(what, value, at_most, at_least)`: keep a figure, hold it to its limits.

    `docs/benchmarks.py` takes the figures from the file that `--benchmark-json` writes.
    """

    def keep(
        what: str, value: float, at_most: float | None = None, at_least: float | None = None
    ) -> None:
        figures = benchmark.extra_info.setdefault("figures", [])
        figures.append({"what": what, "value": value, "at_most": at_most, "at_least": at_least})
        assert at_most is None or value <= at_most, what
        assert at_least is None or value >= at_least, what

    return keep

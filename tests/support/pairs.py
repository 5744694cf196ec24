"""Times of two functions, taken in turn, so that a slow minute of the machine slows both."""

import statistics
import time


def seconds(function) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def paired_ratio(first, second, pairs: int) -> float:
    """Return the median over alternating pairs of the seconds of first / second."""
    first(), second()
    ratios = []
    for pair in range(pairs):
        order = (first, second) if pair % 2 else (second, first)
        times = {function: seconds(function) for function in order}
        ratios.append(times[first] / times[second])
    return statistics.median(ratios)

"""Numbers of numbers: intervals, tests, verdicts; no record in sight."""

"""Weights that trainings begin from: named by the user, never fetched, recorded by their hash."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ltbench.errors import UsageError
from ltbench.networks import Pretrained, create
from ltbench.runs.plan import Job
from ltbench.runs.portable import published


def pretrained_of(job: Job, path: Path | None) -> Pretrained | None:
    """Return the weights in a file that a job's encoder begins from; None where it needs none.

    Raises UsageError where the protocol begins from weights and no file is named, LtbenchError for
    a file that holds none.
    """
    protocol = job.protocol
    if not protocol.pretrained:
        return None
    if path is None:
        raise UsageError(
            f"protocol {protocol.specification} of {job.dataset.info.name} begins from weights of "
            f"{job.network} that were trained elsewhere, and none are ever downloaded; name "
            f"their file with --pretrained, or give --protocol '{protocol.name}(pretrained=False)' "
            "to begin from random ones."
        )
    state = published(path)
    with path.open("rb") as file:
        return Pretrained(state, hashlib.file_digest(file, "sha256").hexdigest())


def check_pretrained(jobs: Iterable[Job], path: Path | None) -> None:
    """Raise LtbenchError where a job cannot begin from its weights, or none begins from a file."""
    fitting: set[str] = set()
    jobs = list(jobs)
    for job in jobs:
        if job.network not in fitting and (found := pretrained_of(job, path)) is not None:
            channels = job.dataset.info.shape[0]
            found.put_into(create(job.network, channels, job.dataset.info.classes))
            fitting.add(job.network)
    if path is not None and jobs and not fitting:
        raise UsageError(
            f"--pretrained {path}: protocol {jobs[0].protocol.specification} begins from random "
            "weights; add pretrained=True to it, such as --protocol 'fast(pretrained=True)'."
        )

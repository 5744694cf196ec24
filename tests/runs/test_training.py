"""A job's training is the one that was planned, on images that are read once."""

from dataclasses import replace

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.training import split_of, training_of


def test_a_method_that_changed_since_the_plan_is_refused(jobs_of, workspace):
    (job,) = jobs_of(workspace.results)
    with pytest.raises(LtbenchError, match="ce is not what was planned"):
        training_of(replace(job, fingerprint="0" * 16), workspace)


def test_consecutive_jobs_on_a_split_read_it_once(jobs_of, workspace):
    first, second = jobs_of(workspace.results, seeds=(0, 1))
    assert split_of(second, workspace) is split_of(first, workspace)


def test_settings_are_the_protocols(jobs_of, workspace):
    (job,) = jobs_of(workspace.results, protocol_name="smoke(batch_size=16)")
    found = training_of(job, workspace)
    assert found.settings.recipe.batch_size == 16
    assert found.settings.seed == job.seed
    assert found.epochs == job.protocol.epochs
    assert not found.progress.epochs_done

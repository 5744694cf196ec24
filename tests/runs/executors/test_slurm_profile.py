"""Profiles: what a file asks of a cluster, and one sentence for what it cannot."""

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.executors.interface import Options
from ltbench.runs.executors.slurm_profile import Profile


def test_a_profile_is_what_sbatch_is_asked_for(profile):
    text = "partition: gpu\nmemory: 16GB\nsetup: [module load cuda]\noptions: {gpu-bind: closest}"
    found = Profile.read(profile(text)).parameters(30, Options(signal_before=120.0))
    assert found == {
        "partition": "gpu", "mem": "16GB", "gpus_per_node": 1, "cpus_per_task": 4,
        "setup": ["module load cuda"], "job_name": "ltbench", "time": 30, "signal_delay_s": 120,
        "array_parallelism": 256,
        "additional_parameters": {"requeue": True, "gpu-bind": "closest"},
    }  # fmt: skip
    assert "gpus_per_node" not in Profile.read(profile("gpus: 0")).parameters(1, Options())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitions: gpu", "unknown key 'partitions'; known: partition, account,"),
        ("gpus: many", "gpus: Input should be a valid integer"),
        ("cpus: 0", "cpus: Input should be greater than 0"),
        ("- a list", "describes no profile"),
        ("cpus: 2\ncpus: 4", "line 1: the key 'cpus' is given twice"),
        ("a: [", "line 1: "),
    ],
)
def test_a_profile_that_does_not_do_is_one_sentence(profile, text, words):
    with pytest.raises(LtbenchError) as caught:
        Profile.read(profile(text))
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_an_empty_profile_has_a_default_for_every_key(profile):
    assert Profile.read(profile("")) == Profile()
    assert (Profile().gpus, Profile().cpus, Profile().interrupt) == (1, 4, "cancel")

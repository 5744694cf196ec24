"""`ltbench pack` and `ltbench run job.zip`: the same runs as without an archive, or a sentence."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from archives import rewritten

from ltbench.data.archive import PLAN
from ltbench.runs.record import same_result
from ltbench.runs.store import Store

ASKED = (
    "--methods", "ce,crt+posthoc_logit_adjustment", "--dataset", "digits_lt",
    "--protocol", "fast(epochs=1, evaluate_every=1)", "--seeds", "0,2", "--validation", "1",
)  # fmt: skip


@pytest.fixture
def job(ltbench, home) -> Path:
    said = ltbench("pack", *ASKED, "--output", "job.zip")
    assert said.code == 0, said.err
    assert said.out.startswith("4 cells and ")
    assert "There: ltbench run job.zip --results DIR" in said.out
    return home / "job.zip"


def changed(path, **changes):
    """Change the plan in an archive, and what vouches for it."""

    def change(files):
        files[PLAN] = json.dumps(json.loads(files[PLAN]) | changes).encode()
        manifest = json.loads(files["manifest.json"])
        manifest["files"][PLAN] = hashlib.sha256(files[PLAN]).hexdigest()
        files["manifest.json"] = json.dumps(manifest).encode()

    rewritten(path, change)


def test_a_packed_run_is_the_unpacked_one_and_comes_back_as_a_bundle(ltbench, job, home):
    there = home / "there"
    there.mkdir()
    shutil.move(job, there / "job.zip")
    said = ltbench("run", there / "job.zip", "--results", there / "r", "--quiet")
    assert said.code == 0, said.err
    assert ltbench("run", *ASKED, "--results", home / "plain", "--quiet").code == 0
    ours, theirs = Store(home / "plain"), Store(there / "r")
    cells = [*ours.records()]
    assert len(cells) == 4
    for one, other in zip(cells, theirs.records(), strict=True):
        assert same_result(one, other)
        assert one.data == other.data  # the images, too
        assert one.fingerprint == other.fingerprint
    bundle = ("--format", "bundle", "--output", home / "back.zip")
    assert ltbench("export", "--results", there / "r", *bundle).code == 0
    merged = ltbench("merge", home / "back.zip", "--results", home / "plain")
    assert merged.code == 0
    assert re.search(r"already there +4\b", merged.out)
    again = ltbench("run", there / "job.zip", "--results", there / "r", "--dry-run")
    assert "4 finished" in again.out


@pytest.mark.slow
def test_workers_read_the_archive_too(ltbench, job):
    said = ltbench("run", job, "--results", "r", "--jobs", "2", "--device", "cpu", "--quiet")
    assert said.code == 0, said.err
    assert len([*Store("r").records()]) == 4


def test_another_version_is_refused_naming_both(ltbench, job):
    changed(job, ltbench="0.0.7", commit="a" * 40, dirty=False)
    said = ltbench("run", job, "--results", "r")
    assert said.code == 1
    assert "was packed with ltbench 0.0.7 at aaaaaaaaaa, and this machine has 0.1.0" in said.err
    assert not Path("r").exists()


def test_other_code_of_the_same_version_is_refused(ltbench, job):
    changed(job, code="0" * 16)
    said = ltbench("run", job, "--results", "r")
    assert (said.code, "whose code is another; install the same" in said.err) == (1, True)


def test_other_settings_than_were_packed_are_refused(ltbench, job):
    changed(job, fingerprints=["0" * 16] * 4)
    said = ltbench("run", job, "--results", "r")
    assert (said.code, "give the same on both machines" in said.err) == (1, True)


def test_a_damaged_archive_trains_nothing(ltbench, job):
    content = bytearray(job.read_bytes())
    content[len(content) // 2] ^= 1
    job.write_bytes(bytes(content))
    said = ltbench("run", job, "--results", "r")
    assert said.code == 1
    assert "is damaged, or no job" in said.err.splitlines()[-1]
    assert not Path("r").exists()


@pytest.mark.parametrize(
    "more", [("--methods", "ce"), ("--dataset", "digits_lt"), ("--seeds", "1"), ("--seeds", "3"),
             ("--seed", "0"),
             ("--table", "1"), ("--data-root", "."), ("--protocol", "fast")],
)  # fmt: skip
def test_beside_an_archive_nothing_else_says_what_to_run(ltbench, job, more):
    said = ltbench("run", job, *more)
    words = "says what to run, over which seeds, and has the images"
    assert (said.code, words in said.err) == (2, True)


@pytest.mark.slow
def test_a_method_of_ones_own_is_given_on_both_machines(ltbench, home, method_file):
    file = method_file("mine", "pass\n")
    words = ("--methods", "mine", "--dataset", "digits_lt", "--protocol", "smoke", "--seeds", "1")
    said = ltbench("pack", *words, "--load", file, "--output", "own.zip")
    assert said.code == 0, said.err
    assert "is not in it" in said.out
    with zipfile.ZipFile("own.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith(".py")]
    said = ltbench("run", "own.zip", "--results", "r", "--load", file, "--quiet")
    assert said.code == 0, said.err


def test_nothing_to_pack_and_images_of_ones_own_are_sentences(ltbench, home):
    said = ltbench("pack", "--methods", "", "--dataset", "digits_lt", "--output", "x.zip")
    assert (said.code, "nothing to pack" in said.err) == (2, True)
    said = ltbench("pack", "--methods", "ce", "--dataset", "cifar100_lt", "--output", "x.zip",
                   "--data-root", home)  # fmt: skip
    assert said.code != 0
    assert said.err.count("\n") == 1
    assert not Path("x.zip").exists()

"""What the shell offers after a Tab."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def completed(home):
    """Ask as bash does: the words so far, the last of them unfinished."""

    def call(*words: str) -> list[str]:
        script = (
            "import sys\n"
            "from ltbench.cli import main\n"
            "try:\n    main()\n"
            "finally:\n    assert 'torch' not in sys.modules\n"
        )
        wanted = {
            "_LTBENCH_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["ltbench", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.argv[0] = 'ltbench'\n{script}"],
            env=os.environ | wanted, cwd=home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    return call


def test_methods_are_completed_part_by_part(completed):
    assert "ldam_drw" in completed("run", "--methods", "ldam")
    assert completed("run", "--methods", "ce,mixu") == ["ce,mixup"]
    assert completed("run", "--methods", "ce,ldam_drw+sa") == ["ce,ldam_drw+sam"]
    assert completed("run", "--load", "ideas/mine.py", "--methods", "ce,min") == ["ce,mine"]


def test_data_sets_and_their_protocols_are_completed(completed):
    assert completed("run", "--dataset", "digits_lt,cifar1") == [
        "digits_lt,cifar100_lt", "digits_lt,cifar10_lt",
    ]  # fmt: skip
    assert completed("run", "--dataset", "digits_lt", "--protocol", "") == ["clip", "fast", "smoke"]
    assert "paper" in completed("table", "1", "--protocol", "")


def test_tables_figures_and_files_are_completed(completed, home):
    (home / "ideas").mkdir()
    for name in ("mine.yaml", "ideas/mine.py", ".hidden.yaml"):
        (home / name).write_text("")
    assert "cc_sam/1" in completed("table", "cc")
    assert completed("table", "m") == ["mine.yaml"]
    assert "ideas/" in completed("table", "")
    assert completed("check", "ideas/m") == ["ideas/mine.py"]
    assert completed("check", "./ideas/m") == ["./ideas/mine.py"]
    assert completed("figure", "per_class_") == ["per_class_digits"]
    assert completed("show", "digits") == ["digits_lt", "digits_mosaic"]
    assert completed("table", "nowhere/") == []

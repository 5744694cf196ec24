"""`ltbench analyse`: every kind of analysis of a run with weights, as typed."""

import pytest

from ltbench.analysis.names import ANALYSES

RUN = ("run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", "smoke(epochs=3)",
       "--seeds", "1", "--keep", "snapshots:1", "--quiet")  # fmt: skip
SMALL = {
    "hessian": "hessian(steps=2, probes=1, traces=1, per_class=2)", "line": "line(draws=1)",
    "plane": "plane(points=3)", "trajectory": "trajectory(points=3)",
    "gradients": "gradients(batches=1)",
    "drift": "drift(points=2, between=2, statistics=50)",
}  # fmt: skip


def test_a_record_that_does_not_read_is_named(ltbench, home):
    path = home / "results/runs/digits_lt-imbalance=20/smoke/resnet8/ce/seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    answer = ltbench("analyse", "hessian")
    assert answer.code == 1
    left_out, last = answer.err.splitlines()
    assert left_out.startswith("ltbench: left out: ")
    assert "seed0.json" in left_out
    assert last == "ltbench: no record fits; `ltbench status` lists those that there are."


@pytest.mark.slow
def test_files_of_records_are_of_the_store_that_they_lie_in(ltbench, home):
    run = [{"smoke(epochs=3)": "smoke(epochs=1, warmup_epochs=0)", "1": "2"}.get(x, x) for x in RUN]
    assert ltbench(*run, "--results", "elsewhere").code == 0
    paths = sorted(home.glob("elsewhere/runs/**/seed?.json"))
    assert ltbench("analyse", "predictions", "--runs", ",".join(map(str, paths))).code == 0
    assert len(list(home.glob("elsewhere/analyses/**/predictions/seed?.csv"))) == 2
    for path in home.glob("elsewhere/runs/**/seed?.safetensors"):
        path.rename(path.with_suffix(".moved"))
    lacking = ltbench("analyse", "hessian", "--results", "elsewhere")
    assert lacking.code == 1
    first, second, last = lacking.err.splitlines()
    assert "left out: the weights of ce on digits_lt" in first
    assert "put seed1.safetensors beside the record" in second
    assert last == ("ltbench: 2 runs cannot be looked into; the lines above say what each lacks.")
    for path in home.glob("elsewhere/runs/**/seed?.moved"):
        path.rename(path.with_suffix(".safetensors"))
    assert ltbench("weights", "export", paths[0], "--output", "net.pt").code == 0
    mixed = ltbench("analyse", "predictions", "--runs", f"{paths[0]},ce")
    assert mixed.code == 1
    assert "there is no ce; give a record's .json file" in mixed.err


@pytest.mark.slow
def test_every_analysis_of_a_run_writes_its_file_and_is_not_done_twice(ltbench, home):
    assert ltbench(*RUN).code == 0
    lacking = ltbench("analyse", SMALL["drift"])
    assert lacking.code == 1
    assert "tail_only=True" in lacking.err
    tail = ("smoke(epochs=3, tail_only=True)" if x == "smoke(epochs=3)" else x for x in RUN)
    assert ltbench(*tail).code == 0
    for name in ANALYSES:
        done = ltbench("analyse", SMALL.get(name, name), "--protocol", "smoke(epochs=3)")
        assert done.code == 0, (name, done.err)
        assert "Written: " in done.out
        again = ltbench("analyse", SMALL.get(name, name), "--protocol", "smoke(epochs=3)")
        assert again.code == 0
        assert "is there already" in again.err
    assert len(list((home / "results" / "analyses").rglob("seed0.csv"))) == len(ANALYSES)
